import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { openCursor } from '../../src/ingest/protect.ts'
import { runFeed } from '../../src/ingest/run-feed.ts'
import type { Fields } from '../../src/record.ts'
import type { Source } from '../../src/ingest/sources/source.ts'
import { findFeedOfRun, type Feed } from '../../src/store/feeds.ts'
import { stopRun } from '../../src/store/finish-run.ts'
import { claimRun, findRun, requestRun, type Run } from '../../src/store/runs.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerFeed, residentRows } from '../support/ledger.ts'
import { openPagedSource, type Page } from './paged-source.ts'

let installation: TestInstallation
let feed: Feed
let feeds = 0
beforeAll(async () => {
  installation = await openTestInstallation('ingest')
})
afterAll(() => installation.close())
beforeEach(async () => {
  feeds += 1
  feed = await registerFeed(installation, `LZ-GA-RK-${String(feeds).padStart(3, '0')}`)
})

const FOREVER = Number.MAX_SAFE_INTEGER

interface Outcome {
  readonly outcome: string
  readonly run: Run
}

/** One slice of the feed's run, as a worker works on it: a failure that will not pass stops the run. */
async function work(source: Source, sliceEndsAt = FOREVER, of = feed): Promise<Outcome> {
  const { database, datasets, keys } = installation
  const { runId } = await requestRun(database.query, of.feedId)
  const lease = await claimRun(database.query, runId)
  const dataset = datasets.get(of.dataset)
  if (lease === null || dataset === undefined) throw new Error('wanted a free run and its dataset')
  const current = await findFeedOfRun(database.query, runId)
  const slice = () => runFeed({ database, feed: current, dataset, source, keys, lease, sliceEndsAt })
  const outcome = await slice().catch(async (error: unknown) => {
    const coded = error instanceof AppError ? error : new AppError('INTERNAL', '', { cause: error })
    if (coded.retry)
      await installation.asOwner('update gridbridge.run set lease_until = null where run_id = $1', [runId])
    else await stopRun(database, current, lease, coded.code)
    return coded.code
  })
  return { outcome, run: await findRun(database.query, runId) }
}

async function readStored(of = feed): Promise<readonly string[]> {
  const rows = await installation.asOwner<{ id: string; version: number }>(
    'select source_record_id as id, version from gridbridge.record where feed_id = $1 and masked is not null order by length(source_record_id), source_record_id',
    [of.feedId],
  )
  return rows.map(({ id, version }) => `${id} v${version}`)
}

const stored = (first: number, last: number, version = 1): readonly string[] =>
  residentRows(first, last).map(({ id }) => `${String(id)} v${version}`)

async function readCursor(): Promise<unknown> {
  const [row] = await installation.asOwner<{ cursor: Fields }>(
    'select cursor from gridbridge.feed where feed_id = $1',
    [feed.feedId],
  )
  return openCursor(row?.cursor ?? null, { feed: feed.code, keys: installation.keys })
}

const fourPages = [residentRows(1, 10), residentRows(11, 20), residentRows(21, 30), residentRows(31, 35)]
/** The same four pages, but that the third cannot be had. */
const brokenPages = (error: AppError): readonly Page[] => fourPages.map((page, number) => (number === 2 ? error : page))
const unavailable = new AppError('SOURCE_UNAVAILABLE')

test('a run reads every page once and ends as done', async () => {
  const source = openPagedSource(fourPages)
  const { outcome, run } = await work(source)
  expect(outcome).toBe('done')
  expect(source.asked).toEqual([0, 1, 2, 3])
  expect(run).toMatchObject({ state: 'done', pages: 4, pulled: 35, valid: 35, rejected: 0, inserted: 35 })
  expect(await readStored()).toEqual(stored(1, 35))
})

test('a source hears that a page is saved when it is, and not before', async () => {
  const heard: string[] = []
  const source = openPagedSource(fourPages, 5)
  const telling: Source = {
    ...source,
    readPage: async (cursor, now) => {
      const page = await source.readPage(cursor, now)
      const last = Math.min(35, Number(page.cursor['page']) * 10)
      return {
        ...page,
        saved: async () => void heard.push((await readStored()).includes(`R-${last} v1`) ? 'stored' : 'not'),
      }
    },
  }
  await work(telling)
  expect(heard).toEqual(['stored', 'stored', 'stored', 'stored'])
})

test('a run whose worker died between its last page and its end is ended, and not read again', async () => {
  const source = openPagedSource(fourPages)
  const readPage: Source['readPage'] = async (cursor, now) => ({
    ...(await source.readPage(cursor, now)),
    // As if the process were gone: whoever takes the run over has a lease of its own.
    saved: async () => void (await loseRun()),
  })
  const loseRun = () =>
    installation.asOwner(
      `update gridbridge.run set lease_epoch = lease_epoch + 1, lease_until = null where feed_id = $1 and is_read`,
      [feed.feedId],
    )
  expect((await work({ ...source, readPage })).outcome).toBe('LEASE_LOST')
  const { run } = await work(source)
  expect(source.asked).toEqual([0, 1, 2, 3])
  expect(run).toMatchObject({ state: 'done', pages: 4, pulled: 35, inserted: 35 })
})

test('a second run over the same rows changes nothing', async () => {
  await work(openPagedSource(fourPages))
  const before = await installation.asOwner(
    'select * from gridbridge.record where feed_id = $1 order by source_record_id',
    [feed.feedId],
  )
  const { run } = await work(openPagedSource(fourPages))
  expect(run).toMatchObject({ state: 'done', pulled: 35, inserted: 0, updated: 0, unchanged: 35 })
  const after = await installation.asOwner(
    'select * from gridbridge.record where feed_id = $1 order by source_record_id',
    [feed.feedId],
  )
  expect(after).toEqual(before)
})

test('a second run writes what changed, was deleted or is new, and nothing else', async () => {
  await work(openPagedSource(fourPages))
  const changed = [
    ...residentRows(1, 2, { lxfs: '19900000002' }),
    ...residentRows(3, 3, { scbz: '1' }),
    ...residentRows(4, 10),
  ]
  const { run } = await work(openPagedSource([changed, residentRows(36, 36)]))
  expect(run).toMatchObject({ inserted: 1, updated: 2, deleted: 1, unchanged: 7 })
  expect(await readStored()).toEqual([...stored(1, 2, 2), ...stored(4, 36)])
})

describe('a source that fails on its third page', () => {
  test('leaves the cursor behind the second and keeps what was saved', async () => {
    const { outcome, run } = await work(openPagedSource(brokenPages(unavailable)))
    expect(outcome).toBe('SOURCE_UNAVAILABLE')
    expect(run).toMatchObject({ state: 'running', pages: 2, pulled: 20 })
    expect(await readCursor()).toEqual({ page: 2, done: false })
    expect(await readStored()).toEqual(stored(1, 20))
  })

  test('is gone on with at the third page, in the same run', async () => {
    const source = openPagedSource(brokenPages(unavailable))
    const first = await work(source)
    source.offer(fourPages)
    const second = await work(source)
    expect(second.run.runId).toBe(first.run.runId)
    expect(source.asked).toEqual([0, 1, 2, 2, 3])
    expect(second.run).toMatchObject({ state: 'done', pages: 4, pulled: 35, inserted: 35 })
    expect(await readStored()).toEqual(stored(1, 35))
  })
})

test('a slice that is over ends behind the page in hand, and the next slice goes on there', async () => {
  const source = openPagedSource(fourPages)
  const outcomes: string[] = []
  for (let slice = 0; slice < 4; slice++) outcomes.push((await work(source, 0)).outcome)
  expect(outcomes).toEqual(['more', 'more', 'more', 'done'])
  expect(await readStored()).toEqual(stored(1, 35))
})

test('a slice that waits for its next page does not hold the run for it', async () => {
  const startedAt = Date.now()
  const { outcome, run } = await work(openPagedSource(fourPages, 300), startedAt + 100)
  expect([outcome, run.pages]).toEqual(['more', 1])
  expect(Date.now() - startedAt).toBeLessThan(590)
})

describe('the error budget', () => {
  const budget = (records: number, ratio: number) => ({ quality: { errorBudget: { records, ratio } } })
  const broken = (count: number): readonly unknown[] => Array.from({ length: count }, () => ({ id: 'x' }))

  test('stops the run when both its count and its ratio are exceeded', async () => {
    const tight = await registerFeed(installation, `${feed.code}-B`, budget(3, 0.2))
    const source = openPagedSource([residentRows(1, 10), [...residentRows(11, 16), ...broken(5)], residentRows(17, 20)])
    const { outcome, run } = await work(source, FOREVER, tight)
    expect(outcome).toBe('ERROR_BUDGET_SPENT')
    expect(run).toMatchObject({ state: 'stopped', reason: 'ERROR_BUDGET_SPENT', pages: 2, pulled: 21, rejected: 5 })
    expect(await readStored(tight)).toEqual(stored(1, 16))
  })

  test.each([
    ['the count only', budget(3, 0.9)],
    ['the ratio only', budget(5, 0.01)],
  ])('does not stop a run that exceeds %s', async (_what, change) => {
    const wide = await registerFeed(installation, `${feed.code}-W`, change)
    const { run } = await work(
      openPagedSource([residentRows(1, 10), [...residentRows(11, 16), ...broken(5)]]),
      FOREVER,
      wide,
    )
    expect(run).toMatchObject({ state: 'done', rejected: 5 })
  })
})

describe('a feed that is compared whole', () => {
  let whole: Feed
  beforeEach(async () => {
    whole = await registerFeed(installation, `${feed.code}-A`, { deletes: { kind: 'missing', guardRatio: 0.5 } })
    await work(openPagedSource(fourPages), FOREVER, whole)
  })

  test('removes what its source no longer has', async () => {
    const { run } = await work(openPagedSource([residentRows(1, 10), residentRows(21, 35)]), FOREVER, whole)
    expect(run).toMatchObject({ state: 'done', deleted: 10, unchanged: 25 })
    expect(await readStored(whole)).toEqual([...stored(1, 10), ...stored(21, 35)])
  })

  test('removes nothing of what an interrupted run had read before it was gone on with', async () => {
    const source = openPagedSource(brokenPages(unavailable))
    await work(source, FOREVER, whole)
    source.offer(fourPages)
    const { run } = await work(source, FOREVER, whole)
    expect(run).toMatchObject({ state: 'done', deleted: 0, unchanged: 35 })
  })

  test('begins at the beginning again after a run that was stopped, because the new run must see everything', async () => {
    const source = openPagedSource(brokenPages(new AppError('SOURCE_REFUSED')))
    expect((await work(source, FOREVER, whole)).run.state).toBe('stopped')
    source.offer(fourPages)
    const { run } = await work(source, FOREVER, whole)
    expect(run).toMatchObject({ state: 'done', pulled: 35, deleted: 0 })
    expect(await readStored(whole)).toEqual(stored(1, 35))
  })
})

test('a whole reading that brings less than half of the one before is held once, and removes nothing', async () => {
  const rows = residentRows(1, 120)
  expect((await work(openPagedSource([rows]))).run).toMatchObject({ state: 'done', pulled: 120 })
  const shrunk = openPagedSource([rows.slice(0, 59)])
  expect((await work(shrunk)).run).toMatchObject({ state: 'stopped', reason: 'SOURCE_SHRUNK', deleted: 0 })
  expect(await readStored()).toHaveLength(120)
  expect((await work(shrunk)).run).toMatchObject({ state: 'done', pulled: 59, deleted: 0 })
})

test('a worker whose run was taken over in the middle of a page saves nothing more', async () => {
  const source = openPagedSource(fourPages, 60)
  const readPage: Source['readPage'] = async (cursor, now) => {
    if (source.asked.length === 2) {
      await installation.asOwner(
        `update gridbridge.run set lease_epoch = lease_epoch + 1 where feed_id = $1 and state = 'running'`,
        [feed.feedId],
      )
    }
    return source.readPage(cursor, now)
  }
  const { outcome } = await work({ ...source, readPage })
  expect(outcome).toBe('LEASE_LOST')
  expect((await readStored()).length).toBeLessThanOrEqual(20)
})
