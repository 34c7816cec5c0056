import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { SharedRecord } from '../../src/record.ts'
import { decodeCursor, decodeSnapshotCursor } from '../../src/sharing/cursors.ts'
import { pullChanges } from '../../src/sharing/pull.ts'
import { pullSnapshot, type SnapshotPage } from '../../src/sharing/snapshot.ts'
import { findAgreement, type Agreement } from '../../src/store/agreements.ts'
import type { Feed } from '../../src/store/feeds.ts'
import { codeOf } from '../support/coded-error.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { changesIn, registerConsumer, registerFeed, residentRows, settleChanges, storeRows } from '../support/ledger.ts'
import { createRandom } from '../../prove/random.ts'

let installation: TestInstallation
let feed: Feed
let agreement: Agreement
let tests = 0

beforeAll(async () => {
  installation = await openTestInstallation('snapshot', 12)
})
afterAll(() => installation.close())
beforeEach(async () => {
  tests += 1
  await installation.asOwner('truncate gridbridge.record')
  feed = await registerFeed(installation, `LZ-GA-RK-${String(tests).padStart(3, '0')}`)
  const { consumerId } = await registerConsumer(installation, `platform-${tests}`)
  agreement = await findAgreement(installation.database.query, consumerId, 'resident')
})

const snapshotPage = (cursor: string | undefined, limit: number, under = agreement): Promise<SnapshotPage> =>
  pullSnapshot(
    { ...installation, auditDeadlineMs: 2000 },
    { agreement: under, place: decodeSnapshotCursor(under.version, cursor), limit },
  )

/** Every change that the feed tells after a cursor. */
async function pullFeed(from: string): Promise<readonly SharedRecord[]> {
  const pulled: SharedRecord[] = []
  for (let cursor = from; ;) {
    const after = decodeCursor(agreement.version, cursor)
    const page = await pullChanges({ ...installation, auditDeadlineMs: 2000 }, { agreement, after, limit: 50 })
    pulled.push(...changesIn(page))
    cursor = page.cursor
    if (!page.hasMore) return pulled
  }
}

const names = (changes: readonly SharedRecord[]) =>
  changes.map(({ id, version, operation }) => [id.split('/')[1], version, operation])

test('a snapshot holds the living records alone, and its last page says where the feed takes over', async () => {
  await storeRows(installation, feed, residentRows(1, 5))
  await storeRows(installation, feed, residentRows(2, 2, { scbz: '1' }))
  const first = await snapshotPage(undefined, 3)
  expect([names(changesIn(first)), first.hasMore, first.feedCursor]).toEqual([
    [
      ['R-1', 1, 'upsert'],
      ['R-3', 1, 'upsert'],
      ['R-4', 1, 'upsert'],
    ],
    true,
    undefined,
  ])
  const last = await snapshotPage(first.cursor, 3)
  expect([names(changesIn(last)), last.hasMore]).toEqual([[['R-5', 1, 'upsert']], false])
  expect(await pullFeed(last.feedCursor ?? '')).toEqual([])
  const beyond = await snapshotPage(last.cursor, 3)
  expect([changesIn(beyond), beyond.hasMore, beyond.feedCursor]).toEqual([[], false, last.feedCursor])
})

test('what changes between two pages comes by the feed and not by the snapshot', async () => {
  await storeRows(installation, feed, residentRows(1, 4))
  const first = await snapshotPage(undefined, 2)
  await storeRows(installation, feed, [
    ...residentRows(1, 1, { lxfs: '19900000002' }),
    ...residentRows(3, 3, { scbz: '1' }),
    ...residentRows(9, 9),
  ])
  const last = await snapshotPage(first.cursor, 2)
  expect(names([...changesIn(first), ...changesIn(last)]).map(([id]) => id)).toEqual(['R-1', 'R-2', 'R-4'])
  expect(names(await pullFeed(last.feedCursor ?? ''))).toEqual([
    ['R-1', 2, 'upsert'],
    ['R-9', 1, 'upsert'],
    ['R-3', 2, 'delete'],
  ])
})

test('a snapshot of an area leaves out what lies elsewhere and what has left', async () => {
  const { consumerId } = await registerConsumer(installation, `district-${tests}`, { area: ['510503'] })
  const district = await findAgreement(installation.database.query, consumerId, 'resident')
  await storeRows(installation, feed, [...residentRows(1, 1), ...residentRows(2, 3, { wg: { bm: '510503001001001' } })])
  await storeRows(installation, feed, residentRows(3, 3, { wg: { bm: '510502001001001' } }))
  expect(names(changesIn(await snapshotPage(undefined, 10, district)))).toEqual([['R-2', 1, 'upsert']])
})

test('a cursor of the feed is none of a snapshot, and the other way round', async () => {
  await storeRows(installation, feed, residentRows(1, 1))
  const { cursor, feedCursor = '' } = await snapshotPage(undefined, 10)
  expect(await codeOf(() => decodeSnapshotCursor(1, feedCursor))).toBe('CURSOR_INVALID')
  expect(await codeOf(() => decodeCursor(1, cursor))).toBe('CURSOR_INVALID')
  expect(await codeOf(() => decodeSnapshotCursor(2, cursor))).toBe('CURSOR_EXPIRED')
})

test('a register that may not be copied gives no snapshot', async () => {
  expect(await codeOf(() => snapshotPage(undefined, 10, { ...agreement, method: 'query' }))).toBe('QUERY_ONLY')
})

test('a snapshot that is taken while others write, and then the feed, bring each version once and end with what is stored', async () => {
  const random = createRandom(20_261_128)
  const feeds = await Promise.all([1, 2, 3].map((number) => registerFeed(installation, `${feed.code}-${number}`)))
  await Promise.all(feeds.map((own) => storeRows(installation, own, residentRows(1, 30))))
  const write = async (own: Feed): Promise<void> => {
    for (let turn = 0; turn < 10; turn++) {
      const first = random(40)
      const change = random(3) === 0 ? { scbz: '1' } : { lxfs: `1990000${String(random(10_000)).padStart(4, '0')}` }
      await storeRows(installation, own, residentRows(first, first + random(10), change))
    }
  }
  const writing = Promise.all(feeds.map(write))
  const seen: SharedRecord[] = []
  let feedCursor: string | undefined
  for (let cursor: string | undefined; feedCursor === undefined;) {
    const page = await snapshotPage(cursor, 5)
    seen.push(...changesIn(page))
    ;({ cursor, feedCursor } = page)
  }
  await writing
  await settleChanges(installation)
  const fed = await pullFeed(feedCursor)
  expect(fed.length).toBeGreaterThan(0)
  const versions = [...seen, ...fed].map(({ id, version }) => `${id}@${version}`)
  expect(new Set(versions).size).toBe(versions.length)
  const held = new Map<string, number>()
  for (const { id, version, operation } of [...seen, ...fed]) {
    if (operation === 'upsert') held.set(id, version)
    else held.delete(id)
  }
  const stored = await installation.asOwner<{ id: string; version: number }>(
    `select code || '/' || source_record_id as id, version from gridbridge.record join gridbridge.feed using (feed_id) where masked is not null`,
  )
  expect(held).toEqual(new Map(stored.map(({ id, version }) => [id, version])))
})
