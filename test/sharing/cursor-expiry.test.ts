import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { loadJurisdiction } from '../../src/feeds/jurisdiction.ts'
import { keepHouse } from '../../src/jobs/housekeeping.ts'
import type { SharedRecord } from '../../src/record.ts'
import { decodeCursor, decodeSnapshotCursor, encodeCursor, encodeSnapshotCursor } from '../../src/sharing/cursors.ts'
import { pullChanges, type PulledPage } from '../../src/sharing/pull.ts'
import { pullSnapshot } from '../../src/sharing/snapshot.ts'
import { findAgreement, type Agreement } from '../../src/store/agreements.ts'
import { readHorizon } from '../../src/store/changes.ts'
import type { Feed } from '../../src/store/feeds.ts'
import { purgeTombstones } from '../../src/store/tombstones.ts'
import { codeOf } from '../support/coded-error.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import {
  changesIn,
  registerConsumer,
  registerFeed,
  residentRows,
  settleChanges,
  storeRows,
  subscribeConsumer,
  type RegisteredConsumer,
} from '../support/ledger.ts'

let installation: TestInstallation
let feed: Feed
let agreement: Agreement
let consumer: RegisteredConsumer
let tests = 0

beforeAll(async () => {
  installation = await openTestInstallation('cursor-expiry')
})
afterAll(() => installation.close())
const subscribeHere = () => subscribeConsumer(installation, consumer, 'resident', 'http://127.0.0.1:9/webhook')

beforeEach(async () => {
  tests += 1
  await installation.asOwner('truncate gridbridge.record, gridbridge.tombstone_floor')
  await installation.asOwner('truncate gridbridge.subscription cascade')
  await installation.asOwner(`update gridbridge.feed set state = 'retired'`)
  feed = await registerFeed(installation, `LZ-GA-RK-${String(tests).padStart(3, '0')}`)
  consumer = await registerConsumer(installation, `platform-${tests}`)
  const { consumerId } = consumer
  agreement = await findAgreement(installation.database.query, consumerId, 'resident')
})

const context = () => ({ ...installation, auditDeadlineMs: 2000 })

const pull = async (cursor?: string, limit = 100): Promise<PulledPage> =>
  pullChanges(context(), { agreement, after: decodeCursor(agreement.version, cursor), limit })

const bury = (first: number, last = first): Promise<void> =>
  storeRows(installation, feed, residentRows(first, last, { scbz: '1' }))

/** As if all that is there had come about so many days ago. */
const ageBy = (days: number) =>
  installation.asOwner(`update gridbridge.record set changed_at = changed_at - make_interval(days => $1)`, [days])

const { clocks } = loadJurisdiction('decree-809')
const keep = (): Promise<void> =>
  keepHouse(installation.database, { rejectionDays: 90, tombstoneDays: 400, datasets: installation.datasets, clocks })

const countTombstones = async (): Promise<number> => {
  const rows = await installation.asOwner('select from gridbridge.record where masked is null')
  return rows.length
}

const eventsOf = (type: string) =>
  installation.asOwner(
    `select dataset, count, convert_from(body, 'UTF8')::jsonb->'details' as details from audit.entry
      where event_type = $1 order by recorded_at desc, lane_seq desc`,
    [type],
  )

describe('a place that is ahead of the database, which was restored since,', () => {
  test('leads nowhere, in the feed and in a snapshot', async () => {
    await storeRows(installation, feed, residentRows(1, 2))
    const { tx } = await readHorizon(installation.database.query)
    const ahead = { tx: String(BigInt(tx) + 1_000_000n), seq: 0 }
    expect(await codeOf(() => pull(encodeCursor(1, ahead)))).toBe('CURSOR_EXPIRED')
    expect(await codeOf(() => pull(encodeCursor(1, { tx: '1', seq: 1, since: ahead.tx })))).toBe('CURSOR_EXPIRED')
    const place = decodeSnapshotCursor(1, encodeSnapshotCursor(1, { tx: '1', seq: 1 }, ahead))
    expect(await codeOf(() => pullSnapshot(context(), { agreement, place, limit: 5 }))).toBe('CURSOR_EXPIRED')
    expect(changesIn(await pull(encodeCursor(1, { tx, seq: 0 })))).toEqual([])
  })
})

describe('when old tombstones are gone', () => {
  test('they and no others were removed, and the counts are in the audit log', async () => {
    await storeRows(installation, feed, residentRows(1, 5))
    await bury(1, 2)
    await ageBy(401)
    await bury(3)
    await keep()
    const left = await installation.asOwner<{ id: string }>(
      'select source_record_id as id from gridbridge.record order by 1',
    )
    expect(left.map(({ id }) => id)).toEqual(['R-3', 'R-4', 'R-5'])
    expect(await countTombstones()).toBe(1)
    expect((await eventsOf('tombstones.purged'))[0]).toEqual({ dataset: 'resident', count: 2, details: { days: 400 } })
    const entries = (await eventsOf('tombstones.purged')).length
    await keep()
    expect(await eventsOf('tombstones.purged')).toHaveLength(entries)
  })

  test('a cursor from before is expired, and one from after leads on', async () => {
    await storeRows(installation, feed, residentRows(1, 3))
    const { cursor: before } = await pull()
    await bury(2)
    const { cursor: after } = await pull(before)
    await ageBy(401)
    await keep()
    await storeRows(installation, feed, residentRows(9, 9))
    expect(await codeOf(() => pull(before))).toBe('CURSOR_EXPIRED')
    expect(changesIn(await pull(after)).map(({ id }) => id)).toEqual([`${feed.code}/R-9`])
  })

  test('whoever began before they were made and is not through is expired; whoever began later gets through, page by page', async () => {
    await storeRows(installation, feed, residentRows(1, 6))
    const { cursor: early } = await pull(undefined, 2)
    await bury(1)
    const { cursor: late } = await pull(undefined, 2)
    await ageBy(401)
    await keep()
    expect(await codeOf(() => pull(early, 2))).toBe('CURSOR_EXPIRED')
    for (const from of [undefined, late]) {
      const held: SharedRecord[] = []
      for (let cursor = from; ;) {
        const page = await pull(cursor, 2)
        held.push(...changesIn(page))
        cursor = page.cursor
        if (!page.hasMore) break
      }
      expect(held.length).toBe(from === undefined ? 5 : 3)
    }
  })

  test('a first load of a dataset in which nothing else is left to tell gets through as well', async () => {
    await storeRows(installation, feed, residentRows(1, 5))
    await bury(5)
    await ageBy(401)
    await keep()
    const first = await pull(undefined, 2)
    expect((await pull(first.cursor, 2)).hasMore).toBe(false)
  })

  test('a record that comes again begins behind the version of its tombstone', async () => {
    await storeRows(installation, feed, residentRows(1, 2))
    await storeRows(installation, feed, residentRows(1, 1, { lxfs: '19900000002' }))
    await bury(1)
    const { cursor } = await pull()
    await ageBy(401)
    await keep()
    await storeRows(installation, feed, residentRows(1, 1))
    expect(changesIn(await pull(cursor)).map(({ id, version }) => [id, version])).toEqual([[`${feed.code}/R-1`, 4]])
    const [run] = await installation.asOwner<{ inserted: number; updated: number }>(
      'select inserted, updated from gridbridge.run where feed_id = $1 order by run_id desc limit 1',
      [feed.feedId],
    )
    expect(run).toEqual({ inserted: 1, updated: 0 })
  })

  test('a subscription that did not send them begins anew, once, and the audit log says so', async () => {
    await storeRows(installation, feed, residentRows(1, 3))
    await subscribeHere()
    const { tx } = await readHorizon(installation.database.query)
    await installation.asOwner('update gridbridge.subscription set cursor_tx = $1::xid8, cursor_seq = 0', [tx])
    await bury(1)
    await ageBy(2)
    await bury(2)
    await ageBy(399)
    await keep()
    const state = () =>
      installation.asOwner(
        'select cursor_tx::text as tx, cursor_seq as seq, lease_epoch as epoch from gridbridge.subscription',
      )
    expect([await countTombstones(), await state()]).toEqual([1, [{ tx: '0', seq: 0, epoch: 1 }]])
    const restarts = (await eventsOf('subscription.restarted')).length
    expect(restarts).toBe(1)
    // What goes now was made before it began anew.
    await ageBy(2)
    await keep()
    expect([await countTombstones(), await state()]).toEqual([0, [{ tx: '0', seq: 0, epoch: 1 }]])
    expect(await eventsOf('subscription.restarted')).toHaveLength(restarts)
  })

  test('a subscription that is through is left alone', async () => {
    await storeRows(installation, feed, residentRows(1, 3))
    await bury(1)
    await subscribeHere()
    const { tx } = await readHorizon(installation.database.query)
    await installation.asOwner(`update gridbridge.subscription set cursor_tx = $1::xid8, started_tx = '1'`, [tx])
    await ageBy(401)
    await keep()
    expect(await installation.asOwner('select cursor_tx::text as tx from gridbridge.subscription')).toEqual([{ tx }])
  })
})

describe('the application role', () => {
  test('cannot delete a record, and cannot purge what is not old', async () => {
    await storeRows(installation, feed, residentRows(1, 3))
    await bury(1)
    const { query } = installation.database
    expect(await codeOf(() => query('delete from record'))).toBe('INTERNAL')
    expect(await codeOf(() => query(`update tombstone_floor set version = 9`))).toBe('INTERNAL')
    expect(await codeOf(() => purgeTombstones(query, 29, 100))).toBe('INTERNAL')
    expect(await codeOf(() => purgeTombstones(query, 400, 1_000_000))).toBe('INTERNAL')
    expect(await purgeTombstones(query, 30, 100)).toEqual([])
    expect(await countTombstones()).toBe(1)
  })

  test('purges in pages', async () => {
    await storeRows(installation, feed, residentRows(1, 9))
    await bury(1, 9)
    await ageBy(401)
    await settleChanges(installation)
    const { query } = installation.database
    expect(await purgeTombstones(query, 400, 4)).toEqual([{ dataset: 'resident', tombstones: 4 }])
    expect(await countTombstones()).toBe(5)
  })
})
