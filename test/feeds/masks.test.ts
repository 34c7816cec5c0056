import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loadDatasets, type Dataset } from '../../src/feeds/datasets.ts'
import { HIDDEN, isRecoverable, maskRules, maskValue, type MaskId } from '../../src/feeds/mask-rules.ts'
import { isMinorRecord, maskFields } from '../../src/feeds/masks.ts'

const TODAY = new Date('2026-11-23T04:00:00Z')
const token = (value: string): string => `t${value.length}`
const mask = (id: MaskId, value: unknown): unknown => maskValue(id, value, { token })

describe('mask rules', () => {
  test.each<[MaskId, string, string]>([
    ['NAME_SURNAME', '张三', '张*'],
    ['NAME_SURNAME', '张三丰', '张**'],
    ['NAME_SURNAME', '欧阳小明', '欧阳**'],
    ['NAME_SURNAME', '欧阳', '欧*'],
    ['NAME_SURNAME', '阿卜杜拉·买买提', '阿*******'],
    ['NAME_SURNAME', '𬱖明', '𬱖*'],
    ['NAME_SURNAME', '张', '*'],
    ['NAME_SURNAME', 'John Smith', 'J*** S***'],
    ['NAME_MIDDLE', '张三', '张*'],
    ['NAME_MIDDLE', '张三丰', '张*丰'],
    ['NAME_LATIN', 'John Smith', 'J*** S***'],
    ['ID_6_4', '510502190001010017', '510502********0017'],
    ['ID_6_4', '810000190001010018', '810000********0018'],
    ['ID_6_4', '510502000101001', '510502******001'],
    ['ID_6_4', '951840190001010014', '951840********0014'],
    ['ID_6_4', 'USA510000900101', 'USA********0101'],
    ['ID_6_4', 'E12345678', 'E1*****78'],
    ['ID_6_4', 'E12345', 'E*****'],
    ['ID_6_4', '军字第1234567号', HIDDEN],
    ['ID_4_4', '510502190001010017', '5105**********0017'],
    ['ID_1_1', '510502190001010017', '5****************7'],
    ['ID15_6_3', '510502000101001', '510502******001'],
    ['PASSPORT', 'E12345678', 'E1*****78'],
    ['FPR_ID', '951840190001010014', '951840********0014'],
    ['FPR_ID', 'E12345678', HIDDEN],
    ['PHONE_3_4', '19900001234', '199****1234'],
    ['PHONE_3_4', '0830-2345678', '0830-*****78'],
    ['PHONE_3_4', '8302345678', HIDDEN],
    ['LANDLINE', '0830-2345678', '0830-*****78'],
    ['LANDLINE', '01012345678', '010-******78'],
    ['LANDLINE', '0830-2345678-12', '0830-*****78'],
    ['EMAIL', 'abc@x.cn', 'a***@x.cn'],
    [
      'ADDR_COMMUNITY',
      '四川省泸州市江阳区南城街道测试社区测试路1号2栋3单元401',
      '四川省泸州市江阳区南城街道测试社区****',
    ],
    ['ADDR_COMMUNITY', '泸县立石镇测试村3组12号', '泸县立石镇测试村****'],
    ['ADDR_COMMUNITY', '测试路1号2栋3单元401', HIDDEN],
    ['ADDR_COMPOUND', '江阳区测试路1号测试小区2栋3单元401', '江阳区测试路1号测试小区****'],
    ['ADDR_COMPOUND', '泸县立石镇测试村3组12号', '泸县立石镇测试村****'],
    ['ADDR_COMPOUND', '测试路1号2栋401阳光小区', HIDDEN],
    ['ADDR_COMPOUND', '510502190001010017小区', HIDDEN],
    ['ADDR_TOWN', '四川省泸州市江阳区南城街道测试社区', '四川省泸州市江阳区南城街道****'],
    ['BIRTH_YEAR', '1990-05-06', '1990-**-**'],
    ['BIRTH_MONTH', '1990-05-06', '1990-05-**'],
    ['BIRTH_BAND', '1990-05-06', '1990-1994'],
    ['BIRTH_BAND', '1994-12-31', '1990-1994'],
    ['BIRTH_BAND', '19900506', HIDDEN],
    ['BIRTH_BAND', '1991-1995', HIDDEN],
    ['BANK_LAST4', '6222020000001234', '************1234'],
    ['PLATE', '川E12345', '川E1***5'],
    ['ORG_PARTIAL', '测试有限公司', '测试**公司'],
    ['ORG_PARTIAL', '测试', '测*'],
    ['PARCEL', '510502001001GB00001F00010001', '510502001001GB00001*********'],
    ['TOKEN', 'FW-0001', 't7'],
  ])('%s makes %s %s', (id, value, expected) => {
    expect(mask(id, value)).toBe(expected)
  })

  test('a coordinate keeps three decimals', () => {
    expect(mask('GEO_3', 105.441_234)).toBe(105.441)
  })

  test('a value of a kind the rule does not know is left out', () => {
    expect([mask('GEO_3', '105.4'), mask('ID_6_4', 510_502), mask('SUPPRESS', 'x'), mask('NONE', 5)]).toEqual([
      null,
      null,
      null,
      5,
    ])
  })
})

const ids = Object.keys(maskRules).filter((id): id is MaskId => id in maskRules && id !== 'TOKEN')
const pieces = [
  '510502190001010017 51050219000102008X 19900000001 0830-2345678 * **** 张测试 欧阳 𬱖 社区 村 小区 街道 院 栋 12号',
  'John E1234567 1990-05-06 1990-1994 @x.cn',
].flatMap((line) => line.split(' '))
const piece = fc.constantFrom(' ', ...pieces)
const text = fc.oneof(
  fc.array(piece, { maxLength: 5 }).map((parts) => parts.join('')),
  fc.string({ unit: 'grapheme' }),
)

test('masking is idempotent', () => {
  fc.assert(
    fc.property(fc.constantFrom(...ids), text, (id, value) => {
      const once = mask(id, value)
      expect(once === null ? null : mask(id, once)).toBe(once)
    }),
    { numRuns: 5000 },
  )
})

test('no personal number survives a rule that hides', () => {
  const numbers = ['510502190001010017', '51050219000102008X', '19900000001']
  const hiding = ids.filter((id) => id !== 'NONE' && id !== 'EMAIL')
  const around = fc.constantFrom('', '张测试', '社区', '江阳区测试小区', 'a', ' ', '村', '9')
  fc.assert(
    fc.property(
      fc.constantFrom(...hiding),
      fc.constantFrom(...numbers),
      around,
      around,
      (id, number, before, after) => {
        expect(String(mask(id, before + number + after))).not.toContain(number)
      },
    ),
    { numRuns: 5000 },
  )
})

test('a birth date in clear or by year gives a number masked 6+4 away', () => {
  expect([isRecoverable('ID_6_4', 'NONE'), isRecoverable('ID_6_4', 'BIRTH_YEAR')]).toEqual([true, true])
  expect([isRecoverable('ID_6_4', 'BIRTH_BAND'), isRecoverable('SUPPRESS', 'NONE')]).toEqual([false, false])
})

const datasets = loadDatasets()

function datasetOf(name: string): Dataset {
  const dataset = datasets.get(name)
  if (dataset === undefined) throw new Error(`no dataset ${name}`)
  return dataset
}

const resident = datasetOf('resident')
const adult = {
  sourceRecordId: 'R-1',
  certType: '111',
  certNumber: '510502190001010017',
  name: '张测试',
  sex: '1',
  birthDate: '1900-01-01',
  residenceAddress: '江阳区南城街道测试社区测试路1号测试小区2栋3单元401',
  gridCode: '510502001001001',
  houseId: 'FW-0001',
  phone: '19900000001',
}
const maskResident = (change: Readonly<Record<string, unknown>>) =>
  maskFields(resident, { ...adult, ...change }, token, TODAY)

describe('the masked view of a record', () => {
  test('each field is under its own rule', () => {
    expect(maskResident({})).toEqual({
      sourceRecordId: 'R-1',
      certType: '111',
      certNumber: '510502********0017',
      name: '张**',
      sex: '1',
      birthDate: '1900-1904',
      residenceAddress: '江阳区南城街道测试社区测试路1号测试小区****',
      gridCode: '510502001001001',
      houseId: 't7',
      phone: '199****0001',
    })
  })

  test('a child under 14 by birth date is under the strictest rules', () => {
    const masked = maskResident({ birthDate: '2012-11-24', certNumber: 'E12345678', certType: '414' })
    expect(masked).not.toHaveProperty('certNumber')
    expect(masked).not.toHaveProperty('houseId')
    expect(masked['residenceAddress']).toBe('江阳区南城街道测试社区****')
  })

  test('on the fourteenth birthday the ordinary rules hold', () => {
    expect(maskResident({ birthDate: '2012-11-23', certNumber: 'E12345678' })).toHaveProperty('certNumber')
  })

  test('the birth date inside the number tells a child too', () => {
    expect(maskResident({ birthDate: undefined, certNumber: '510599202001010014' })).not.toHaveProperty('certNumber')
    expect(isMinorRecord(resident, { certNumber: '510599202001010014' }, TODAY)).toBe(true)
    expect(isMinorRecord(resident, adult, TODAY)).toBe(false)
  })

  test('name and address of an individual business follow the rules for persons', () => {
    const entity = datasetOf('entity')
    const shop = { uscc: '92510504MA9T00026C', name: '张测试小吃店', registeredAddress: '江阳区测试社区1号' }
    expect(maskFields(entity, shop, token, TODAY)).toEqual({
      uscc: shop.uscc,
      name: '张测**吃店',
      registeredAddress: '江阳区测试社区****',
    })
    expect(maskFields(entity, { ...shop, uscc: '91510502MA9T00018P' }, token, TODAY)['name']).toBe(shop.name)
  })

  test('what no property of the schema names never leaves', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (fields) => {
        const known = new Set(resident.properties.map((property) => property.name))
        const masked = maskFields(resident, fields, token, TODAY)
        expect(Object.keys(masked).filter((name) => !known.has(name))).toEqual([])
      }),
    )
  })

  test('no sealed value of any dataset is in its masked view', () => {
    const secret = fc.constantFrom(
      '510502190001010017',
      '19900000001',
      '0830-2345678',
      '张测试',
      'E12345678',
      '1990-05-06',
    )
    fc.assert(
      fc.property(fc.constantFrom('resident', 'housing'), secret, (name, value) => {
        const dataset = datasetOf(name)
        const fields = Object.fromEntries(dataset.sealed.map((field) => [field, value]))
        expect(Object.values(maskFields(dataset, fields, token, TODAY))).not.toContain(value)
      }),
    )
  })
})
