import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loadDatasets, type Dataset } from '../../src/feeds/datasets.ts'
import { qualityRules } from '../../src/feeds/rules.ts'
import { compileMapping } from '../../src/ingest/map.ts'
import { validate, type Validated } from '../../src/ingest/validate.ts'
import { createHousingManifest, createHousingRow, createManifest, createResidentRow } from '../feeds/sample-manifest.ts'
import type { Manifest } from '../../src/feeds/manifest-types.ts'

const NOW = new Date('2026-11-23T04:00:00Z')
const datasets = loadDatasets()

function datasetOf(name: string): Dataset {
  const dataset = datasets.get(name)
  if (dataset === undefined) throw new Error(`no dataset ${name}`)
  return dataset
}

type Row = Readonly<Record<string, unknown>>

function judge(manifest: Manifest, rows: readonly unknown[]): Validated {
  const dataset = datasetOf(manifest.feed.dataset)
  const mapRow = compileMapping(manifest, dataset)
  return validate(
    rows.map((value, row) => mapRow({ row, value })),
    dataset,
    NOW,
  )
}

const judgeResident = (...changes: readonly Row[]): Validated =>
  judge(
    createManifest(),
    changes.map((change) => createResidentRow(change)),
  )
const judgeHouse = (change: Row): Validated => judge(createHousingManifest(), [createHousingRow(change)])

/** A manifest that maps every property of a dataset from the field of the same name. */
function createPlainManifest(dataset: string): Manifest {
  const names = datasetOf(dataset).properties.map(({ name }) => name)
  const map = names.filter((name) => name !== 'sourceRecordId').map((name) => ({ to: `/${name}`, from: `/${name}` }))
  return createManifest({ feed: { ...createManifest().feed, dataset }, map, deletes: { kind: 'none' } })
}

const judgePlain = (dataset: string, row: Row): Validated => judge(createPlainManifest(dataset), [row])

const address = {
  id: 'A-1',
  addressCode: 'DZ-1',
  codeScheme: 'LZ_LOCAL',
  level: 'DOORPLATE',
  divisionCode: '510502',
  townCode: '510502001',
  communityCode: '510502001001',
  gridCode: '510502001001001',
  fullAddress: '四川省泸州市江阳区南城街道测试社区1号',
  status: 'ACTIVE',
}
const grid = {
  id: 'G-1',
  gridCode: '510502001001001',
  gridName: '测试网格',
  gridKind: 'COMPREHENSIVE',
  communityCode: '510502001001',
}
const entity = {
  id: 'E-1',
  uscc: '91510502MA9T00018P',
  name: '测试有限公司',
  entityKind: 'ENTERPRISE',
  registerStatus: 'ACTIVE',
  gridCode: '510502001001001',
}

test('a good row of each dataset is valid without a warning', () => {
  const results = [
    judgeResident({ csrq: null }),
    judgeHouse({}),
    judgePlain('address', address),
    judgePlain('grid', grid),
    judgePlain('entity', entity),
  ]
  for (const result of results) expect(result).toMatchObject({ valid: [{}], rejected: [], warnings: {} })
  expect(results[0]?.valid[0]).toMatchObject({ recordId: 'R-1', operation: 'upsert', fields: { certType: '111' } })
})

describe('rows that are rejected', () => {
  test.each<[string, Row, string, string]>([
    ['DQ-001', { xm: '无' }, 'DQ-001', 'name'],
    ['DQ-001 without an id', { id: null }, 'DQ-001', 'sourceRecordId'],
    ['DQ-003 by a citizen number', { id: '510502190001010017' }, 'DQ-003', 'sourceRecordId'],
    ['DQ-003 by a mobile number', { id: 'M-19900000001' }, 'DQ-003', 'sourceRecordId'],
    ['DQ-004', { xm: '张\u0000' }, 'DQ-004', 'name'],
    ['DQ-005', { xm: 7 }, 'DQ-005', 'name'],
    ['DQ-005 by a nested value', { xm: { a: 1 } }, 'DQ-005', 'name'],
    ['DQ-010 by length', { zjhm: '51050219000101001' }, 'DQ-010', 'certNumber'],
    ['DQ-010 by province', { zjhm: '990502190001010017', zjlx: '112' }, 'DQ-010', 'certNumber'],
    ['DQ-010 by a passport', { zjlx: '414', zjhm: 'E12' }, 'DQ-010', 'certNumber'],
    ['DQ-011 by scientific notation', { zjhm: '5.10502E+17' }, 'DQ-011', 'certNumber'],
    ['DQ-011 by lost digits', { zjhm: '510502190001010000' }, 'DQ-011', 'certNumber'],
    ['DQ-012', { zjhm: '510503190002290010' }, 'DQ-012', 'certNumber'],
    ['DQ-012 by the month', { zjhm: '510502190013010011' }, 'DQ-012', 'certNumber'],
    ['DQ-012 by the future', { zjhm: '510599209901010011' }, 'DQ-012', 'certNumber'],
    ['DQ-013', { zjhm: '510502190001010018' }, 'DQ-013', 'certNumber'],
    ['DQ-013 of a permit', { zjhm: '810000190001010019' }, 'DQ-013', 'certNumber'],
    ['DQ-030', { wg: { bm: '510523001001001' } }, 'DQ-030', 'gridCode'],
    ['DQ-030 by form', { wg: { bm: '5105020010010' } }, 'DQ-030', 'gridCode'],
    ['DQ-032', { wg: {} }, 'DQ-032', 'gridCode'],
    ['DQ-040 of a required field', { xb: '中' }, 'DQ-040', 'sex'],
    ['DQ-092', { xm: '张\ufffd' }, 'DQ-092', 'name'],
  ])('%s', (_, change, rule, field) => {
    const { valid, rejected } = judgeResident(change)
    expect(valid).toEqual([])
    expect(rejected[0]?.reasons).toContainEqual({ rule, field })
    expect(rejected[0]?.source.row).toBe(0)
  })

  test.each<[string, Row, string, string]>([
    ['DQ-031', { communityCode: '510502001002' }, 'DQ-031', 'communityCode'],
    ['DQ-031 by town', { townCode: '510502002' }, 'DQ-031', 'townCode'],
    ['DQ-031 by county', { divisionCode: '510503' }, 'DQ-031', 'divisionCode'],
    ['DQ-030 of a community', { communityCode: '510502099001' }, 'DQ-030', 'communityCode'],
  ])('%s in an address', (_, change, rule, field) => {
    expect(judgePlain('address', { ...address, ...change }).rejected[0]?.reasons).toContainEqual({ rule, field })
  })

  test('DQ-031 spares an exclusive grid, which may lie over several communities', () => {
    const other = { ...grid, communityCode: '510502001002' }
    expect(judgePlain('grid', other).rejected).toHaveLength(1)
    expect(judgePlain('grid', { ...other, gridKind: 'EXCLUSIVE' }).valid).toHaveLength(1)
  })

  test('DQ-020 a credit code with a wrong check character', () => {
    const { rejected } = judgePlain('entity', { ...entity, uscc: '91510502MA9T00018Q' })
    expect(rejected[0]?.reasons).toEqual([{ rule: 'DQ-020', field: 'uscc' }])
  })

  test('DQ-011 a number without a certificate type', () => {
    const { rejected } = judgePlain('entity', { ...entity, legalRepCertNumber: '510502190001010000' })
    expect(rejected[0]?.reasons).toEqual([{ rule: 'DQ-011', field: 'legalRepCertNumber' }])
  })

  test.each([null, 7, 'row', ['x']])('DQ-005 the row %o is no object', (row) => {
    expect(judge(createManifest(), [row]).rejected[0]?.reasons).toEqual([{ rule: 'DQ-005', field: null }])
  })
})

describe('rows that are kept with a warning', () => {
  test.each<[string, Row]>([
    ['DQ-001', { dz: '不详' }],
    ['DQ-002', { unknown: 'x' }],
    ['DQ-014', { zjhm: '510502000101001' }],
    ['DQ-015', { csrq: '19000102' }],
    ['DQ-015', { xb: '女' }],
    ['DQ-016', { zjhm: '810000190001010018' }],
    ['DQ-016', { zjlx: '516', zjhm: '12345' }],
    ['DQ-040', { mz: '77' }],
    ['DQ-050', { lxfs: '12345' }],
    ['DQ-060', { rzrq: '2026-11-24' }],
    ['DQ-060', { dqrq: '2019/12/31' }],
    ['DQ-091', { 宗教信仰: '佛教' }],
    ['DQ-092', { xm: '张\ue863' }],
  ])('%s', (rule, change) => {
    const { valid, rejected, warnings } = judgeResident({ csrq: null, ...change })
    expect(rejected).toEqual([])
    expect(valid[0]?.warnings).toEqual([rule])
    expect(warnings).toEqual({ [rule]: 1 })
  })

  test('DQ-040 drops an optional field only', () => {
    const [record] = judgeResident({ csrq: null, mz: '77' }).valid
    expect(record?.fields).not.toHaveProperty('ethnicity')
    expect(record?.fields).toHaveProperty('name', '张测试')
  })

  test('DQ-093 a number of a person in a field that is shown as it is', () => {
    const { valid, warnings } = judgePlain('address', { ...address, streetNo: '找19900000001' })
    expect(warnings).toEqual({ 'DQ-093': 1 })
    expect(valid[0]?.fields).not.toHaveProperty('streetNo')
    expect(judgePlain('address', { ...address, fullAddress: '找19900000001' }).rejected[0]?.reasons).toEqual([
      { rule: 'DQ-093', field: 'fullAddress' },
    ])
  })

  test('DQ-090 a remark with a number', () => {
    expect(judgeHouse({ remark: '找19900000001' }).warnings).toEqual({ 'DQ-090': 1 })
  })

  test.each<Row>([{ lon: 0, lat: 0 }, { lon: 28.87, lat: 105.44 }, { lon: 105.44 }, { lon: 116.4, lat: 39.9 }])(
    'DQ-033 the coordinates %o are doubtful',
    (change) => {
      expect(judgeHouse(change).warnings).toEqual({ 'DQ-033': 1 })
    },
  )

  test('DQ-033 another reference system is told, the box of Luzhou is not', () => {
    const placed = { ...address, lon: 105.44, lat: 28.87 }
    expect(judgePlain('address', { ...placed, crs: 'CGCS2000' }).warnings).toEqual({})
    expect(judgePlain('address', { ...placed, crs: 'GCJ02' }).warnings).toEqual({ 'DQ-033': 1 })
  })

  test('DQ-021 a credit code around an invalid organisation code', () => {
    const { valid, warnings } = judgePlain('entity', { ...entity, uscc: '91510502MA9T00027M' })
    expect([valid.length, warnings]).toEqual([1, { 'DQ-021': 1 }])
  })

  test('warnings of rejected rows are counted too', () => {
    expect(judgeResident({ unknown: 1 }, { id: 'R-2', unknown: 1, xm: null }).warnings).toMatchObject({ 'DQ-002': 2 })
  })
})

describe('the same id twice in a page', () => {
  test('the last row stays, the earlier ones are rejected (DQ-070)', () => {
    const { valid, rejected } = judgeResident({ xm: '张一' }, { id: 'R-2' }, { xm: '张二' }, { xm: '张三' })
    expect(valid.map(({ recordId, fields }) => [recordId, fields['name']])).toEqual([
      ['R-2', '张测试'],
      ['R-1', '张三'],
    ])
    expect(rejected.map(({ source, reasons }) => [source.row, reasons])).toEqual([
      [0, [{ rule: 'DQ-070', field: 'sourceRecordId' }]],
      [2, [{ rule: 'DQ-070', field: 'sourceRecordId' }]],
    ])
  })

  test('a bad last row does not take the good one with it', () => {
    const { valid, rejected } = judgeResident({}, { xm: null })
    expect([valid.length, rejected.map(({ source }) => source.row)]).toEqual([1, [1]])
  })

  test('a delete after an upsert is what stays', () => {
    expect(judgeResident({}, { scbz: '1' }).valid.map(({ operation }) => operation)).toEqual(['delete'])
  })
})

describe('deletes', () => {
  test('only the id is checked', () => {
    expect(judgeResident({ scbz: '1', zjhm: 'broken', wg: null }).valid).toMatchObject([
      { recordId: 'R-1', operation: 'delete', fields: { sourceRecordId: 'R-1' } },
    ])
  })

  test.each([[{ id: null }], [{ id: 'a b' }], [{ id: '19900000001' }]])('the id %o is refused', (change) => {
    expect(judgeResident({ scbz: '1', ...change }).rejected).toHaveLength(1)
  })
})

test('junk rows never throw, and reasons never hold a value or a key of the row', () => {
  const known = new Set<string | null>([null, ...datasetOf('resident').properties.map(({ name }) => name)])
  const keys = fc.oneof(fc.constantFrom(...Object.keys(createResidentRow())), fc.string())
  const values = fc.oneof(fc.jsonValue(), fc.string({ unit: 'binary' }), fc.constantFrom('5.10502E+17', '19900000001'))
  const rows = fc.oneof(fc.anything(), fc.dictionary(keys, values), fc.dictionary(keys, values).map(createResidentRow))
  fc.assert(
    fc.property(fc.array(rows, { maxLength: 5 }), (page) => {
      const { valid, rejected, warnings } = judge(createManifest(), page)
      expect(valid.length + rejected.length).toBe(page.length)
      const reasons = rejected.flatMap((rejection) => rejection.reasons)
      for (const { rule, field } of reasons) expect([rule in qualityRules, known.has(field)]).toEqual([true, true])
      for (const rule of Object.keys(warnings)) expect(rule in qualityRules).toBe(true)
    }),
    { numRuns: 1000 },
  )
})

test('every rule of the table that judges records is proved by a row above', () => {
  const proved =
    '001 002 003 004 005 010 011 012 013 014 015 016 020 021 030 031 032 033 040 050 060 070 090 091 092 093'
  expect(Object.keys(qualityRules)).toEqual(proved.split(' ').map((number) => `DQ-${number}`))
})
