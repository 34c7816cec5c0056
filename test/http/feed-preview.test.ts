import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { at, brief, openFeedStage, type FeedStage } from './feed-stage.ts'
import { nameOf, namedBy } from '../support/manifests.ts'

let stage: FeedStage
let installation: FeedStage['installation']
let office: FeedStage['office']
const code = 'LZ-GA-RK-200'

beforeAll(async () => {
  stage = await openFeedStage()
  ;({ installation, office } = stage)
  await stage.register(code)
})
afterAll(() => stage.close())

const preview = (who: keyof FeedStage['office'] = 'editor') => office[who].post(at(code, '/preview'))
const draft = (change: object) => office.editor.put(at(code, '/draft'), stage.draftOf(code, change))

describe('a preview', () => {
  test('shows twenty rows raw, mapped and masked to the own department, and what each field is', async () => {
    const { status, headers, body } = await preview()
    expect([status, headers.get('cache-control'), body.read, body.rows.length]).toEqual([200, 'no-store', 25, 20])
    const [row] = body.rows
    expect(row.raw).toMatchObject({ zjhm: '510502190001010017', xm: '张测试' })
    expect(row.mapped).toMatchObject({ certNumber: '510502190001010017', name: '张测试', sex: '1' })
    expect(row.masked).toMatchObject({ name: '张**', gridCode: '510502001001001' })
    expect(JSON.stringify(row.masked)).not.toMatch(/190001010017|19900000001/)
    expect(body.fields).toContainEqual(
      expect.objectContaining({ name: 'certNumber', class: 'identifier', level: expect.stringMatching(/^L[1-4]$/) }),
    )
  })

  test.each(['officer', 'engineer'] as const)('shows no clear value to the %s', async (who) => {
    const { status, body } = await preview(who)
    expect([status, body.rows.length]).toEqual([200, 20])
    for (const { raw, mapped } of body.rows) expect([raw, mapped]).toEqual([null, null])
    expect(JSON.stringify(body)).not.toMatch(/190001010017|张测试|19900000001/)
    expect(body.rows[0].masked).toMatchObject({ name: '张**' })
  })

  test('is in the audit log before it is answered, without a value', async () => {
    await preview()
    const [entry] = await installation.asOwner<{ body: Buffer }>(
      `select body from audit.entry where event_type = 'feed.previewed' order by recorded_at desc limit 1`,
    )
    expect(JSON.parse(String(entry?.body))).toMatchObject({
      actor: 'account:ga-editor',
      feed: code,
      count: 20,
      details: { clear: true, version: 1 },
    })
    expect(String(entry?.body)).not.toMatch(/张|19000101|1990000/)
    const named = (await namedBy(installation, 'feed.previewed')).at(-1)
    expect(named).toEqual([nameOf(installation, '510502190001010017')])
  })

  test('is not answered while it cannot be written down', async () => {
    await installation.asOwner('revoke execute on function audit.append(uuid, bytea, bytea, bytea) from gridbridge_app')
    const answer = await preview()
    await installation.asOwner('grant execute on function audit.append(uuid, bytea, bytea, bytea) to gridbridge_app')
    expect(brief(answer)).toEqual([503, 'AUDIT_UNAVAILABLE'])
    expect(JSON.stringify(answer.body)).not.toContain('张')
  })

  test('keeps nothing', async () => {
    await preview()
    const [kept] = await installation.asOwner(
      `select (select count(*) from gridbridge.record) as records, (select count(*) from gridbridge.rejection) as rejections,
              (select count(*) from gridbridge.run) as runs, (select cursor from gridbridge.feed where code = $1) as cursor`,
      [code],
    )
    expect(kept).toEqual({ records: 0, rejections: 0, runs: 0, cursor: null })
  })

  test('tells why a row would be rejected, in the place of its masked form', async () => {
    const { map } = stage.manifestOf(code)
    const wrong = map.map((mapping) => (mapping.to === '/certNumber' ? { to: '/certNumber', from: '/xm' } : mapping))
    await draft({ manifest: stage.manifestOf(code, { map: wrong }) })
    const { body } = await preview()
    expect(body.rows[3]).toMatchObject({ masked: null, raw: { xm: '张测试' } })
    expect(body.rows[3].reasons).toContainEqual({ rule: expect.stringMatching(/^DQ-01\d$/), field: 'certNumber' })
  })
})

describe('a source that may not be read', () => {
  test.each([
    ['a port that nobody registered', 'http://127.0.0.1:9'],
    ['the same machine by another name', 'http://localhost:9'],
    ['a cloud metadata service', 'http://169.254.169.254'],
    ['an address of the city', 'http://10.1.2.3'],
  ])('%s', async (_what, baseUrl) => {
    await draft({
      manifest: stage.manifestOf(code, { source: { ...stage.manifestOf(code).source, baseUrl } as never }),
    })
    const answer = await preview()
    expect([...brief(answer), answer.body.detail]).toEqual([
      403,
      'EGRESS_FORBIDDEN',
      expect.stringMatching(/no registered endpoint of public-security; have the security administrator register it$/),
    ])
  })

  test('a folder of the machine that nobody registered', async () => {
    const format = { kind: 'csv', encoding: 'utf-8', delimiter: ',' } as const
    const source = { kind: 'file', directory: '/etc', pattern: '*', marker: { suffix: '.ok' }, format, pageSize: 10 }
    const written = await draft({ manifest: stage.manifestOf(code, { source: source as never }) })
    expect(brief(written)).toEqual([200, code])
    const answer = await preview()
    expect([...brief(answer), answer.body.detail]).toEqual([
      403,
      'EGRESS_FORBIDDEN',
      expect.stringMatching(/^folder \/etc is no/),
    ])
  })

  test('an endpoint that was withdrawn', async () => {
    await draft({})
    expect((await preview()).status).toBe(200)
    const { body } = await office.editor.get('/api/v1/endpoints')
    const [{ endpointId, ...endpoint }] = body.endpoints
    expect((await office.officer.remove(`/api/v1/endpoints/${endpointId}`)).status).toBe(200)
    expect(brief(await preview())).toEqual([403, 'EGRESS_FORBIDDEN'])
    expect(brief(await office.officer.remove(`/api/v1/endpoints/${endpointId}`))).toEqual([404, 'ENDPOINT_UNKNOWN'])
    await office.officer.post('/api/v1/endpoints', { ...endpoint, department: 'civil-affairs' })
    expect(brief(await preview())).toEqual([403, 'EGRESS_FORBIDDEN'])
    await office.officer.post('/api/v1/endpoints', endpoint)
    expect((await preview()).status).toBe(200)
  })
})

describe('a secret', () => {
  test('is kept sealed and never given back', async () => {
    const path = at(code, '/secrets/residentToken')
    expect((await office.editor.put(path, { value: 'whisper-3141592653' })).body).toEqual({
      name: 'residentToken',
      given: true,
    })
    expect(brief(await office.editor.get(path))).toEqual([404, 'ROUTE_UNKNOWN'])
    const answers = await Promise.all(['', '/versions', '/versions/1'].map((rest) => office.editor.get(at(code, rest))))
    expect(JSON.stringify(answers.map(({ body }) => body))).not.toContain('whisper')
    const [row] = await installation.asOwner<{ text: string }>(
      `select (select string_agg(feed::text, '') from gridbridge.feed) || (select string_agg(convert_from(body, 'UTF8'), '') from audit.entry) as text`,
    )
    expect(row?.text).not.toContain('whisper')
    expect((await office.editor.get(at(code))).body.secrets).toEqual([{ name: 'residentToken', given: true }])
  })

  test('that the manifest does not name is refused without its value', async () => {
    const answer = await office.editor.put(at(code, '/secrets/other'), { value: 'whisper-3141592653' })
    expect(brief(answer)).toEqual([400, 'REQUEST_INVALID'])
    expect(JSON.stringify(answer.body)).not.toContain('whisper')
  })
})
