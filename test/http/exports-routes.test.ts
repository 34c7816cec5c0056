import { hash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { Client } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { saveAgreement } from '../../src/store/agreements.ts'
import { exportContext, linesOf, strangerRows, workToEnd } from '../support/exports.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { createTerms, registerConsumer, registerFeed, storeRows, type RegisteredConsumer } from '../support/ledger.ts'
import { bearerOf, openDoor } from './door.ts'

let installation: TestInstallation
let server: FastifyInstance
let consumer: RegisteredConsumer
let authorization = ''
let stranger = ''
let tests = 0

beforeAll(async () => {
  installation = await openTestInstallation('api')
  server = await openDoor(installation)
  await storeRows(installation, await registerFeed(installation, 'LZ-GA-RK-001'), strangerRows(1, 25))
  stranger = await bearerOf(server, await registerConsumer(installation, 'another-platform'))
})
afterAll(async () => {
  await server.close()
  await installation.close()
})
beforeEach(async () => {
  tests += 1
  consumer = await registerConsumer(installation, `platform-${tests}`)
  authorization = await bearerOf(server, consumer)
})

type Method = 'GET' | 'POST' | 'DELETE'
const call = (method: Method, path: string, headers: Readonly<Record<string, string>> = {}) =>
  server.inject({ method, url: `/api/v1/${path}`, headers: { authorization, ...headers } })
const get = (path: string, headers: Readonly<Record<string, string>> = {}) => call('GET', path, headers)

interface Shown {
  readonly exportId: number
  readonly state: string
  readonly code: string
  readonly manifest: string | null
}
interface Manifest {
  readonly parts: readonly { readonly bytes: number; readonly sha256: string; readonly url: string }[]
}

const askFor = async (): Promise<number> => (await call('POST', 'datasets/resident/exports')).json<Shown>().exportId
const make = (exportId: number) => workToEnd(exportContext(installation), exportId)

/** An export whose files are there. */
async function askAndMake(): Promise<number> {
  const exportId = await askFor()
  await make(exportId)
  return exportId
}

const briefOf = async (answering: ReturnType<typeof get>): Promise<readonly [number, string]> => {
  const response = await answering
  return [response.statusCode, response.json<Shown>().code]
}

const downloads = (exportId: number) =>
  installation.asOwner<{ actor: string; details: unknown }>(
    `select actor, said->'details' as details from audit.entry cross join lateral (select convert_from(body, 'UTF8')::jsonb as said) as read
      where event_type = 'export.downloaded' and said->>'object' like $1 order by recorded_at`,
    [`export/${exportId}/%`],
  )

test('a consumer asks, watches, reads the manifest and downloads every file with the digest that was promised', async () => {
  const asked = await call('POST', 'datasets/resident/exports')
  const { exportId } = asked.json<Shown>()
  expect([asked.statusCode, asked.headers['location']]).toEqual([202, `/api/v1/exports/${exportId}`])
  expect(asked.json()).toMatchObject({ dataset: 'resident', state: 'requested', about: null, manifest: null })
  expect(await briefOf(get(`exports/${exportId}/manifest`))).toEqual([409, 'EXPORT_STATE'])
  await make(exportId)
  const watched = await get(`exports/${exportId}`)
  expect(watched.json()).toMatchObject({ state: 'ready', about: 25, read: 25, records: 25, parts: 3 })
  const described = await get(`exports/${exportId}/manifest`)
  expect([described.statusCode, described.headers['cache-control']]).toEqual([200, 'no-store'])
  const { parts } = described.json<Manifest>()
  expect(described.json()).toMatchObject({
    exportId,
    dataset: 'resident',
    forms: { name: 'mask', gridCode: 'mask' },
    area: ['5105'],
    purpose: 'LZ-QD-001',
    totals: { parts: 3, records: 25, bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0) },
    k: null,
    withheld: 0,
    errors: [],
  })
  const ids: string[] = []
  for (const { url, bytes, sha256 } of parts) {
    const file = await server.inject({ url, headers: { authorization } })
    expect([
      file.statusCode,
      file.headers['content-type'],
      file.rawPayload.length,
      hash('sha256', file.rawPayload),
    ]).toEqual([200, 'application/x-ndjson+gzip', bytes, sha256])
    ids.push(...linesOf(file.rawPayload).map(({ id }) => id))
  }
  expect(new Set(ids).size).toBe(25)
  expect(await downloads(exportId)).toHaveLength(3)
  expect((await get('exports')).json()).toMatchObject({ exports: [{ exportId, state: 'ready' }] })
})

test('a download that broke off goes on where it was, and begins anew where the file is another one', async () => {
  const exportId = await askAndMake()
  const path = `exports/${exportId}/parts/1`
  const whole = await get(path)
  const { length } = whole.rawPayload
  const tag = String(whole.headers['etag'])
  expect(tag).toBe(`"${hash('sha256', whole.rawPayload)}"`)
  const rest = await get(path, { range: 'bytes=100-', 'if-range': tag })
  expect([rest.statusCode, rest.headers['content-range']]).toEqual([206, `bytes 100-${length - 1}/${length}`])
  expect(Buffer.concat([whole.rawPayload.subarray(0, 100), rest.rawPayload])).toEqual(whole.rawPayload)
  const middle = await get(path, { range: 'bytes=10-19' })
  expect([middle.statusCode, middle.rawPayload]).toEqual([206, whole.rawPayload.subarray(10, 20)])
  const other = await get(path, { range: 'bytes=100-', 'if-range': '"another"' })
  expect([other.statusCode, other.headers['content-range'], other.rawPayload]).toEqual([
    200,
    undefined,
    whole.rawPayload,
  ])
  const beyond = await get(path, { range: `bytes=${length}-` })
  expect([beyond.statusCode, beyond.json<Shown>().code, beyond.headers['content-range']]).toEqual([
    416,
    'RANGE_UNSATISFIABLE',
    `bytes */${length}`,
  ])
  const actor = `consumer:${consumer.name}`
  expect(await downloads(exportId)).toEqual(
    [
      [0, length - 1],
      [100, length - 1],
      [10, 19],
      [0, length - 1],
    ].map(([from, to]) => ({ actor, details: { from, to } })),
  )
})

describe('an export is its own consumer’s', () => {
  test.each(['', '/manifest', '/parts/1'])(
    'another one does not learn that it is there: GET /exports/…%s',
    async (rest) => {
      const exportId = await askAndMake()
      expect(await briefOf(get(`exports/${exportId}${rest}`, { authorization: stranger }))).toEqual([
        404,
        'EXPORT_UNKNOWN',
      ])
      expect(await briefOf(get(`exports/999999999${rest}`))).toEqual([404, 'EXPORT_UNKNOWN'])
      expect(await briefOf(get(`exports/${exportId}${rest}`, { authorization: 'Bearer none' }))).toEqual([
        401,
        'TOKEN_INVALID',
      ])
      expect(await downloads(exportId)).toEqual([])
    },
  )

  test('another one neither lists nor ends it', async () => {
    const exportId = await askAndMake()
    const { exports } = (await get('exports', { authorization: stranger })).json<{ exports: readonly Shown[] }>()
    expect(exports.filter((one) => one.exportId === exportId)).toEqual([])
    expect(await briefOf(call('DELETE', `exports/${exportId}`, { authorization: stranger }))).toEqual([
      404,
      'EXPORT_UNKNOWN',
    ])
    expect((await get(`exports/${exportId}`)).json()).toMatchObject({ state: 'ready' })
  })

  test('a file that it does not have is not there', async () => {
    expect(await briefOf(get(`exports/${await askAndMake()}/parts/4`))).toEqual([404, 'EXPORT_UNKNOWN'])
  })
})

test('an export that is deleted is over: its manifest and its files are gone at once', async () => {
  const exportId = await askAndMake()
  expect((await call('POST', 'datasets/resident/exports')).statusCode).toBe(409)
  expect((await call('DELETE', `exports/${exportId}`)).json()).toMatchObject({ state: 'cancelled', manifest: null })
  expect((await call('DELETE', `exports/${exportId}`)).json()).toMatchObject({ state: 'cancelled' })
  expect(await briefOf(get(`exports/${exportId}/manifest`))).toEqual([410, 'EXPORT_EXPIRED'])
  expect(await briefOf(get(`exports/${exportId}/parts/1`))).toEqual([410, 'EXPORT_EXPIRED'])
  expect((await call('POST', 'datasets/resident/exports')).statusCode).toBe(202)
})

test('an export whose time is up is gone, whether or not it was removed yet', async () => {
  const exportId = await askAndMake()
  await installation.asOwner(
    `update gridbridge.export set expires_at = now() - interval '1 second' where export_id = $1`,
    [exportId],
  )
  expect(await briefOf(get(`exports/${exportId}/manifest`))).toEqual([410, 'EXPORT_EXPIRED'])
  expect(await briefOf(get(`exports/${exportId}/parts/1`))).toEqual([410, 'EXPORT_EXPIRED'])
})

describe('each download asks the agreement', () => {
  const onAgreement = (change: string): Promise<unknown> =>
    installation.asOwner(`update gridbridge.agreement set ${change} where consumer_id = $1`, [consumer.consumerId])

  test.each<readonly [string, () => Promise<unknown>, readonly [number, string]]>([
    [
      'of another version now',
      () => saveAgreement(installation.database.query, createTerms(consumer.consumerId)),
      [409, 'EXPORT_OUTDATED'],
    ],
    ['that is over', () => onAgreement('valid_to = clock_timestamp()'), [403, 'AGREEMENT_MISSING']],
    ['that is suspended', () => onAgreement('suspended_at = clock_timestamp()'), [403, 'AGREEMENT_SUSPENDED']],
    ['whose purpose was withdrawn', () => onAgreement(`purpose = 'LZ-QD-404'`), [403, 'PURPOSE_WITHDRAWN']],
    ['that allows no copy any more', () => onAgreement(`method = 'query'`), [403, 'QUERY_ONLY']],
    [
      'whose consumer was stopped',
      () =>
        installation.asOwner('update gridbridge.consumer set stopped_at = clock_timestamp() where consumer_id = $1', [
          consumer.consumerId,
        ]),
      [403, 'CONSUMER_STOPPED'],
    ],
  ])('%s: nothing leaves', async (_what, change, wanted) => {
    const exportId = await askAndMake()
    await change()
    expect(await briefOf(get(`exports/${exportId}/parts/1`))).toEqual(wanted)
    expect(await briefOf(get(`exports/${exportId}/manifest`))).toEqual(wanted)
    expect(await downloads(exportId)).toEqual([])
    const denials = await installation.asOwner(
      `select from audit.entry where event_type = 'access.denied' and actor = $1`,
      [`consumer:${consumer.name}`],
    )
    expect(denials).toHaveLength(wanted[0] === 403 ? 2 : 0)
  })
})

test('without an agreement, or under one for single queries, there is no export, and that is written down', async () => {
  expect(await briefOf(call('POST', 'datasets/housing/exports'))).toEqual([403, 'AGREEMENT_MISSING'])
  await installation.asOwner(`update gridbridge.agreement set method = 'query' where consumer_id = $1`, [
    consumer.consumerId,
  ])
  expect(await briefOf(call('POST', 'datasets/resident/exports'))).toEqual([403, 'QUERY_ONLY'])
  const denials = await installation.asOwner(
    `select dataset, convert_from(body, 'UTF8')::jsonb->'details'->>'reason' as reason from audit.entry
      where event_type = 'access.denied' and actor = $1 order by recorded_at`,
    [`consumer:${consumer.name}`],
  )
  expect(denials).toEqual([
    { dataset: 'housing', reason: 'AGREEMENT_MISSING' },
    { dataset: 'resident', reason: 'QUERY_ONLY' },
  ])
})

describe('while the audit log is locked', () => {
  async function whileLocked<Result>(work: () => Promise<Result>): Promise<Result> {
    const locker = new Client({ connectionString: installation.ownerUrl })
    await locker.connect()
    try {
      await locker.query('begin; lock table audit.lane in access exclusive mode')
      return await work()
    } finally {
      await locker.end()
    }
  }

  test('no audit, no file: 503 and not a byte', async () => {
    const exportId = await askAndMake()
    const during = await whileLocked(() => get(`exports/${exportId}/parts/1`))
    expect([during.statusCode, during.json<Shown>().code, during.headers['content-range']]).toEqual([
      503,
      'AUDIT_UNAVAILABLE',
      undefined,
    ])
    expect((await get(`exports/${exportId}/parts/1`)).statusCode).toBe(200)
  })

  test('no more than twenty files are held at once, and all can be had afterwards', async () => {
    const exportId = await askAndMake()
    const ask = () => Promise.all(Array.from({ length: 25 }, () => briefOf(get(`exports/${exportId}/parts/1`))))
    const refused = (await whileLocked(ask)).filter(([, code]) => code === 'BUSY')
    expect(refused).toHaveLength(5)
    const again = Array.from({ length: 20 }, async () => (await get(`exports/${exportId}/parts/1`)).statusCode)
    expect(new Set(await Promise.all(again))).toEqual(new Set([200]))
  })
})

test.each([
  'exports/0',
  'exports/abc',
  'exports/1.5',
  'exports/1/parts/0',
  'exports/1/parts/99999999999',
  'exports/510502190001010017',
])('GET /%s is refused without repeating it', async (path) => {
  const response = await get(path)
  expect([400, 404]).toContain(response.statusCode)
  expect(response.body).not.toMatch(/abc|99999999999|190001/)
})
