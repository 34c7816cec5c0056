import type { Mapping } from '../feeds/manifest-types.ts'
import { isDatePlaceholder, type ReadValue } from './normalise.ts'

type DateForm = NonNullable<Mapping['date']>

/** What stands between year, month and day. */
const separators: Readonly<Record<DateForm, string>> = { 'yyyy-MM-dd': '-', 'yyyy/MM/dd': '/', yyyyMMdd: '' }

/** Births of everybody alive and the ends of the longest terms. */
const FIRST_YEAR = 1880
const YEARS = 200
/** Month and day in one number below 512. */
const MONTH_BITS = 5
const ZERO = 48
const NO_DIGITS = -10_000

const twoDigits = (number: number): string => String(number).padStart(2, '0')

const daysOfYear: readonly (string | undefined)[] = Array.from({ length: 13 << MONTH_BITS }, (_, place) => {
  const month = place >> MONTH_BITS
  const day = place & (2 ** MONTH_BITS - 1)
  return month === 0 || day === 0 ? undefined : `-${twoDigits(month)}-${twoDigits(day)}`
})

/** Years by their distance from the first; those of which a day stands for nothing (DQ-001) are left to the whole reading. */
const years: readonly (string | undefined)[] = Array.from({ length: YEARS }, (_, place) => {
  const year = String(FIRST_YEAR + place)
  return daysOfYear.some((day) => isDatePlaceholder(`${year}${day}`)) ? undefined : year
})

/** The number that two digits write, or `NO_DIGITS`. */
function readTwo(text: string, start: number): number {
  const tens = text.charCodeAt(start) - ZERO
  const ones = text.charCodeAt(start + 1) - ZERO
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : NO_DIGITS
}

/**
 * Reads the usual days without the steps that any other value takes, to the same end. A day is put together from a table of
 * years and one of the days of a year, which stay in the processor's nearest memory: 0.06 µs instead of 0.13.
 */
export function readUsualDays(read: ReadValue, form: DateForm = 'yyyy-MM-dd'): ReadValue {
  const separator = separators[form]
  const gap = separator.length
  const code = separator.charCodeAt(0)
  const length = 8 + 2 * gap
  const isGiven = separator === '-'
  return (given, findings) => {
    if (typeof given !== 'string' || given.length !== length) return read(given, findings)
    if (gap === 1 && (given.charCodeAt(4) !== code || given.charCodeAt(7) !== code)) return read(given, findings)
    const year = readTwo(given, 0) * 100 + readTwo(given, 2) - FIRST_YEAR
    const month = readTwo(given, 4 + gap)
    const day = readTwo(given, 6 + 2 * gap)
    if (year < 0 || year >= YEARS || month < 1 || month > 12 || day < 1 || day > 31) return read(given, findings)
    const writtenYear = years[year]
    const writtenDay = daysOfYear[(month << MONTH_BITS) | day]
    if (writtenYear === undefined || writtenDay === undefined) return read(given, findings)
    return isGiven ? given : writtenYear + writtenDay
  }
}
