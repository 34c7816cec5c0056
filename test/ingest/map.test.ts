import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loadDatasets, type Dataset } from '../../src/feeds/datasets.ts'
import { compileMapping } from '../../src/ingest/map.ts'
import { scrubText } from '../../src/ingest/scrub.ts'
import type { RawRecord } from '../../src/record.ts'
import { createHousingManifest, createHousingRow, createManifest, createResidentRow } from '../feeds/sample-manifest.ts'

const datasets = loadDatasets()

function datasetOf(name: string): Dataset {
  const dataset = datasets.get(name)
  if (dataset === undefined) throw new Error(`no dataset ${name}`)
  return dataset
}

const mapResident = compileMapping(createManifest(), datasetOf('resident'))
const mapHousing = compileMapping(createHousingManifest(), datasetOf('housing'))
const mapRow = (change: Readonly<Record<string, unknown>> = {}): RawRecord =>
  mapResident({ row: 0, value: createResidentRow(change) })
const mapHouse = (change: Readonly<Record<string, unknown>>): RawRecord =>
  mapHousing({ row: 0, value: createHousingRow(change) })

describe('a row in the words of the dataset', () => {
  test('every mapping is applied', () => {
    const { fields, operation, warnings, faults } = mapRow({ csrq: '19000102' })
    expect(fields).toEqual({
      sourceRecordId: 'R-1',
      certType: '111',
      certNumber: '510502190001010017',
      name: '张测试',
      sex: '1',
      birthDate: '1900-01-02',
      ethnicity: '01',
      residentKind: 'FLOATING',
      gridCode: '510502001001001',
      residenceAddress: '四川省泸州市江阳区南城街道测试社区测试路1号2栋3单元401',
      residenceSince: '2020-01-01',
      permitExpiry: '2030-01-05',
      phone: '19900000001',
      lifeStatus: 'ALIVE',
    })
    expect({ operation, warnings, faults }).toEqual({ operation: 'upsert', warnings: [], faults: [] })
  })

  test('a midnight with the offset of its database is the day that was written, any other time is no day', () => {
    const dayOf = (rzrq: string): unknown => mapRow({ rzrq }).fields['residenceSince']
    expect(dayOf('1990-05-05T00:00:00.000000+09:00')).toBe('1990-05-05')
    for (const time of ['1990-05-05T00:00:01+08:00', '1990-05-04T16:00:00Z', '1990-05-05T00:00:00Z']) {
      expect(dayOf(time)).toBe(time)
    }
  })

  test('an absent value leaves its name out', () => {
    expect(Object.keys(mapRow({ mz: null, dz: '' }).fields)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/ethnicity|residenceAddress/)]),
    )
  })

  test('two rows that lack different fields do not mix', () => {
    expect([mapRow({ mz: null }).fields['residenceAddress'], mapRow({ dz: null }).fields['ethnicity']]).toEqual([
      expect.any(String),
      '01',
    ])
    expect(mapRow({ mz: null }).fields).not.toHaveProperty('ethnicity')
  })

  test('a numeric id and phone become text', () => {
    const { fields } = mapRow({ id: 17, lxfs: 19_900_000_001 })
    expect([fields['sourceRecordId'], fields['phone']]).toEqual(['17', '19900000001'])
  })

  test('a number that JSON has rounded stays a number, to be rejected', () => {
    expect(mapRow({ zjhm: Number('510502190001010017') }).fields['certNumber']).toBeTypeOf('number')
  })

  test('a code that the mapping does not know goes through', () => {
    expect(mapRow({ xb: '中' }).fields['sex']).toBe('中')
  })

  test('a code is looked up before a placeholder is dropped', () => {
    expect(mapRow({ xb: '未知' }).fields['sex']).toBe('0')
  })

  test.each([
    ['2020-01-01 00:00:00', '2020-01-01'],
    ['2020-01-01T16:00:00Z', '2020-01-01T16:00:00Z'],
    ['2020/01/01', '2020/01/01'],
  ])('the date %s becomes %s', (given, expected) => {
    expect(mapRow({ rzrq: given }).fields['residenceSince']).toBe(expected)
  })
})

describe('normalisation', () => {
  test.each(['无', '不详', '未知', 'null', 'NULL', '-', '/'])(
    'the placeholder %s is nothing (DQ-001)',
    (placeholder) => {
      const { fields, warnings } = mapRow({ dz: placeholder })
      expect(fields).not.toHaveProperty('residenceAddress')
      expect(warnings).toEqual(['DQ-001'])
    },
  )

  test.each(['0000-00-00', '1900-01-01', '3000-01-01', '9999-12-31'])(
    'the date %s is nothing (DQ-001)',
    (placeholder) => {
      const { fields, warnings } = mapRow({ rzrq: placeholder })
      expect(fields).not.toHaveProperty('residenceSince')
      expect(warnings).toEqual(['DQ-001'])
    },
  )

  test.each([
    '５１０５０２１９０００１０１００１７',
    ' 510502 19000101 0017 ',
    "'510502190001010017",
    '510502\u200b190001010017\ufeff',
    '510502\u00a0190001010017',
  ])('a citizen number written otherwise is made plain', (number) => {
    expect(mapRow({ zjhm: number }).fields['certNumber']).toBe('510502190001010017')
  })

  test('a lower-case check character is raised', () => {
    expect(mapRow({ zjhm: '51050219000102008x' }).fields['certNumber']).toBe('51050219000102008X')
  })

  test('a 15-digit number gets 18 characters (DQ-014)', () => {
    const { fields, warnings } = mapRow({ zjhm: '510502000101001' })
    expect([fields['certNumber'], warnings]).toEqual(['510502190001010017', ['DQ-014']])
  })

  test.each([
    ['810000190001010018', 'HMT_RP'],
    ['830000190001010038', 'HMT_RP'],
    ['951840190001010014', '553'],
    ['USA510000900101', '553'],
  ])('the number %s under 111 is of certificate %s (DQ-016)', (number, type) => {
    const { fields, warnings } = mapRow({ zjhm: number })
    expect([fields['certType'], warnings]).toEqual([type, ['DQ-016']])
  })

  test.each([
    ['+86 199-0000-0001', '19900000001'],
    ['8619900000001', '19900000001'],
    ['１９９ ０００００００１', '19900000001'],
    ['0830-0000000', '0830-0000000'],
    ['0830 0000000', '08300000000'],
  ])('the phone %s becomes %s', (given, expected) => {
    expect(mapRow({ lxfs: given }).fields['phone']).toBe(expected)
  })

  test.each(['阿卜杜拉·测试', '𬱖测试', '张测试\u{2f81d}', '㐂测试'])('the name %s is not touched', (name) => {
    expect(mapRow({ xm: ` ${name} ` }).fields['name']).toBe(name)
  })

  test('a private-use character is kept and told (DQ-092)', () => {
    expect(mapRow({ xm: '张\ue863' })).toMatchObject({ fields: { name: '张\ue863' }, warnings: ['DQ-092'] })
  })

  test.each([
    ['NUL', '张\u0000试', 'DQ-004'],
    ['a control character', '张\u0007试', 'DQ-004'],
    ['a lone surrogate', '张\ud800', 'DQ-004'],
    ['white space only', ' \u3000 ', 'DQ-004'],
    ['an undecodable byte', '张\ufffd', 'DQ-092'],
  ])('%s is a fault', (_, name, rule) => {
    expect(mapRow({ xm: name }).faults).toEqual([{ rule, field: 'name' }])
  })
})

describe('free text', () => {
  test.each([
    ['电话19900000001找张', '电话[已脱敏]找张'],
    ['证号510502190001010017。', '证号[已脱敏]。'],
    ['证号51050219000102008x', '证号[已脱敏]'],
    ['旧证510502000101001', '旧证[已脱敏]'],
    ['卡6222020000001234567', '卡[已脱敏]'],
    ['卡6222 0200 0000 1234', '卡[已脱敏]'],
    ['＋１９９０００００００１', '＋[已脱敏]'],
    ['199-0000-0001', '[已脱敏]'],
    ['3栋2单元401，2024年1月', '3栋2单元401，2024年1月'],
  ])('%s is scrubbed to %s', (given, expected) => {
    expect(scrubText(given)).toBe(expected)
  })

  test('a scrubbed remark is told (DQ-090)', () => {
    expect(mapHouse({ remark: '找19900000001\n换锁' })).toMatchObject({
      fields: { remark: '找[已脱敏]\n换锁' },
      warnings: ['DQ-090'],
    })
  })

  test('a remark that tells what the deny list closes is dropped (DQ-091)', () => {
    const { fields, warnings } = mapHouse({ remark: '住户为社区矫正人员' })
    expect(fields).not.toHaveProperty('remark')
    expect(warnings).toEqual(['DQ-091'])
  })

  test('scrubbing stays quick on a long run of digits', () => {
    const started = performance.now()
    scrubText('1 '.repeat(200_000))
    expect(performance.now() - started).toBeLessThan(1000)
  })
})

describe('fields that the manifest does not name', () => {
  test('they are dropped and told once (DQ-002)', () => {
    const { fields, warnings } = mapRow({ extra: 1, another: 2, wg: { bm: '510502001001001', mc: '一号网格' } })
    expect(warnings).toEqual(['DQ-002'])
    expect(JSON.stringify(fields)).not.toContain('一号网格')
  })

  test.each(['宗教信仰', 'zjxy', 'is_hiv', '血型'])('%s is on the deny list (DQ-091)', (key) => {
    const { fields, warnings } = mapRow({ [key]: '佛教' })
    expect(warnings).toEqual(['DQ-091'])
    expect(JSON.stringify(fields)).not.toContain('佛教')
  })

  test('an empty column of the deny list is only unknown', () => {
    expect(mapRow({ zjxy: null }).warnings).toEqual(['DQ-002'])
  })
})

describe('deletes', () => {
  test.each(['1', 1, true, 'true'])('the flag %s makes a record of its id alone', (flag) => {
    expect(mapRow({ scbz: flag, zjhm: 'x' })).toMatchObject({ operation: 'delete', faults: [], warnings: [] })
    expect(mapRow({ scbz: flag }).fields).toEqual({ sourceRecordId: 'R-1' })
  })

  test('any other flag is no delete', () => {
    expect([mapRow({ scbz: '0' }).operation, mapRow({ scbz: [1] }).operation]).toEqual(['upsert', 'upsert'])
  })
})

test.each([null, undefined, 7, 'row', true, ['a']])('the row %o is no object (DQ-005)', (value) => {
  expect(mapResident({ row: 3, value }).faults).toEqual([{ rule: 'DQ-005', field: null }])
})

test('any row at all is mapped without throwing, and nothing is echoed', () => {
  const keys = fc.constantFrom(...Object.keys(createResidentRow()), '__proto__', 'constructor')
  const values = fc.oneof(fc.jsonValue(), fc.string({ unit: 'binary' }), fc.bigInt(), fc.constant(Number.NaN))
  const rows = fc.oneof(fc.anything(), fc.dictionary(fc.oneof(keys, fc.string()), values))
  fc.assert(
    fc.property(rows, (value) => {
      const { faults, warnings } = mapResident({ row: 0, value })
      for (const { rule } of faults) expect(rule).toMatch(/^DQ-\d{3}$/)
      for (const rule of warnings) expect(rule).toMatch(/^DQ-\d{3}$/)
    }),
  )
})
