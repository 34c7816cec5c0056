import { createServer } from 'node:http'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Manifest } from '../../src/feeds/manifest-types.ts'
import { readingEverything } from '../../src/ingest/read-window.ts'
import { runFeed } from '../../src/ingest/run-feed.ts'
import { openSource } from '../../src/ingest/sources/open.ts'
import { createEgressGuard } from '../../src/security/egress.ts'
import { askCompare, beginDueCompare } from '../../src/store/compare.ts'
import { findFeedOfRun, type Feed } from '../../src/store/feeds.ts'
import { stopRun } from '../../src/store/finish-run.ts'
import { claimRun, findRun, requestRun, type Run } from '../../src/store/runs.ts'
import { toAppError } from '../../src/errors.ts'
import { createManifest, createResidentRow } from '../feeds/sample-manifest.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerFeed } from '../support/ledger.ts'
import { listen } from '../support/listen.ts'

type Row = Readonly<Record<string, unknown>>

let installation: TestInstallation
let port = 0
let feed: Feed
let feeds = 0
/** What the department has, by record id, and what happens there before each answer. */
const table = new Map<string, Row>()
let beforeAnswer: (page: number) => void = () => undefined
let asked: URLSearchParams[] = []

const PAGE = 4

const server = createServer((message, response) => {
  const query = new URL(message.url ?? '/', 'http://department.invalid').searchParams
  beforeAnswer(asked.push(query))
  const [from, to] = [Date.parse(query.get('from') ?? ''), Date.parse(query.get('to') ?? '')]
  const place = ({ gxsj, id }: Row): string => `${String(gxsj)}~${String(id)}`
  const rows = [...table.values()]
    .filter(({ gxsj }) => Date.parse(String(gxsj)) >= from && Date.parse(String(gxsj)) < to)
    .filter((row) => place(row) > (query.get('token') ?? ''))
    .sort((a, b) => (place(a) < place(b) ? -1 : 1))
  const page = rows.slice(0, PAGE)
  const next = rows.length > PAGE && page.length > 0 ? place(page[page.length - 1] ?? {}) : null
  response.setHeader('content-type', 'application/json').end(JSON.stringify({ rows: page, next }))
})

beforeAll(async () => {
  installation = await openTestInstallation('compare')
  port = await listen(server)
})
afterAll(async () => {
  server.close().closeAllConnections()
  await installation.close()
})

const at = (secondsAgo: number): string => new Date(Date.now() - secondsAgo * 1000).toISOString()

function put(id: string, secondsAgo: number, change: Row = {}): void {
  table.set(id, createResidentRow({ id, gxsj: at(secondsAgo), ...change }))
}

function manifestTo(): Partial<Manifest> {
  const { source } = createManifest()
  if (source.kind !== 'http') throw new Error('wanted an HTTP source')
  const query = { from: '{window.from}', to: '{window.to}', token: '{page.token}' }
  return {
    source: {
      ...source,
      baseUrl: `http://127.0.0.1:${port}`,
      request: { ...source.request, query },
      records: '/rows',
      paging: { kind: 'token', size: PAGE, next: '/next' },
      incremental: {
        window: { lookbackSeconds: 60, settleSeconds: 2, start: '2026-01-01T00:00:00Z' },
        tieBreaker: '/id',
      },
    },
    compare: { everyDays: 7, guardRatio: 0.4 },
  }
}

beforeEach(async () => {
  feeds += 1
  table.clear()
  beforeAnswer = () => undefined
  feed = await registerFeed(installation, `LZ-GA-CP-${String(feeds).padStart(3, '0')}`, manifestTo())
  for (let n = 10; n < 22; n++) put(`R-${n}`, 5000 - n * 10)
  await work()
  asked = []
})

/** One slice of the feed's run, as a worker does it. */
async function work(sliceEndsAt = Infinity): Promise<Run> {
  const { database, datasets, keys } = installation
  const { runId } = await requestRun(database.query, feed.feedId)
  const lease = await claimRun(database.query, runId)
  await beginDueCompare(database.query, runId)
  const current = await findFeedOfRun(database.query, runId)
  const dataset = datasets.get(feed.dataset)
  if (lease === null || dataset === undefined) throw new Error('wanted a free run and its dataset')
  const manifest = current.comparing ? readingEverything(current.manifest) : current.manifest
  const source = await openSource(manifest, { residentToken: 'word' }, createEgressGuard(['loopback']))
  await runFeed({ database, feed: current, dataset, source, keys, lease, sliceEndsAt }).catch((error: unknown) =>
    stopRun(database, current, lease, toAppError(error).code),
  )
  await source.close()
  return findRun(database.query, runId)
}

const aWeekPasses = () =>
  installation.asOwner(
    `update gridbridge.feed set created_at = created_at - interval '8 days', compared_at = compared_at - interval '8 days'
      where feed_id = $1`,
    [feed.feedId],
  )

async function readFeedRow(): Promise<Row | undefined> {
  const [row] = await installation.asOwner('select cursor, compare_cursor from gridbridge.feed where feed_id = $1', [
    feed.feedId,
  ])
  return row
}

async function readAlive(): Promise<readonly string[]> {
  const rows = await installation.asOwner<{ id: string }>(
    'select source_record_id as id from gridbridge.record where feed_id = $1 and masked is not null order by 1',
    [feed.feedId],
  )
  return rows.map(({ id }) => id)
}

const ids = (...but: readonly number[]): readonly string[] =>
  Array.from({ length: 12 }, (_, n) => n + 10)
    .filter((n) => !but.includes(n))
    .map((n) => `R-${n}`)

test('a silent edit and a silent deletion stay unseen until the compare is due, and the cursor does not move back', async () => {
  table.set('R-12', { ...createResidentRow(table.get('R-12') ?? {}), lxfs: '19900000077' })
  table.delete('R-15')
  expect(await work()).toMatchObject({ state: 'done', updated: 0, deleted: 0 })
  expect(await readAlive()).toEqual(ids())
  await aWeekPasses()
  const before = await readFeedRow()
  expect(await work()).toMatchObject({ state: 'done', pulled: 11, updated: 1, deleted: 1, unchanged: 10 })
  expect(await readAlive()).toEqual(ids(15))
  expect(await readFeedRow()).toEqual({ ...before, compare_cursor: null })
  expect((await work()).pulled).toBe(0)
})

test('a compare that is asked for comes with the next run and once', async () => {
  table.delete('R-15')
  await askCompare(installation.database.query, feed.feedId)
  expect(await work()).toMatchObject({ state: 'done', pulled: 11, deleted: 1 })
  expect(await work()).toMatchObject({ pulled: 0 })
})

test('a row that changes while everything is read is not taken for deleted', async () => {
  await aWeekPasses()
  beforeAnswer = (page) => {
    if (page <= 2) put(`R-${20 + page - 1}`, 0)
  }
  expect(await work()).toMatchObject({ state: 'done', deleted: 0 })
  expect(await readAlive()).toEqual(ids())
})

test('a compare goes on after a crash where its last page was saved', async () => {
  await aWeekPasses()
  table.delete('R-20')
  const runs: Run[] = []
  for (let slice = 0; slice < 3; slice++) runs.push(await work(0))
  expect(new Set(runs.map(({ runId }) => runId)).size).toBe(1)
  expect(asked.map((query) => query.get('token') !== null)).toContain(true)
  expect(runs.at(-1)).toMatchObject({ state: 'done', deleted: 1 })
  expect(await readAlive()).toEqual(ids(20))
})

test('too many vanished rows stop the compare, remove nothing and do not keep the daily changes out', async () => {
  await aWeekPasses()
  for (const id of ids().slice(0, 5)) table.delete(id)
  expect(await work()).toMatchObject({ state: 'stopped', reason: 'SOURCE_SHRUNK' })
  expect(await readAlive()).toEqual(ids())
  put('R-30', 30)
  expect(await work()).toMatchObject({ state: 'done', pulled: 1, inserted: 1 })
})
