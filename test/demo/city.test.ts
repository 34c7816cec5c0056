import { describe, expect, test } from 'vitest'
import {
  expectedLive,
  expectedRejections,
  expectedSecond,
  expectedWarnings,
  sourceCounts,
} from '../../demo/city/expectations.ts'
import { feedCodes, feedPlans } from '../../demo/city/feeds.ts'
import type { FeedCode } from '../../demo/city/feeds.ts'
import { planCity } from '../../demo/city/options.ts'
import { personAt } from '../../demo/city/people.ts'
import { openCitySource } from '../../demo/city/source.ts'
import type { CitySource } from '../../demo/city/source.ts'
import type { SourceFields } from '../../demo/city/layout.ts'
import type { Manifest } from '../../src/feeds/manifest-types.ts'
import { citizenNumberFault, isCreditCode, isOrganisationCode } from '../../src/feeds/formats.ts'
import { judgeRows, readConnectors } from './judge-source.ts'
import type { Verdict } from './judge-source.ts'

const connectors = readConnectors()

function manifestOf(feed: FeedCode): Manifest {
  const manifest = connectors.get(feed)
  if (manifest === undefined) throw new Error(`no manifest of ${feed}`)
  return manifest
}

function judgeSource(feed: FeedCode, { layout, rowAt }: CitySource): Verdict {
  return judgeRows(manifestOf(feed), layout.total, rowAt)
}

const city = { residents: 20_000, seed: 20_241_001 }

test('every feed of the demo has a manifest, and every manifest a feed of its dataset', () => {
  const demo = feedCodes.map((feed) => `${feed} ${feedPlans[feed].dataset}`)
  const manifests = [...connectors].map(([code, { feed }]) => `${code} ${feed.dataset}`)
  expect(demo.toSorted()).toEqual(manifests.toSorted())
})

describe('a city of 20,000 residents', () => {
  test.for(feedCodes)('has exactly the stated rejections and warnings in %s', (feed) => {
    const verdict = judgeSource(feed, openCitySource(city, feed))
    expect(verdict.rejections).toEqual(expectedRejections(city)[feed])
    expect(verdict.warnings).toEqual(expectedWarnings(city)[feed])
    expect(verdict.valid.length).toBe(expectedLive(city, 1)[feed])
  })

  test('offers the rows it states, and no record id twice but on purpose', () => {
    for (const feed of feedCodes) {
      const source = openCitySource(city, feed)
      const ids = Array.from({ length: source.layout.total }, (_, position) => idOf(source.rowAt(position)))
      const repeats = expectedRejections(city)[feed]['DQ-070'] ?? 0
      const objects = ids.filter((id) => id !== undefined)
      expect(ids.length).toBe(sourceCounts(city)[feed])
      expect(new Set(objects).size).toBe(objects.length - repeats)
    }
  })

  test('is near 8,000 houses, 9,000 addresses, 1,500 entities and 20 grids', () => {
    const live = expectedLive({ ...city, clean: true }, 1)
    const base = [live['LZ-GA-RK-001'], live['LZ-ZR-FW-001'], live['LZ-MZ-DZ-001'], live['LZ-SC-DW-001']]
    expect([...base, live['LZ-MZ-WG-001']]).toEqual([20_000, 8000, 9000, 1500, 25])
  })

  test('changes about 1 per cent in pass two and keeps the counts it states', () => {
    for (const feed of feedCodes) {
      const { changes, layout } = openCitySource(city, feed)
      const indices = Array.from({ length: layout.goods }, (_, index) => index)
      const stated = expectedSecond(city)[feed]
      expect(indices.filter((index) => changes.isUpdated(index))).toEqual(changes.updated)
      expect(indices.filter((index) => changes.isDeleted(index))).toEqual(changes.deleted)
      expect(changes.updated.filter((index) => changes.isDeleted(index))).toEqual([])
      expect(stated).toEqual({
        inserted: changes.inserted,
        updated: changes.updated.length,
        deleted: changes.deleted.length,
      })
      expect(stated.inserted).toBeGreaterThan(0)
      expect(stated.updated).toBeGreaterThan(0)
      expect(stated.deleted).toBeGreaterThan(0)
    }
  })

  test('lets every changed row pass validation again, with another content', () => {
    for (const feed of feedCodes) {
      const source = openCitySource({ ...city, clean: true }, feed)
      const { updated, inserted, firstInserted } = source.changes
      for (const index of updated) expect(source.goodRow(index, 1)).not.toEqual(source.goodRow(index, 0))
      const rows = [
        ...updated.map((index) => source.goodRow(index, 1)),
        ...Array.from({ length: inserted }, (_, number) => source.goodRow(firstInserted + number, 0)),
      ]
      const { valid, rejections, warnings } = judgeRows(manifestOf(feed), rows.length, (position) => rows[position])
      expect([valid.length, rejections, warnings]).toEqual([rows.length, {}, {}])
    }
  })

  test('fits together: people live in houses at addresses in grids, and registers are about them', () => {
    const options = { ...city, clean: true }
    const values = (feed: FeedCode, column: string): Set<unknown> => {
      const source = openCitySource(options, feed)
      const all = Array.from({ length: source.layout.goods }, (_, index) => source.goodRow(index, 0)[column])
      return new Set(all.filter((value) => value !== null))
    }
    const addresses = values('LZ-MZ-DZ-001', 'dzbm')
    const grids = values('LZ-MZ-WG-001', 'wgbm')
    const people = values('LZ-GA-RK-001', 'gmsfhm')
    const units = values('LZ-SC-DW-001', 'tyshxydm')
    expect(missing(values('LZ-GA-RK-001', 'fwbh'), values('LZ-ZR-FW-001', 'fwbh'))).toEqual([])
    expect(missing(values('LZ-GA-RK-001', 'dzbm'), addresses)).toEqual([])
    expect(missing(values('LZ-ZR-FW-001', 'dzbm'), addresses)).toEqual([])
    expect(missing(values('LZ-SC-DW-001', 'jydzbm'), addresses)).toEqual([])
    const columns: Readonly<Record<string, Set<unknown>>> = { wgbm: grids, zjhm: people, tyshxydm: units }
    for (const feed of feedCodes)
      for (const [column, known] of Object.entries(columns))
        for (const name of [column, column.toUpperCase()])
          expect(missing(values(feed, name), new Set([undefined, ...known])), `${feed} ${name}`).toEqual([])
  })
})

describe('a synthetic person', () => {
  const plan = planCity({ residents: 5_000_000, seed: 3 })

  test('has a number of an unassigned county, or one born by 1905 under a permit', () => {
    const people = Array.from({ length: 5000 }, (_, index) => personAt(plan, index * 977))
    const citizens = people.filter(({ certType }) => certType === '111')
    const others = people.filter(({ certType }) => certType !== '111')
    expect(citizens.filter(({ certNumber }) => !certNumber.startsWith('510599'))).toEqual([])
    expect(citizens.filter(({ certNumber }) => citizenNumberFault(certNumber) !== null)).toEqual([])
    expect(others.filter(({ birthDigits }) => birthDigits >= '1906')).toEqual([])
    expect(people.filter(({ phone }) => !/^1990\d{7}$/.test(phone))).toEqual([])
  })

  test('shares a certificate number with nobody among 200,000', () => {
    const numbers = new Set(
      Array.from({ length: 200_000 }, (_, index) => personAt(plan, index * 25 + (index % 5)).certNumber),
    )
    expect(numbers.size).toBe(200_000)
  })

  test('may be a child, a holder of a permit, or have a rare name', () => {
    const people = Array.from({ length: 20_000 }, (_, index) => personAt(plan, index))
    expect(people.filter(({ birthDigits }) => birthDigits > '2013').length).toBeGreaterThan(1000)
    expect(new Set(people.map(({ certType }) => certType))).toEqual(new Set(['111', 'HMT_RP', '553']))
    expect(people.some(({ birthDigits }) => birthDigits < '1906')).toBe(true)
    expect(people.some(({ name }) => name.includes('·'))).toBe(true)
    expect(people.some(({ name }) => /[\u{20000}-\u{2ffff}]/u.test(name))).toBe(true)
  })
})

describe('the city', () => {
  test('is the same again from the same seed, and another from another', () => {
    const first = openCitySource(city, 'LZ-GA-RK-001')
    const again = openCitySource(city, 'LZ-GA-RK-001')
    const other = openCitySource({ ...city, seed: 5 }, 'LZ-GA-RK-001')
    expect(first.rowAt(12_345)).toEqual(again.rowAt(12_345))
    expect(first.rowAt(12_345)).not.toEqual(other.rowAt(12_345))
  })

  test('makes the last row of five million residents at once, with credit codes that hold', () => {
    const options = { residents: 5_000_000, seed: 9, clean: true }
    const resident = openCitySource(options, 'LZ-GA-RK-001')
    expect(fieldsOf(resident.rowAt(resident.layout.total - 1))['rkbm']).toBe('RK0004999999')
    const entity = openCitySource(options, 'LZ-SC-DW-001')
    const code = String(fieldsOf(entity.rowAt(entity.layout.total - 1))['tyshxydm'])
    expect([isCreditCode(code), isOrganisationCode(code.slice(8, 17))]).toEqual([true, true])
  })

  test.for([20, 200, 3000, 61_000])('states its rejections rightly for %i residents', (residents) => {
    const options = { residents, seed: 77 }
    const small = feedCodes.filter((feed) => sourceCounts(options)[feed] < 6000)
    expect(small.length).toBeGreaterThan(10)
    for (const feed of small) {
      const verdict = judgeSource(feed, openCitySource(options, feed))
      expect(verdict.rejections).toEqual(expectedRejections(options)[feed])
      expect(verdict.valid.length).toBe(expectedLive(options, 1)[feed])
    }
  })
})

function missing(some: ReadonlySet<unknown>, all: ReadonlySet<unknown>): readonly unknown[] {
  return [...some].filter((value) => !all.has(value))
}

function fieldsOf(row: unknown): SourceFields {
  return typeof row === 'object' && row !== null ? Object.fromEntries(Object.entries(row)) : {}
}

/** The first column of every source is its record id. */
function idOf(row: unknown): unknown {
  return Object.values(fieldsOf(row))[0]
}
