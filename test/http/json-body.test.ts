import { fastify, type FastifyInstance } from 'fastify'
import { assert, asyncProperty, jsonValue } from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { takeJson } from '../../src/http/json-body.ts'
import { answerProblem } from '../../src/http/problems.ts'

let server: FastifyInstance
let handled: unknown[] = []

beforeAll(() => {
  server = fastify({ bodyLimit: 1_048_576 })
  server.setErrorHandler(answerProblem)
  takeJson(server)
  server.post('/probe', async (request) => {
    handled.push(request.body)
    return {}
  })
})
afterAll(() => server.close())

const post = (payload: string) =>
  server.inject({ method: 'POST', url: '/probe', headers: { 'content-type': 'application/json' }, payload })

// Of this thread's own work: the machine may be busy with other tests.
const MOST_US = 50_000

const nested = (levels: number, open = '[', close = ']'): string => open.repeat(levels) + close.repeat(levels)
const wide = (names: number): string => `{${Array.from({ length: names }, (_, n) => `"n${n}":1`).join(',')}}`
const megabyte = (piece: string): string => piece.repeat(Math.floor(1_000_000 / piece.length))

const refused: readonly (readonly [what: string, body: string, detail: string | RegExp])[] = [
  ['seventeen levels', nested(17), 'body: deeper than 16 levels'],
  ['seventeen objects', `${'{"a":'.repeat(17)}1${'}'.repeat(17)}`, 'body: deeper than 16 levels'],
  ['half a million levels', nested(500_000), 'body: deeper than 16 levels'],
  ['a megabyte of open brackets', megabyte('['), 'body: deeper than 16 levels'],
  ['a megabyte of open objects', megabyte('{"a":'), 'body: deeper than 16 levels'],
  ['a name twice', '{"role":"auditor","role":"admin"}', 'body: an object with a name twice'],
  ['a name twice in two spellings', String.raw`{"role":1,"rol\u0065":2}`, 'body: an object with a name twice'],
  ['a name twice far inside', '{"a":[{"b":{"c":1}},{"b":{"c":1,"c":1}}]}', 'body: an object with a name twice'],
  ['a megabyte of one name', `{${megabyte('"a":1,')}"a":1}`, 'body: an object with more than 10,000 names'],
  ['10,001 names', wide(10_001), 'body: an object with more than 10,000 names'],
  ['100,000 names', wide(75_000), 'body: an object with more than 10,000 names'],
  [
    'objects by the thousand, the last of them twice',
    `[${megabyte('{"a":1},').slice(0, -9)},{"a":1,"a":1}]`,
    'body: an object with a name twice',
  ],
  ['a poisoned prototype', '{"count":1,"__proto__":{"admin":true}}', ''],
  ['a poisoned prototype in another spelling', String.raw`{"count":1,"__pro\u0074o__":{"admin":true}}`, ''],
  ['a poisoned prototype far inside', '{"a":[{"b":{"__proto__":1}}]}', ''],
  ['a poisoned constructor', '{"constructor":{"prototype":{"admin":true}}}', ''],
  ['a NUL', String.raw`{"a":["\u0000"]}`, 'body: a text holds NUL or half a character'],
  ['a NUL in a name', String.raw`{"\u0000":1}`, 'body: a text holds NUL or half a character'],
  ['half a character', String.raw`{"a":"\ud800"}`, 'body: a text holds NUL or half a character'],
  ['nothing', '', ''],
  ['half of it', '{"a":', ''],
  ['a megabyte that is no JSON', megabyte('x'), ''],
  ['a megabyte of open quotes', megabyte('"'), ''],
  ['a megabyte of backslashes', `"${megabyte('\\')}`, ''],
  ['two values', '{}{}', ''],
  ['a comment', '{"a":1/*,"b":2*/}', ''],
]

test.each(refused)('%s is refused within 50 ms', async (_what, body, detail) => {
  handled = []
  await post('{}')
  const begun = process.threadCpuUsage().user
  const response = await post(body)
  expect(process.threadCpuUsage().user - begun).toBeLessThan(MOST_US)
  expect([response.statusCode, response.json()]).toEqual([
    400,
    expect.objectContaining({ code: 'REQUEST_INVALID', detail }),
  ])
  expect(handled).toEqual([{}])
})

test('what is larger than allowed is refused by its length alone', async () => {
  const begun = process.threadCpuUsage().user
  const response = await post(`{"a":"${'x'.repeat(2_000_000)}"}`)
  expect(process.threadCpuUsage().user - begun).toBeLessThan(MOST_US)
  expect([response.statusCode, response.json<{ code: string }>().code]).toEqual([413, 'TOO_LARGE'])
})

test('sixteen levels, 10,000 names, numbers, long texts and rare characters are taken as they are', async () => {
  for (const body of [
    nested(16),
    wide(10_000),
    '[1e308,-0.5,9007199254740991]',
    '{"姓名":"䶮𠮷","":null}',
    '  {"a" : "{[\\"" }  ',
  ]) {
    handled = []
    expect((await post(body)).statusCode).toBe(200)
    expect(handled).toEqual([JSON.parse(body)])
  }
})

test('whatever is plain JSON is read as JSON.parse reads it', async () => {
  await assert(
    asyncProperty(jsonValue({ maxDepth: 6 }), async (value) => {
      const text = JSON.stringify(value)
      handled = []
      const { statusCode } = await post(text)
      if (/__proto__|"constructor"|\\u0000|\\ud[89a-f]/.test(text)) return
      expect([text, statusCode, handled]).toEqual([text, 200, [JSON.parse(text)]])
    }),
    { numRuns: 50 },
  )
})
