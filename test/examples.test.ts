import type { FastifyInstance } from 'fastify'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { syncDataset, type Copy } from '../examples/pull-client.ts'
import type { Feed } from '../src/store/feeds.ts'
import { createApiClient, type ApiClient } from '../tools/api-client/client.ts'
import { openDoor } from './http/door.ts'
import { openTestInstallation, type TestInstallation } from './support/installation.ts'
import { registerConsumer, registerFeed, residentRows, storeRows } from './support/ledger.ts'

let installation: TestInstallation
let server: FastifyInstance
let feed: Feed
let api: ApiClient
/** Answers that the server gives before it works again. */
let refusals: number[] = []

beforeAll(async () => {
  installation = await openTestInstallation('api')
  feed = await registerFeed(installation, 'LZ-GA-RK-001')
  await registerConsumer(installation, 'grid-platform')
  server = await openDoor(installation)
  server.addHook('onRequest', async ({ url }, reply) => {
    const status = /\/(changes|snapshot)/.test(url) ? refusals.shift() : undefined
    if (status !== undefined) await reply.code(status).header('retry-after', '1').send()
  })
  const baseUrl = await server.listen({ port: 0, host: '127.0.0.1' })
  api = createApiClient({ baseUrl, client: 'grid-platform', secret: 'secret-of-grid-platform' })
})
afterAll(async () => {
  await server.close()
  await installation.close()
})

const emptyCopy = (): Copy => ({ changes: new Map(), cursor: '', isWhole: false })

/** What is alive in the copy, and what is alive in the store, by id with its version. */
const aliveIn = ({ changes }: Copy) =>
  [...changes.values()]
    .filter(({ record }) => record !== null)
    .map(({ id, version }) => `${id} ${version}`)
    .toSorted()
const readStore = async (): Promise<readonly string[]> => {
  const rows = await installation.asOwner<{ id: string; version: number }>(
    'select source_record_id as id, version from gridbridge.record where masked is not null',
  )
  return rows.map(({ id, version }) => `${feed.code}/${id} ${version}`).toSorted()
}

test('the pull client keeps a copy equal to the store, through changes, deletions and an overloaded service', async () => {
  const copy = emptyCopy()
  await storeRows(installation, feed, residentRows(1, 1200))
  await syncDataset(api, 'resident', copy)
  expect(aliveIn(copy)).toHaveLength(1200)
  expect(aliveIn(copy)).toEqual(await readStore())

  await storeRows(installation, feed, residentRows(1, 100, { xm: '李测试' }))
  await storeRows(installation, feed, [...residentRows(50, 60, { scbz: '1' }), ...residentRows(1201, 1210)])
  refusals = [503, 429, 503]
  const startedAt = Date.now()
  await syncDataset(api, 'resident', copy)
  expect(Date.now() - startedAt).toBeGreaterThanOrEqual(3000)
  expect(aliveIn(copy)).toHaveLength(1199)
  expect(aliveIn(copy)).toEqual(await readStore())
  expect(copy.changes.get(`${feed.code}/R-55`)).toMatchObject({ operation: 'delete', record: null })
})

test('what no waiting helps is thrown, and the copy goes on from where it was', async () => {
  const copy = emptyCopy()
  refusals = [500]
  await expect(syncDataset(api, 'resident', copy)).rejects.toMatchObject({ name: 'ApiError', status: 500 })
  await expect(syncDataset(api, 'housing', copy)).rejects.toMatchObject({ code: 'AGREEMENT_MISSING' })
  await syncDataset(api, 'resident', copy)
  expect(aliveIn(copy)).toEqual(await readStore())
})

test('a cursor of another version of the agreement begins again, and what is no longer granted is gone', async () => {
  const copy = emptyCopy()
  await syncDataset(api, 'resident', copy)
  await installation.asOwner(`update gridbridge.agreement set version = version + 1, forms = '{"gridCode":"mask"}'`)
  await syncDataset(api, 'resident', copy)
  expect(aliveIn(copy)).toEqual(await readStore())
  const fields = [...copy.changes.values()].flatMap(({ record }) => Object.keys(record ?? {}))
  expect(new Set(fields)).toEqual(new Set(['gridCode']))
})

test('an example is short', () => {
  const text = readFileSync(new URL('../examples/pull-client.ts', import.meta.url), 'utf8')
  expect(text.trimEnd().split('\n').length).toBeLessThan(40)
})
