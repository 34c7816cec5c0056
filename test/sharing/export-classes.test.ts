import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createRandom } from '../../prove/random.ts'
import type { FieldForm } from '../../src/feeds/forms.ts'
import { describeExport, findExportPart } from '../../src/sharing/export-download.ts'
import type { Export } from '../../src/store/exports.ts'
import type { Feed } from '../../src/store/feeds.ts'
import { codeOf } from '../support/coded-error.ts'
import {
  exportContext,
  makeExport,
  numberOf,
  openParts,
  rules,
  strangerRows,
  type ExportedLine,
} from '../support/exports.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerConsumer, registerFeed, storeRows } from '../support/ledger.ts'
import { nameOf, namedBy } from '../support/manifests.ts'

/** What statistics are granted: tokens, bands, communities. */
const forms: Readonly<Record<string, FieldForm>> = {
  certNumber: 'token',
  sex: 'mask',
  birthDate: 'generalise',
  gridCode: 'generalise',
  education: 'mask',
}

let installation: TestInstallation
let feed: Feed
let consumerId = 0
let tests = 0

beforeAll(async () => {
  installation = await openTestInstallation('export', 8)
})
afterAll(() => installation.close())
beforeEach(async () => {
  tests += 1
  await installation.asOwner('truncate gridbridge.record')
  feed = await registerFeed(installation, `LZ-GA-RK-${String(tests).padStart(3, '0')}`)
  ;({ consumerId } = await registerConsumer(installation, `statistics-${tests}`, { forms }))
})

const grid = (community: number, own = 1): string => `5105020010${String(community).padStart(2, '0')}00${own}`
/** Rows of men and women of one community: everybody of an even index is a woman. */
const inCommunity = (community: number) => (index: number) => ({
  wg: { bm: grid(community) },
  xb: index % 2 === 0 ? '女' : '男',
})

const lines = async ({ exportId }: Export): Promise<readonly ExportedLine[]> =>
  (await openParts(installation, exportId)).flat()
const communities = (of: readonly ExportedLine[]) =>
  new Map(
    [...Map.groupBy(of, ({ record }) => `${String(record['gridCode'])}/${String(record['sex'])}`)].map(
      ([name, members]) => [name, members.length],
    ),
  )

test('records in classes of fewer people than k are withheld and counted, the others leave', async () => {
  // Classes: 6 and 6 in the first community, 5 and 5 in the second, 4 and 4 in the third.
  await storeRows(installation, feed, strangerRows(1, 12, inCommunity(1)))
  await storeRows(installation, feed, strangerRows(13, 22, inCommunity(2)))
  await storeRows(installation, feed, strangerRows(23, 30, inCommunity(3)))
  const made = await makeExport(installation, consumerId)
  expect(made).toMatchObject({ state: 'ready', read: 30, records: 22, withheld: 8, k: 5, smallestClass: 4 })
  expect(communities(await lines(made))).toEqual(
    new Map([
      ['510502001001/1', 6],
      ['510502001001/2', 6],
      ['510502001002/1', 5],
      ['510502001002/2', 5],
    ]),
  )
  const manifest = await describeExport(exportContext(installation), made.exportId, consumerId)
  expect(manifest).toMatchObject({ k: 5, withheld: 8, smallestClass: 4, totals: { records: 22 } })
  const left = await installation.asOwner('select records from gridbridge.agreement_use where agreement_id = $1', [
    made.agreementId,
  ])
  expect(left).toEqual([{ records: 22 }])
  // Who was withheld did not leave; who left is named when the file is made and each time it is fetched.
  const named = Array.from({ length: 22 }, (_, place) => nameOf(installation, numberOf(place + 1))).toSorted()
  expect((await namedBy(installation, 'export.part-made')).flat().toSorted()).toEqual(named)
  const part = await findExportPart(exportContext(installation), made.exportId, 1, consumerId)
  await part.open({ from: 0, to: 9 })
  const [fetched] = await namedBy(installation, 'export.downloaded')
  expect(fetched).toEqual((await namedBy(installation, 'export.part-made'))[0])
})

test('a class is of people and not of records: what several feeds say of one person counts once', async () => {
  const six = strangerRows(1, 6, () => ({ xb: '男', wg: { bm: grid(1) } }))
  await storeRows(installation, feed, six)
  const second = await registerFeed(installation, `${feed.code}-2`)
  await storeRows(installation, second, six)
  // Six records of four people.
  const repeated = strangerRows(7, 12, (index) => ({
    zjhm: numberOf(7 + (index % 4)),
    csrq: null,
    xb: '男',
    wg: { bm: grid(2) },
  }))
  await storeRows(installation, second, repeated)
  // The same four once more, so late that they come in another file.
  await storeRows(installation, await registerFeed(installation, `${feed.code}-3`), repeated)
  const made = await makeExport(installation, consumerId)
  expect(made).toMatchObject({ state: 'ready', withheld: 12, records: 12, smallestClass: 4 })
})

test('where more than half would be withheld, the export is refused and nothing leaves', async () => {
  await storeRows(
    installation,
    feed,
    strangerRows(1, 10, (index) => ({ xb: '男', wg: { bm: grid(index > 8 ? 1 : 2) } })),
  )
  await storeRows(
    installation,
    feed,
    strangerRows(11, 30, (index) => ({ xb: '男', wg: { bm: grid(index) } })),
  )
  const made = await makeExport(installation, consumerId)
  expect(made).toMatchObject({
    state: 'refused',
    reason: 'EXPORT_REIDENTIFIES',
    withheld: 22,
    records: 0,
    parts: 0,
    smallestClass: 1,
  })
  const described = () => describeExport(exportContext(installation), made.exportId, consumerId)
  expect(await codeOf(described)).toBe('EXPORT_REIDENTIFIES')
  expect(await openParts(installation, made.exportId)).toEqual([])
  const entries = await installation.asOwner(
    `select outcome, count from audit.entry where event_type = 'export.refused' and actor = 'system:worker'`,
  )
  expect(entries).toEqual([{ outcome: 'denied', count: 30 }])
})

test('half is not more than half', async () => {
  await storeRows(
    installation,
    feed,
    strangerRows(1, 8, () => ({ xb: '男', wg: { bm: grid(1) } })),
  )
  await storeRows(
    installation,
    feed,
    strangerRows(9, 16, (index) => ({ xb: '男', wg: { bm: grid(index) } })),
  )
  expect(await makeExport(installation, consumerId)).toMatchObject({ state: 'ready', withheld: 8, records: 8 })
})

describe('whatever was stored', () => {
  test.each([5, 7, 20])(
    'no class of what leaves has fewer than %i people, and none that has as many is withheld',
    async (k) => {
      const random = createRandom(20_261_100 + k)
      const plan = Array.from({ length: 400 }, () => ({
        community: 1 + random(random(4) === 0 ? 40 : 3),
        sex: random(2),
        number: 1 + random(320),
      }))
      await storeRows(
        installation,
        feed,
        strangerRows(1, plan.length, (index) => {
          const { community = 1, sex = 0, number = 1 } = plan[index - 1] ?? {}
          return {
            wg: { bm: grid(community, 1 + (index % 3)) },
            xb: sex === 0 ? '女' : '男',
            zjhm: numberOf(number),
            csrq: null,
          }
        }),
      )
      const people = Map.groupBy(
        plan,
        ({ community, sex }) => `5105020010${String(community).padStart(2, '0')}/${sex === 0 ? 2 : 1}`,
      )
      const sizes = [...people].map(
        ([name, members]) => [name, members.length, new Set(members.map(({ number }) => number)).size] as const,
      )
      const made = await makeExport(installation, consumerId, { exportRules: { ...rules, k }, partRecords: 37 })
      const kept = new Map(sizes.flatMap(([name, records, size]) => (size >= k ? [[name, records]] : [])))
      expect(communities(await lines(made))).toEqual(kept)
      expect(sizes.length).toBeGreaterThan(kept.size)
      expect(made.withheld).toBe(400 - made.records)
      expect(made.smallestClass).toBe(Math.min(k, ...sizes.map(([, , size]) => size)))
    },
  )
})

test('what shows identifiers is not judged by classes', async () => {
  const named = await registerConsumer(installation, `named-${tests}`, { forms: { ...forms, name: 'mask' } })
  await storeRows(installation, feed, strangerRows(1, 3))
  expect(await makeExport(installation, named.consumerId)).toMatchObject({ state: 'ready', k: null, records: 3 })
})
