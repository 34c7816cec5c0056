import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  citizenNumberFault,
  dayOf,
  findFormat,
  foreignResidentFault,
  formats,
  holdsPersonalNumber,
  isCitizenNumber,
  isCommunity,
  isCreditCode,
  isDate,
  isDivision,
  isForeignResidentNumber,
  isGrid,
  isLandline,
  isMobile,
  isOrganisationCode,
  isPermitNumber,
  isPhone,
  isRealEstateUnit,
  isTown,
  sexOf,
  toEighteen,
} from '../../src/feeds/formats.ts'

const CITIZENS = [
  '11010519491231002X',
  '440524188001010014',
  '510502190001010017',
  '510504190003120028',
  '510521190012310137',
  '510522190006150241',
  '51052419000815015X',
  '51052519001101012X',
  '51050219000102008X',
]

describe('citizen numbers (GB 11643)', () => {
  test.each(CITIZENS)('the published or synthetic specimen %s is valid', (number) => {
    expect(citizenNumberFault(number)).toBeNull()
  })

  test.each([
    ['510502190001010018', 'check'],
    ['510503190002290010', 'date'],
    ['510502190013010011', 'date'],
    ['51050219000101001', 'shape'],
    ['5105021900010100177', 'shape'],
    ['51050219000101001x', 'shape'],
    ['５１０５０２１９０００１０１００１７', 'shape'],
    ['5.10502E+17', 'shape'],
    ['810000190001010018', 'shape'],
    ['951840190001010014', 'shape'],
    ['510502187912310015', 'date'],
    ['', 'shape'],
  ])('%s has a fault of %s', (number, fault) => {
    expect(citizenNumberFault(number)).toBe(fault)
  })

  test('a birth after today is a date fault', () => {
    expect(citizenNumberFault('510502190001010017', '1899-12-31')).toBe('date')
    expect(citizenNumberFault('510502190001010017', '1900-01-01')).toBeNull()
  })

  test('changing any one digit is always found', () => {
    const position = fc.integer({ min: 0, max: 16 })
    fc.assert(
      fc.property(fc.constantFrom(...CITIZENS), position, fc.integer({ min: 1, max: 9 }), (number, at, step) => {
        const digit = String((Number(number[at]) + step) % 10)
        expect(isCitizenNumber(number.slice(0, at) + digit + number.slice(at + 1))).toBe(false)
      }),
    )
  })

  test('the 17th digit tells the sex', () => {
    expect([sexOf('510502190001010017'), sexOf('510504190003120028')]).toEqual(['1', '2'])
  })

  test('a 15-digit number gets its century and its check digit', () => {
    expect(toEighteen('510502000101001')).toBe('510502190001010017')
    expect(toEighteen('51050200010100')).toBeNull()
    expect(toEighteen('51050200010100A')).toBeNull()
  })
})

describe('numbers of residents from elsewhere', () => {
  test.each([
    '810000199408230021',
    '830000199201300022',
    '810000190001010018',
    '820000190001010028',
    '830000190001010038',
  ])('%s is a residence permit of Hong Kong, Macao or Taiwan residents', (number) => {
    expect(isPermitNumber(number)).toBe(true)
  })

  test.each(['510502190001010017', '810001190001010016', '810000190001010019'])('%s is no such permit', (number) => {
    expect(isPermitNumber(number)).toBe(false)
  })

  test.each(['911124198108030024', '951840190001010014', '931156190001010021', 'USA510000900101'])(
    '%s fits the foreign resident card, new or old',
    (number) => {
      expect(isForeignResidentNumber(number)).toBe(true)
    },
  )

  test.each([
    ['951840190001010015', 'check'],
    ['951840190002300016', 'date'],
    ['US1510000900101', 'shape'],
    ['510502190001010017', 'shape'],
  ])('%s is no foreign resident card for its %s', (number, fault) => {
    expect(foreignResidentFault(number)).toBe(fault)
  })
})

describe('codes of organisations', () => {
  test.each([
    '115105000000000198',
    '91510502MA9T00018P',
    '92510504MA9T00026C',
    '93510525MA9T00034H',
    '52510500MJ00000A15',
    '12510521MB00000C93',
    '54510502ME000001X1',
  ])('%s is a valid credit code', (code) => {
    expect(isCreditCode(code)).toBe(true)
  })

  test.each(['91510502MA9T00018Q', '91510502MA9O00018P', '91510502ma9t00018p', '91510502MA9T00018', ''])(
    '%s is no credit code',
    (code) => {
      expect(isCreditCode(code)).toBe(false)
    },
  )

  test.each(['D2143569-X', 'MA9T0001-8', 'MB1A2B3C-X', 'Y0000001-6', '12345678-8', '123456788'])(
    '%s is a valid organisation code',
    (code) => {
      expect(isOrganisationCode(code)).toBe(true)
    },
  )

  test.each(['D2143569-1', 'MA9T0001-9', 'D214356-X', 'd2143569-X'])('%s is no organisation code', (code) => {
    expect(isOrganisationCode(code)).toBe(false)
  })
})

describe('places', () => {
  test.each([
    [isDivision, '510502', true],
    [isDivision, '51050', false],
    [isDivision, '010502', false],
    [isTown, '510502001', true],
    [isTown, '510502901', false],
    [isCommunity, '510502001001', true],
    [isCommunity, '510502001000', false],
    [isGrid, '510502001001001', true],
    [isGrid, '510502001000001', false],
    [isGrid, '51050200100100', false],
    [isRealEstateUnit, '510502001001GB00001F00010001', true],
    [isRealEstateUnit, '510502001001GB00002W00000000', true],
    [isRealEstateUnit, '510502001001GB00002W00000001', false],
    [isRealEstateUnit, '510502001001KB00001F00010001', false],
  ])('%o of %s is %s', (check, code, expected) => {
    expect(check(code)).toBe(expected)
  })
})

describe('phones and dates', () => {
  test('a mobile number has eleven digits and starts with 13 to 19', () => {
    expect([isMobile('19900000001'), isMobile('12900000001'), isMobile('1990000000')]).toEqual([true, false, false])
  })

  test('a landline has an area code', () => {
    const lines = ['0830-0000000', '08300000000', '0830-0000000-12', '830-0000000']
    expect(lines.map(isLandline)).toEqual([true, true, true, false])
    expect(isPhone('0830-0000000')).toBe(true)
  })

  test('only days of the calendar are dates', () => {
    const days = ['2000-02-29', '1900-02-29', '2023-04-31', '0000-00-00', '2023-4-1', '2023/04/01', '20230401']
    expect(days.map(isDate)).toEqual([true, false, false, false, false, false, false])
  })

  test('the day turns at midnight in China', () => {
    expect(dayOf(new Date('2026-11-22T15:59:59Z'))).toBe('2026-11-22')
    expect(dayOf(new Date('2026-11-22T16:00:00Z'))).toBe('2026-11-23')
  })
})

test('a text that holds a citizen number or a mobile number is found out', () => {
  const held = ['510502190001010017', 'GA-51050219000102008x-1', '19900000001', 'tel:19900000001']
  const free = ['510502001001001', '510502190001010018', '119900000001', 'R-1', '1990000000']
  expect(held.map(holdsPersonalNumber)).toEqual([true, true, true, true])
  expect(free.map(holdsPersonalNumber)).toEqual([false, false, false, false, false])
})

test('every format answers any text quickly and without throwing', () => {
  const long = '5'.repeat(100_000)
  const started = performance.now()
  for (const format of Object.values(formats)) format.check(long)
  expect(performance.now() - started).toBeLessThan(200)
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      for (const format of Object.values(formats)) expect(typeof format.check(text)).toBe('boolean')
    }),
  )
})

test('an unknown format is not found', () => {
  expect([findFormat('cn-nothing'), findFormat(undefined), findFormat('constructor')]).toEqual([null, null, null])
})
