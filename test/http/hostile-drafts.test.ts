import { afterAll, beforeAll, expect, test } from 'vitest'
import { at, brief, openFeedStage, type FeedStage } from './feed-stage.ts'

let stage: FeedStage
const code = 'LZ-GA-RK-300'

beforeAll(async () => {
  stage = await openFeedStage()
  await stage.register(code)
})
afterAll(() => stage.close())

const NUL = String.fromCharCode(0)
const manifest = () => stage.manifestOf(code)
const named = (title: string) => ({ ...manifest(), feed: { ...manifest().feed, title } })
const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels)
const carrying = (text: string): string => `{"manifest":${text}}`

/** Each is refused with its code within a second, without repeating what was given, and nothing of the feed has changed. */
test.each<readonly [string, () => unknown, number, string]>([
  ['no JSON', () => '{"manifest":', 400, 'REQUEST_INVALID'],
  ['nothing', () => ({}), 400, 'REQUEST_INVALID'],
  ['a list', () => '[]', 400, 'REQUEST_INVALID'],
  ['a manifest that is a text', () => ({ manifest: 'x' }), 400, 'REQUEST_INVALID'],
  ['an empty manifest', () => ({ manifest: {} }), 422, 'MANIFEST_INVALID'],
  ['a member that nobody knows', () => ({ manifest: { ...manifest(), script: 'x' } }), 422, 'MANIFEST_INVALID'],
  ['a member beside the manifest', () => ({ manifest: manifest(), state: 'active' }), 400, 'REQUEST_INVALID'],
  ['a signature of its own', () => ({ manifest: manifest(), approvedBy: 'officer' }), 400, 'REQUEST_INVALID'],
  ['a poisoned prototype', () => carrying('{"__proto__":{"admin":true}}'), 400, 'REQUEST_INVALID'],
  ['a poisoned constructor', () => carrying('{"constructor":{"prototype":{}}}'), 400, 'REQUEST_INVALID'],
  ['a hundred thousand levels', () => carrying(`{"map":${deep(100_000)}}`), 400, 'REQUEST_INVALID'],
  ['twenty levels', () => carrying(`{"map":${deep(20)}}`), 400, 'REQUEST_INVALID'],
  ['half a megabyte', () => ({ manifest: named('x'.repeat(500_000)) }), 413, 'TOO_LARGE'],
  ['a title of 200,000', () => ({ manifest: named('x'.repeat(200_000)) }), 422, 'MANIFEST_INVALID'],
  ['a NUL', () => ({ manifest: named(`a${NUL}b`) }), 400, 'REQUEST_INVALID'],
  [
    'half a character',
    () => carrying(JSON.stringify(named('a')).replace('"a"', String.raw`"\ud800"`)),
    400,
    'REQUEST_INVALID',
  ],
  ['a NUL in a note', () => ({ manifest: manifest(), note: `a${NUL}b` }), 400, 'REQUEST_INVALID'],
  [
    '9,000 mappings',
    () => ({ manifest: { ...manifest(), map: Array.from({ length: 9000 }, () => ({ to: '/x', from: '/y' })) } }),
    422,
    'MANIFEST_INVALID',
  ],
  [
    'a secret in clear',
    () => ({
      manifest: {
        ...manifest(),
        source: { ...manifest().source, auth: { kind: 'bearer', token: 'eyJhbGciOiJIUzI1NiJ9.e30.x' } },
      },
    }),
    422,
    'MANIFEST_INVALID',
  ],
  [
    'a religion',
    () => ({ manifest: { ...manifest(), map: [...manifest().map, { to: '/religion', from: '/zjxy' }] } }),
    422,
    'MANIFEST_INVALID',
  ],
  [
    'SQL for a legal basis',
    () => ({ manifest: manifest(), legalBasis: "'; drop table feed; --" }),
    400,
    'REQUEST_INVALID',
  ],
  ['a share type of its own', () => ({ manifest: manifest(), catalogue: { shareType: 9 } }), 400, 'REQUEST_INVALID'],
])('%s', async (_what, body, status, refusal) => {
  const { office, installation } = stage
  const before = await installation.asOwner('select * from gridbridge.feed_version')
  const startedAt = performance.now()
  const answer = await office.editor.put(at(code, '/draft'), body())
  expect(performance.now() - startedAt).toBeLessThan(1000)
  expect(brief(answer)).toEqual([status, refusal])
  expect(JSON.stringify(answer.body).length).toBeLessThan(5000)
  expect(JSON.stringify(answer.body)).not.toMatch(/drop table|eyJhbG|1900010100/)
  expect(await installation.asOwner('select * from gridbridge.feed_version')).toEqual(before)
})

test('an address that is no feed code is refused as it is', async () => {
  for (const path of ["LZ-GA'--", 'x'.repeat(3000), '%00', '..%2F..%2Fetc']) {
    const { status } = await stage.office.editor.get(`/api/v1/feeds/${path}`)
    expect([path.slice(0, 20), status]).toEqual([path.slice(0, 20), 400])
  }
})
