import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { loadDatasets } from '../../src/feeds/datasets.ts'
import { loadJurisdiction } from '../../src/feeds/jurisdiction.ts'
import { keepHouse, startHousekeeping } from '../../src/jobs/housekeeping.ts'
import { findAlert, acknowledgeAlert, listAlerts } from '../../src/store/alerts.ts'
import type { Feed } from '../../src/store/feeds.ts'
import { finishRun } from '../../src/store/finish-run.ts'
import { findFreshness, listFreshness } from '../../src/store/freshness.ts'
import { countRejections } from '../../src/store/rejections.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { beginRun, registerFeed, storeRows } from '../support/ledger.ts'

let installation: TestInstallation
let feed: Feed
let feeds = 0

beforeAll(async () => {
  installation = await openTestInstallation('housekeeping')
})
afterAll(() => installation.close())
beforeEach(async () => {
  feeds += 1
  await installation.asOwner(`update gridbridge.feed set state = 'retired'`)
  feed = await registerFeed(installation, `LZ-GA-RK-${String(feeds).padStart(3, '0')}`)
})

const rules = {
  rejectionDays: 90,
  tombstoneDays: 400,
  datasets: loadDatasets(),
  clocks: loadJurisdiction('decree-809').clocks,
}
const keep = (): Promise<void> => keepHouse(installation.database, rules)
const open = () =>
  listAlerts(installation.database.query, { department: 'public-security', isOpen: true, before: null, limit: 50 })

/** As if the feed had been registered, and had last succeeded, so long ago. */
async function ageBy(time: string): Promise<void> {
  await installation.asOwner(`update gridbridge.feed set created_at = created_at - $2::interval where feed_id = $1`, [
    feed.feedId,
    time,
  ])
  await installation.asOwner(`update gridbridge.run set finished_at = finished_at - $2::interval where feed_id = $1`, [
    feed.feedId,
    time,
  ])
}

async function succeed(): Promise<void> {
  await finishRun(installation.database, feed, await beginRun(installation, feed))
}

describe('a feed with a cycle of a day', () => {
  test.each([
    ['26 hours', false],
    ['27 hours', true],
  ])('that last succeeded %s ago is late: %s', async (time, isStale) => {
    await succeed()
    await ageBy(time)
    expect(await findFreshness(installation.database.query, feed.feedId)).toMatchObject({ cycle: 'P1D', isStale })
  })

  test('is told of once, is told of no more when it succeeds, and again when it is late again', async () => {
    await ageBy('2 days')
    await keep()
    await keep()
    expect(await open()).toMatchObject([
      { kind: 'feed-stale', feed: feed.code, runId: null, details: { cycle: 'P1D', ageHours: 48 } },
    ])
    await succeed()
    expect(await open()).toEqual([])
    await keep()
    expect(await open()).toEqual([])
    await ageBy('3 days')
    await installation.asOwner(`update gridbridge.alert set raised_at = raised_at - interval '4 days'`)
    await keep()
    expect(await open()).toHaveLength(1)
    const [alert] = await open()
    await installation.database.transaction(async (transaction) =>
      acknowledgeAlert(transaction, await findAlert(transaction.query, alert?.alertId ?? 0, null), 'account:engineer'),
    )
    await keep()
    expect(await open()).toEqual([])
  })

  test('that is not active is not late', async () => {
    await ageBy('9 days')
    await installation.asOwner(`update gridbridge.feed set state = 'suspended' where feed_id = $1`, [feed.feedId])
    expect(await listFreshness(installation.database.query)).toEqual([])
  })
})

test('refused rows that nobody corrected in time go, and their counts stay', async () => {
  await storeRows(installation, feed, ['one', 'two', 'three'])
  const before = await countRejections(installation.database.query)
  const ids = await installation.asOwner<{ id: number }>(
    'select rejection_id as id from gridbridge.rejection where feed_id = $1 order by 1',
    [feed.feedId],
  )
  await installation.asOwner(
    `update gridbridge.rejection set rejected_at = rejected_at - interval '91 days' where rejection_id = any($1)`,
    [ids.slice(0, 2).map(({ id }) => id)],
  )
  await keep()
  const rows = await installation.asOwner(
    'select state, sealed is null as gone from gridbridge.rejection where feed_id = $1 order by rejection_id',
    [feed.feedId],
  )
  expect(rows).toEqual([
    { state: 'expired', gone: true },
    { state: 'expired', gone: true },
    { state: 'open', gone: false },
  ])
  expect(await countRejections(installation.database.query)).toEqual(before)
  expect(
    await installation.asOwner(`select feed, count from audit.entry where event_type = 'rejections.expired'`),
  ).toEqual([{ feed: feed.code, count: 2 }])
})

test('a pass that fails is followed by the next one', async () => {
  const errors: unknown[] = []
  let passes = 0
  const broken = { ...installation.database, query: () => Promise.reject(new Error(`pass ${(passes += 1)}`)) }
  const stop = startHousekeeping(broken, rules, (error) => errors.push(error), 20)
  await expect.poll(() => passes).toBeGreaterThanOrEqual(3)
  await stop()
  expect(errors.length).toBeGreaterThanOrEqual(2)
})
