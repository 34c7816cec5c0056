import type { Mapping } from '../feeds/manifest-types.ts'
import { addFindings, isQuiet, noFindings, type ReadValue } from './normalise.ts'

type DateForm = NonNullable<Mapping['date']>

/** What stands between year, month and day. */
const separators: Readonly<Record<DateForm, string>> = { 'yyyy-MM-dd': '-', 'yyyy/MM/dd': '/', yyyyMMdd: '' }

/** Births of everybody alive and the ends of the longest terms. What a junk column can fill is 83,200 days. */
const FIRST_YEAR = 1880
const YEARS = 200
/** Month and day in one number below 512. */
const MONTH_BITS = 5
const YEAR_BITS = 9
const DAY_OF_YEAR = 2 ** YEAR_BITS - 1

const ZERO = 48

/** The number that two digits write; NaN where they are none. */
function twoDigits(text: string, start: number): number {
  const tens = text.charCodeAt(start) - ZERO
  const ones = text.charCodeAt(start + 1) - ZERO
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN
}

/** Year, month and day of a text in a form, as one number; -1 for any other text. Whether the day exists is not asked. */
function createDayFinder(form: DateForm): (text: string) => number {
  const separator = separators[form]
  const gap = separator.length
  const code = separator.charCodeAt(0)
  const length = 8 + 2 * gap
  return (text) => {
    if (text.length !== length) return -1
    if (gap === 1 && (text.charCodeAt(4) !== code || text.charCodeAt(7) !== code)) return -1
    const year = twoDigits(text, 0) * 100 + twoDigits(text, 2) - FIRST_YEAR
    const month = twoDigits(text, 4 + gap)
    const day = twoDigits(text, 6 + 2 * gap)
    const isKept = year >= 0 && year < YEARS && month <= 12 && day <= 31
    return isKept ? (year << YEAR_BITS) | (month << MONTH_BITS) | day : -1
  }
}

/**
 * Reads each day once, unless there is something to tell of it. The days of a city's births fill no cache: by its digits a
 * day is found in 0.03 µs, in a map by its text in 0.1, and reading it takes 0.13.
 */
export function rememberDays(read: ReadValue, form: DateForm = 'yyyy-MM-dd'): ReadValue {
  const findDay = createDayFinder(form)
  const years: unknown[][] = Array.from({ length: YEARS }, () => [])
  return (given, findings) => {
    const place = typeof given === 'string' ? findDay(given) : -1
    const days = place < 0 ? undefined : years[place >> YEAR_BITS]
    const known = days?.[place & DAY_OF_YEAR]
    if (known !== undefined) return known
    const own = noFindings()
    const value = read(given, own)
    if (isQuiet(own) && days !== undefined) days[place & DAY_OF_YEAR] = value
    addFindings(findings, own)
    return value
  }
}
