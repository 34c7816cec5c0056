import { hash } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { SharedRecord } from '../../src/record.ts'
import { decodeCursor, encodeCursor } from '../../src/sharing/cursors.ts'
import { pullChanges, type PulledPage } from '../../src/sharing/pull.ts'
import { FIRST_PLACE } from '../../src/store/changes.ts'
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
  installation = await openTestInstallation('pull', 12)
})
afterAll(() => installation.close())
beforeEach(async () => {
  tests += 1
  await installation.asOwner('truncate gridbridge.record')
  feed = await registerFeed(installation, `LZ-GA-RK-${String(tests).padStart(3, '0')}`)
  const { consumerId } = await registerConsumer(installation, `platform-${tests}`)
  agreement = await findAgreement(installation.database.query, consumerId, 'resident')
})

const pull = (cursor: string | undefined, limit = 100): Promise<PulledPage> =>
  pullChanges({ ...installation, auditDeadlineMs: 2000 }, { agreement, after: decodeCursor(1, cursor), limit })

/** What a consumer holds that applies every change it pulls. */
async function pullToEnd(
  limit: number,
  cursor?: string,
): Promise<{ readonly held: ReadonlyMap<string, SharedRecord>; readonly cursor: string }> {
  const held = new Map<string, SharedRecord>()
  let at = cursor
  for (;;) {
    const page = await pull(at, limit)
    for (const change of changesIn(page)) held.set(change.id, change)
    at = page.cursor
    if (!page.hasMore) return { held, cursor: at }
  }
}

describe('a cursor', () => {
  const place = fc.record({ tx: fc.bigInt(0n, 9_999_999_999_999_999_999n).map(String), seq: fc.nat(999_999_999) })

  test('is read back as the place it was made of', () => {
    fc.assert(
      fc.property(place, (given) => {
        expect(decodeCursor(3, encodeCursor(3, given))).toEqual(given)
      }),
    )
  })

  test('that is none or empty means the beginning', () => {
    expect([decodeCursor(1, undefined), decodeCursor(1, '')]).toEqual([FIRST_PLACE, FIRST_PLACE])
  })

  const forged = (text: string): string => Buffer.from(text).toString('base64url')
  test.each([
    'x',
    'AAAA',
    '%00',
    forged('1.5'),
    forged('1.5.1'),
    forged('3.1.5.1'),
    forged('2.1.-5.1'),
    forged('2.1.5.1.1'),
    forged('2.1.5.1 '),
    forged('2.1.5.1\n'),
    forged(`2.1.${'9'.repeat(20)}.1`),
    forged('2.1.5.9999999999'),
    forged("2.1.5.1'; drop table record"),
    forged('2.1.0x5.1'),
    forged('2.1.٥.1'),
  ])('that this service never gave is refused: %s', async (cursor) => {
    expect(await codeOf(() => decodeCursor(1, cursor))).toBe('CURSOR_INVALID')
  })
})

test('pages follow one another without a gap, and only the last one says that there is no more', async () => {
  await storeRows(installation, feed, residentRows(1, 10))
  const pages: PulledPage[] = []
  for (let cursor: string | undefined; pages.length < 4; cursor = pages.at(-1)?.cursor)
    pages.push(await pull(cursor, 4))
  expect(pages.map((page) => [changesIn(page).length, page.hasMore])).toEqual([
    [4, true],
    [4, true],
    [2, false],
    [0, false],
  ])
  expect(pages.flatMap(changesIn).map(({ id }) => id)).toEqual(
    residentRows(1, 10).map(({ id }) => `${feed.code}/${String(id)}`),
  )
  expect(pages[3]?.cursor).toBe(pages[2]?.cursor)
})

test('a page that ends exactly at the end says that there is no more', async () => {
  await storeRows(installation, feed, residentRows(1, 4))
  expect(await pull(undefined, 4)).toMatchObject({ hasMore: false })
})

test('an old cursor brings what changed since, and only that', async () => {
  await storeRows(installation, feed, residentRows(1, 5))
  const { cursor } = await pullToEnd(3)
  await storeRows(installation, feed, [
    ...residentRows(2, 2, { lxfs: '19900000002' }),
    ...residentRows(3, 3, { scbz: '1' }),
  ])
  const { held } = await pullToEnd(3, cursor)
  expect([...held.values()].map(({ id, version, operation }) => [id.split('/')[1], version, operation])).toEqual([
    ['R-2', 2, 'upsert'],
    ['R-3', 2, 'delete'],
  ])
})

test('each page has its audit entry, with the digest of exactly what was given', async () => {
  await storeRows(installation, feed, residentRows(1, 3))
  const { answer, cursor, hasMore } = await pull(undefined)
  expect(JSON.parse(String(answer.body))).toEqual({ changes: expect.any(Array), cursor, hasMore })
  const entries = await installation.asOwner(
    `select actor, dataset, count, body->>'purpose' as purpose, body->>'agreement' as agreement, body->>'outputDigest' as digest
       from (select *, convert_from(entry.body, 'UTF8')::jsonb as body from audit.entry) as entry (entry_id, recorded_at, lane_id, lane_seq, event_type, actor, outcome, feed, dataset, count, raw, leaf, body)
      where event_type = 'changes.pulled' and actor = $1`,
    [`consumer:platform-${tests}`],
  )
  expect(entries).toEqual([
    {
      actor: `consumer:platform-${tests}`,
      dataset: 'resident',
      count: 3,
      purpose: 'LZ-QD-001',
      agreement: `${agreement.agreementId}@1`,
      digest: hash('sha256', answer.body ?? ''),
    },
  ])
})

test('a consumer that pulls while others write ends with exactly what is stored', async () => {
  const random = createRandom(20_261_123)
  const feeds = await Promise.all([1, 2, 3].map((number) => registerFeed(installation, `${feed.code}-${number}`)))
  let isWriting = true
  const write = async (own: Feed): Promise<void> => {
    for (let turn = 0; turn < 12; turn++) {
      const first = random(30)
      const change = random(3) === 0 ? { scbz: '1' } : { lxfs: `1990000${String(random(10_000)).padStart(4, '0')}` }
      await storeRows(installation, own, residentRows(first, first + random(20), change))
    }
  }
  const writeAll = async (): Promise<void> => {
    await Promise.all(feeds.map(write))
    await settleChanges(installation)
    isWriting = false
  }
  const writing = writeAll()
  const held = new Map<string, number>()
  let cursor: string | undefined
  let pulledWhileWriting = 0
  for (;;) {
    const isLast = !isWriting
    const page = await pull(cursor, 7)
    for (const { id, version, operation } of changesIn(page)) {
      if (operation === 'upsert') held.set(id, version)
      else held.delete(id)
    }
    if (!isLast) pulledWhileWriting += changesIn(page).length
    cursor = page.cursor
    if (isLast && !page.hasMore) break
  }
  await writing
  const stored = await installation.asOwner<{ id: string; version: number }>(
    `select code || '/' || source_record_id as id, version from gridbridge.record join gridbridge.feed using (feed_id) where masked is not null`,
  )
  expect(pulledWhileWriting).toBeGreaterThan(0)
  expect(held).toEqual(new Map(stored.map(({ id, version }) => [id, version])))
})
