import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { deferRun, finishRun, stopRun } from '../../src/store/finish-run.ts'
import { findFeed, insertFeed, type Feed } from '../../src/store/feeds.ts'
import { countRecords } from '../../src/store/records.ts'
import { countRejections } from '../../src/store/rejections.ts'
import {
  claimRun,
  findRun,
  keepRun,
  listIdleRuns,
  releaseRun,
  requestRun,
  type RunLease,
} from '../../src/store/runs.ts'
import { savePage } from '../../src/store/save-page.ts'
import { codeOf } from '../support/coded-error.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { beginRun, makePage, registerFeed, residentRows, storeRows } from '../support/ledger.ts'

let installation: TestInstallation
let feed: Feed
let feeds = 0
beforeAll(async () => {
  installation = await openTestInstallation('runs', 12)
})
afterAll(() => installation.close())
beforeEach(async () => {
  feeds += 1
  feed = await registerFeed(installation, `LZ-GA-RK-${String(feeds).padStart(3, '0')}`)
})

const query = () => installation.database.query
const expire = (runId: number) =>
  installation.asOwner(
    `update gridbridge.run set lease_until = clock_timestamp() - interval '1 ms' where run_id = $1`,
    [runId],
  )

test('a feed has one run alive, however many ask at once', async () => {
  const requests = await Promise.all(Array.from({ length: 20 }, () => requestRun(query(), feed.feedId)))
  expect(new Set(requests.map(({ runId }) => runId)).size).toBe(1)
  expect(requests.filter(({ fresh }) => fresh)).toHaveLength(1)
  const insert = installation.asOwner('insert into gridbridge.run (feed_id) values ($1)', [feed.feedId])
  await expect(insert).rejects.toMatchObject({ constraint: 'run_one_alive' })
})

test('of twenty claims at once one gets the run', async () => {
  for (let round = 0; round < 5; round++) {
    const { runId } = await requestRun(query(), feed.feedId)
    const claims = await Promise.all(Array.from({ length: 20 }, () => claimRun(query(), runId)))
    const held = claims.filter((claim) => claim !== null)
    expect(held).toEqual([{ runId, epoch: 1 }])
    await finishRun(installation.database, feed, { runId, epoch: 1 })
  }
})

describe('a lease', () => {
  let lease: RunLease
  beforeEach(async () => {
    lease = await beginRun(installation, feed)
  })

  test('that is alive is not taken, one that ran out is, and its old holder is fenced', async () => {
    expect(await claimRun(query(), lease.runId)).toBeNull()
    await expire(lease.runId)
    expect(await claimRun(query(), lease.runId)).toEqual({ runId: lease.runId, epoch: 2 })
    expect(await codeOf(() => keepRun(query(), lease))).toBe('LEASE_LOST')
    expect(await codeOf(() => finishRun(installation.database, feed, lease))).toBe('LEASE_LOST')
    expect(await findRun(query(), lease.runId)).toMatchObject({ state: 'running' })
  })

  test('that is kept stays with its holder', async () => {
    await installation.asOwner(
      `update gridbridge.run set lease_until = clock_timestamp() + interval '1 s' where run_id = $1`,
      [lease.runId],
    )
    await keepRun(query(), lease)
    const [row] = await installation.asOwner<{ seconds: number }>(
      'select extract(epoch from lease_until - clock_timestamp())::float8 as seconds from gridbridge.run where run_id = $1',
      [lease.runId],
    )
    expect(row?.seconds).toBeGreaterThan(14)
  })

  test('that was given back is free at once; one that was lost cannot be given back', async () => {
    await releaseRun(query(), { ...lease, epoch: 0 })
    expect(await claimRun(query(), lease.runId)).toBeNull()
    await releaseRun(query(), lease)
    expect(await claimRun(query(), lease.runId)).toEqual({ runId: lease.runId, epoch: 2 })
  })

  test('of a run that was put off is taken when it is due and not before', async () => {
    const slow = new AppError('SOURCE_UNAVAILABLE')
    await deferRun(installation.database, feed, lease, slow, 60_000)
    expect(await findRun(query(), lease.runId)).toMatchObject({
      state: 'pending',
      reason: 'SOURCE_UNAVAILABLE',
      failures: 1,
    })
    expect(await claimRun(query(), lease.runId)).toBeNull()
    expect((await listIdleRuns(query())).map(({ runId }) => runId)).not.toContain(lease.runId)
    await installation.asOwner('update gridbridge.run set not_before = clock_timestamp() where run_id = $1', [
      lease.runId,
    ])
    expect((await listIdleRuns(query())).map(({ runId }) => runId)).toContain(lease.runId)
    expect(await claimRun(query(), lease.runId)).toEqual({ runId: lease.runId, epoch: 2 })
  })

  test('of a run that is over is never taken, and the run is not put off back to life', async () => {
    await finishRun(installation.database, feed, lease)
    expect(await claimRun(query(), lease.runId)).toBeNull()
    expect(
      await codeOf(() => deferRun(installation.database, feed, lease, new AppError('DATABASE_UNAVAILABLE'), 0)),
    ).toBe('LEASE_LOST')
    expect(await codeOf(() => stopRun(installation.database, feed, lease, 'INTERNAL'))).toBe('LEASE_LOST')
    expect(await findRun(query(), lease.runId)).toMatchObject({ state: 'done', reason: null })
    expect(await requestRun(query(), feed.feedId)).toMatchObject({ fresh: true })
  })
})

test('a suspended feed is not run', async () => {
  await installation.asOwner(`update gridbridge.feed set state = 'suspended' where feed_id = $1`, [feed.feedId])
  expect(await codeOf(() => requestRun(query(), feed.feedId))).toBe('FEED_STATE')
})

test('a feed code is taken once, and the second registration changes nothing', async () => {
  expect(await codeOf(() => insertFeed(query(), { ...feed.manifest, map: [] }, Buffer.alloc(1)))).toBe('FEED_EXISTS')
  expect(await findFeed(query(), feed.code)).toEqual(feed)
  expect(await codeOf(() => findFeed(query(), 'LZ-GA-RK-999'))).toBe('FEED_UNKNOWN')
})

describe('a feed that is compared whole', () => {
  const compared = { deletes: { kind: 'missing', guardRatio: 0.2 } } as const
  let whole: Feed
  beforeEach(async () => {
    whole = await registerFeed(installation, `${feed.code}-W`, compared)
    await storeRows(installation, whole, residentRows(1, 20))
  })

  const alive = async (): Promise<number> => {
    const [row] = await installation.asOwner<{ records: number }>(
      'select count(*) as records from gridbridge.record where feed_id = $1 and masked is not null',
      [whole.feedId],
    )
    return row?.records ?? -1
  }

  /** A whole run of the feed that sees only these rows. */
  async function runThatSees(rows: readonly unknown[]): Promise<string> {
    const lease = await beginRun(installation, whole)
    await savePage(installation.database, whole, lease, makePage(installation, whole, rows))
    const code = await codeOf(() => finishRun(installation.database, whole, lease))
    if (code !== 'none') await stopRun(installation.database, whole, lease, 'SOURCE_SHRUNK')
    return code
  }

  test('buries what a run did not see, tells so in the audit log, and forgets what it saw', async () => {
    expect(await runThatSees(residentRows(1, 16))).toBe('none')
    expect(await alive()).toBe(16)
    const [entry] = await installation.asOwner(
      `select count from audit.entry where feed = $1 and event_type = 'records.removed'`,
      [whole.code],
    )
    expect(entry).toEqual({ count: 4 })
    expect(await installation.asOwner('select from gridbridge.run_seen')).toEqual([])
    const tombstones = await installation.asOwner(
      'select version, sealed, subject, digest from gridbridge.record where feed_id = $1 and masked is null',
      [whole.feedId],
    )
    expect(tombstones).toEqual(
      Array.from({ length: 4 }, () => ({ version: 2, sealed: null, subject: null, digest: null })),
    )
  })

  test('buries nothing when more than the guard allows would vanish', async () => {
    expect(await runThatSees(residentRows(1, 15))).toBe('SOURCE_SHRUNK')
    expect(await runThatSees([])).toBe('SOURCE_SHRUNK')
    expect(await alive()).toBe(20)
    expect(await installation.asOwner('select from gridbridge.run_seen')).toEqual([])
  })

  test('buries nothing that came unchanged', async () => {
    expect(await runThatSees(residentRows(1, 20))).toBe('none')
    expect(await alive()).toBe(20)
  })
})

test('living records and rejections are counted by dataset', async () => {
  await installation.asOwner('truncate gridbridge.record, gridbridge.rejection')
  await storeRows(installation, feed, [...residentRows(1, 3), null, null, { ...residentRows(9, 9)[0], xb: '5' }])
  await storeRows(installation, feed, residentRows(3, 3, { scbz: '1' }))
  expect(await countRecords(query())).toMatchObject({ address: 0, entity: 0, grid: 0, housing: 0, resident: 2 })
  const rejections = await countRejections(query())
  expect(rejections).toEqual({ resident: expect.objectContaining({ 'DQ-005': 2 }) })
  expect(Object.keys(rejections['resident'] ?? {})).toHaveLength(2)
})
