import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { SharedRecord } from '../../src/record.ts'
import { decodeCursor } from '../../src/sharing/cursors.ts'
import { pullChanges } from '../../src/sharing/pull.ts'
import { digestRecords, type DigestRequest, type RecordSet } from '../../src/sharing/set-digests.ts'
import { findAgreement, type Agreement } from '../../src/store/agreements.ts'
import type { Feed } from '../../src/store/feeds.ts'
import { takeDigesting } from '../../src/store/set-digests.ts'
import { codeOf } from '../support/coded-error.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { changesIn, registerConsumer, registerFeed, residentRows, settleChanges, storeRows } from '../support/ledger.ts'
import { createRandom } from '../../prove/random.ts'

let installation: TestInstallation
let feed: Feed
let city: Agreement
let district: Agreement
let tests = 0

beforeAll(async () => {
  installation = await openTestInstallation('set-digests')
})
afterAll(() => installation.close())
beforeEach(async () => {
  tests += 1
  await installation.asOwner('truncate gridbridge.record')
  feed = await registerFeed(installation, `LZ-GA-RK-${String(tests).padStart(3, '0')}`)
  const agreementOf = async (name: string, area: readonly string[]): Promise<Agreement> => {
    const { consumerId } = await registerConsumer(installation, `${name}-${tests}`, { area })
    return findAgreement(installation.database.query, consumerId, 'resident')
  }
  city = await agreementOf('city', ['5105'])
  district = await agreementOf('district', ['510503'])
})

const digest = (agreement: Agreement, part: Partial<DigestRequest> = {}): Promise<readonly RecordSet[]> =>
  digestRecords(
    { ...installation, auditDeadlineMs: 2000 },
    { agreement, hash: 'sha256', division: null, day: null, ...part },
  )

/** What a consumer holds that applies every change it pulls. */
async function pullAll(agreement: Agreement): Promise<readonly SharedRecord[]> {
  const held = new Map<string, SharedRecord>()
  for (let cursor: string | undefined; ;) {
    const after = decodeCursor(agreement.version, cursor)
    const page = await pullChanges({ ...installation, auditDeadlineMs: 2000 }, { agreement, after, limit: 100 })
    for (const change of changesIn(page)) {
      if (change.operation === 'upsert') held.set(change.id, change)
      else held.delete(change.id)
    }
    cursor = page.cursor
    if (!page.hasMore) return [...held.values()]
  }
}

/** The same sets, made the way in which the guide tells a consumer to make them. */
function setsOf(held: readonly SharedRecord[], hash = 'sha256'): readonly RecordSet[] {
  const dayOf = (time: string): string => new Date(Date.parse(time) + 8 * 3_600_000).toISOString().slice(0, 10)
  const keyOf = ({ record, changedAt }: SharedRecord): string =>
    JSON.stringify([(record as { readonly gridCode?: string } | null)?.gridCode?.slice(0, 6) ?? null, dayOf(changedAt)])
  return [...Map.groupBy(held, keyOf)].map(([key, members]) => {
    const [division, day] = JSON.parse(key) as [string | null, string]
    const lines = members.map(({ id, version }) => `${id}\t${version}\n`)
    const sorted = lines.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
    return { division, day, count: members.length, digest: createHash(hash).update(sorted.join('')).digest('hex') }
  })
}

const byPlace = (sets: readonly RecordSet[]) =>
  sets.toSorted((one, other) =>
    `${one.division ?? '~'}${one.day}`.localeCompare(`${other.division ?? '~'}${other.day}`),
  )

const GRIDS = ['510502001001001', '510502001001002', '510503001001001', '510504001001001'] as const

async function changeAtRandom(seed: number): Promise<void> {
  const random = createRandom(seed)
  for (let turn = 0; turn < 25; turn++) {
    const first = random(60)
    const bm = GRIDS[random(GRIDS.length)]
    const change =
      random(4) === 0 ? { scbz: '1' } : { wg: { bm }, lxfs: `1990000${String(random(10_000)).padStart(4, '0')}` }
    await storeRows(installation, feed, residentRows(first, first + random(15), change))
  }
  await installation.asOwner(
    `update gridbridge.record set changed_at = changed_at - make_interval(hours => (hashtext(source_record_id) % 3 + 3) * 9)`,
  )
  await installation.asOwner(
    `update gridbridge.record set area_code = null, masked = masked - 'gridCode' where source_record_id like 'R-1%'`,
  )
  await settleChanges(installation)
}

test.each([1, 2, 3])('after random changes the sets are those of what a puller holds (seed %i)', async (seed) => {
  await changeAtRandom(seed)
  const sets = await digest(city)
  expect(new Set(sets.map(({ division }) => division)).size).toBe(4)
  expect(new Set(sets.map(({ day }) => day)).size).toBeGreaterThan(1)
  expect(byPlace(sets)).toEqual(byPlace(setsOf(await pullAll(city))))
  const own = await digest(district)
  expect(own.length).toBeGreaterThan(0)
  expect(byPlace(own)).toEqual(byPlace(setsOf(await pullAll(district))))
  expect(byPlace(await digest(city, { hash: 'sm3' }))).toEqual(byPlace(setsOf(await pullAll(city), 'sm3')))
})

test('ids are sorted by their bytes, whatever the database sorts by', async () => {
  await storeRows(
    installation,
    feed,
    ['r-1', 'R-1', 'R_1', 'R.1', 'R:1', 'a', 'B'].map((id) => ({ ...residentRows(1, 1)[0], id })),
  )
  expect(await digest(city)).toEqual(setsOf(await pullAll(city)))
})

test('one division or one day can be asked for', async () => {
  await changeAtRandom(4)
  const sets = await digest(city)
  const one = sets.find(({ division }) => division === '510503')
  expect(await digest(city, { division: '510503' })).toEqual(sets.filter(({ division }) => division === '510503'))
  expect(await digest(city, { day: one?.day ?? '' })).toEqual(sets.filter(({ day }) => day === one?.day))
  expect(await digest(city, { division: '510524' })).toEqual([])
})

test('a division outside the agreement is refused, whether there are records or not', async () => {
  await storeRows(installation, feed, residentRows(1, 1))
  for (const division of ['510502', '510524', '110101'])
    expect(await codeOf(() => digest(district, { division }))).toBe('AREA_OUTSIDE')
  expect(await codeOf(() => digest(city, { division: '110101' }))).toBe('AREA_OUTSIDE')
})

describe('a reconciliation', () => {
  test('is in the audit log', async () => {
    await storeRows(installation, feed, residentRows(1, 1))
    await digest(district)
    expect(
      await installation.asOwner(
        `select dataset, count from audit.entry where event_type = 'reconciliation.read' and actor = $1`,
        [`consumer:district-${tests}`],
      ),
    ).toEqual([{ dataset: 'resident', count: 0 }])
  })

  test('waits for another one of the same agreement', async () => {
    await installation.database.transaction(async (transaction) => {
      expect(await takeDigesting(transaction, city.agreementId)).toBe(true)
      expect(await codeOf(() => digest(city))).toBe('BUSY')
      expect(await digest(district)).toEqual([])
    })
    expect(await digest(city)).toEqual([])
  })
})
