import type { FastifyInstance } from 'fastify'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerConsumer, registerFeed, residentRows, storeRows } from '../support/ledger.ts'
import { bearerOf, openDoor } from './door.ts'

let installation: TestInstallation
let server: FastifyInstance
let authorization = ''

beforeAll(async () => {
  installation = await openTestInstallation('api')
  server = await openDoor(installation)
  const feed = await registerFeed(installation, 'LZ-GA-RK-001')
  await storeRows(installation, feed, residentRows(1, 7))
  authorization = await bearerOf(server, await registerConsumer(installation, 'grid-platform'))
})
afterAll(async () => {
  await server.close()
  await installation.close()
})

const get = (path: string, headers: Readonly<Record<string, string>> = { authorization }) =>
  server.inject({ url: `/api/v1/datasets/${path}`, headers })

interface Page {
  readonly changes: readonly { readonly id: string; readonly record: unknown }[]
  readonly cursor: string
  readonly hasMore: boolean
}

interface Problem {
  readonly code: string
  readonly status: number
  readonly detail: string
}

const countEntries = async (type: string): Promise<number> => {
  const [row] = await installation.asOwner<{ entries: number }>(
    'select count(*) as entries from audit.entry where event_type = $1',
    [type],
  )
  return row?.entries ?? -1
}

test('a consumer pulls page by page what its agreement grants, and nothing is kept on the way', async () => {
  const pages: Page[] = []
  for (let cursor = ''; pages.length < 3; cursor = pages.at(-1)?.cursor ?? '') {
    const response = await get(`resident/changes?limit=3&cursor=${cursor}`)
    expect([response.statusCode, response.headers['cache-control']]).toEqual([200, 'no-store'])
    pages.push(response.json<Page>())
  }
  expect(pages.map(({ changes, hasMore }) => [changes.length, hasMore])).toEqual([
    [3, true],
    [3, true],
    [1, false],
  ])
  expect(pages[0]?.changes[0]).toEqual({
    operation: 'upsert',
    id: 'LZ-GA-RK-001/R-1',
    version: 1,
    changedAt: expect.any(String) as string,
    record: { name: '张**', gridCode: '510502001001001' },
  })
  expect(JSON.stringify(pages)).not.toMatch(/certNumber|phone|19900000001/)
})

describe('who is not recognised gets nothing', () => {
  test.each([
    ['no token', {}],
    ['another scheme', { authorization: 'Basic Z3JpZDpwbGF0Zm9ybQ==' }],
    ['a token nobody issued', { authorization: `Bearer ${'A'.repeat(43)}` }],
    ['a short token', { authorization: 'Bearer abc' }],
    [
      'a broken token',
      {
        authorization:
          'Bearer \u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9',
      },
    ],
  ])('%s', async (_what, headers) => {
    const before = await countEntries('changes.pulled')
    const response = await get('resident/changes', headers)
    expect([response.statusCode, response.json<Problem>().code]).toEqual([401, 'TOKEN_INVALID'])
    expect(response.headers['content-type']).toMatch('application/problem+json')
    expect(response.headers['www-authenticate']).toMatch(/^Bearer /)
    expect(await countEntries('changes.pulled')).toBe(before)
  })
})

test('a dataset without an agreement is refused, and the refusal is in the audit log', async () => {
  const response = await get('housing/changes')
  expect([response.statusCode, response.json<Problem>()]).toEqual([
    403,
    expect.objectContaining({ code: 'AGREEMENT_MISSING' }),
  ])
  const [entry] = await installation.asOwner(
    `select actor, dataset, outcome from audit.entry where event_type = 'access.denied' order by recorded_at desc limit 1`,
  )
  expect(entry).toEqual({ actor: 'consumer:grid-platform', dataset: 'housing', outcome: 'denied' })
})

test('an agreement that has run out grants nothing', async () => {
  const former = await registerConsumer(installation, 'former-platform')
  const token = await bearerOf(server, former)
  expect((await get('resident/changes', { authorization: token })).statusCode).toBe(200)
  await installation.asOwner('update gridbridge.agreement set valid_to = clock_timestamp() where consumer_id = $1', [
    former.consumerId,
  ])
  expect((await get('resident/changes', { authorization: token })).statusCode).toBe(403)
})

describe('a request that does not fit its description is refused without repeating what was given', () => {
  test.each([
    'limit=0',
    'limit=1001',
    'limit=many',
    'limit=-5',
    'limit=1.5',
    'limit=1&limit=2',
    'limit=',
    `cursor=${'A'.repeat(201)}`,
    'limit=510502190001010017',
    'limt=5',
  ])('%s', async (query) => {
    const response = await get(`resident/changes?${query}`)
    expect([response.statusCode, response.json<Problem>().code]).toEqual([400, 'REQUEST_INVALID'])
    expect(response.json<Problem>().detail).toMatch(
      /^querystring(?:\/(?:limit|cursor))? (?:minimum|maximum|type|maxLength|additionalProperties)$/,
    )
    expect(response.body).not.toMatch(/many|AAAA|510502190001/)
  })

  test.each(['persons/changes', '%00/changes', 'resident%2F..%2Fhousing/changes', '510502190001010017/changes'])(
    'dataset %s',
    async (path) => {
      const response = await get(path)
      expect([400, 404]).toContain(response.statusCode)
      expect(response.body).not.toContain('510502190001010017')
    },
  )

  test('a cursor that this service never gave', async () => {
    const response = await get('resident/changes?cursor=AAAA')
    expect([response.statusCode, response.json<Problem>().code]).toEqual([400, 'CURSOR_INVALID'])
  })
})

describe('a cursor that no longer leads on', () => {
  test.each(['changes', 'snapshot'])('is refused with the way to a snapshot: %s', async (path) => {
    const consumer = await registerConsumer(installation, `changed-${path}`)
    const headers = { authorization: await bearerOf(server, consumer) }
    const { cursor } = (await get(`resident/${path}?limit=2`, headers)).json<Page>()
    expect((await get(`resident/${path}?limit=2&cursor=${cursor}`, headers)).statusCode).toBe(200)
    await installation.asOwner('update gridbridge.agreement set version = version + 1 where consumer_id = $1', [
      consumer.consumerId,
    ])
    const response = await get(`resident/${path}?limit=2&cursor=${cursor}`, headers)
    expect([response.statusCode, response.json<Problem>().code]).toEqual([410, 'CURSOR_EXPIRED'])
    expect(response.headers.link).toBe('</api/v1/datasets/resident/snapshot>; rel="snapshot"')
    expect(response.json<{ snapshot: string }>().snapshot).toBe('/api/v1/datasets/resident/snapshot')
    const begun = await get('resident/snapshot', headers)
    const { feedCursor = '' } = begun.json<{ feedCursor?: string }>()
    expect((await get(`resident/changes?cursor=${feedCursor}`, headers)).json<Page>().changes).toEqual([])
    const [entry] = await installation.asOwner(
      `select outcome from audit.entry where event_type = 'access.denied' and actor = $1`,
      [`consumer:changed-${path}`],
    )
    expect(entry).toEqual({ outcome: 'denied' })
  })
})

describe('no audit, no answer', () => {
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

  test.each(['resident/changes', 'housing/changes'])(
    'GET %s is answered 503 within 2.5 s while the audit log is locked, and again after',
    async (path) => {
      const usual = (await get(path)).statusCode
      const before = await countEntries('changes.pulled')
      const [response, milliseconds] = await whileLocked(async () => {
        const startedAt = Date.now()
        return [await get(path), Date.now() - startedAt] as const
      })
      expect([response.statusCode, response.json<Problem>()]).toEqual([
        503,
        expect.objectContaining({ code: 'AUDIT_UNAVAILABLE', retry: true }),
      ])
      expect(response.body).not.toContain('R-1')
      expect(milliseconds).toBeLessThan(2500)
      expect(await countEntries('changes.pulled')).toBe(before)
      expect((await get(path)).statusCode).toBe(usual)
    },
  )

  test('twenty requests at once, more than there are connections, are all answered 503, and no connection is lost', async () => {
    const hasty = await openDoor(installation, { auditDeadlineMs: 500 })
    const request = () => hasty.inject({ url: '/api/v1/datasets/resident/changes', headers: { authorization } })
    const ask = () => Promise.all(Array.from({ length: 20 }, request))
    const startedAt = Date.now()
    const during = await whileLocked(ask)
    // Twenty requests on eight connections wait for one another in three rounds.
    expect(Date.now() - startedAt).toBeLessThan(3 * 500 + 1000)
    expect(new Set(during.map(({ statusCode }) => statusCode))).toEqual(new Set([503]))
    expect(new Set((await ask()).map(({ statusCode }) => statusCode))).toEqual(new Set([200]))
    await hasty.close()
  })
})
