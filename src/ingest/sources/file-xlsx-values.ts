/** How the number in a cell is shown. */
export interface CellStyle {
  readonly isDate: boolean
  /** Digits that are always shown, for a format such as 000000; else 0. */
  readonly digits: number
}

export const plainStyle: CellStyle = { isDate: false, digits: 0 }

const DAY_SECONDS = 86_400
const LAST_DAY = 2_958_465

/** Number formats that stand for dates without saying so: ECMA-376 part 1, 18.8.30, with those of Chinese Excel. */
function isBuiltInDate(id: number): boolean {
  return (id >= 14 && id <= 22) || (id >= 27 && id <= 36) || (id >= 45 && id <= 47) || (id >= 50 && id <= 58)
}

/** What a number format means for us. Quoted, escaped and bracketed parts of it say nothing about dates. */
export function toCellStyle(id: number, code: string | undefined): CellStyle {
  if (code === undefined) return { isDate: isBuiltInDate(id), digits: 0 }
  const bare = code.replace(/"[^"]*"|\\.|_.|\[[^[\]]*\]/g, '')
  return { isDate: /[ymdhs]/i.test(bare), digits: /^0+$/.test(bare) ? bare.length : 0 }
}

/**
 * A number as Excel shows it. It keeps 15 digits, so a longer one has lost its end and is shown as 5.10502E+17: never as a
 * number that could pass for the one that was meant.
 */
export function showNumber(text: string, style: CellStyle, from1904: boolean): string {
  const number = Number(text)
  if (text === '' || !Number.isFinite(number)) return text
  if (style.isDate) return showDate(number, from1904) ?? text
  if (Math.abs(number) >= 1e15) return showLong(number)
  const shown = String(Number(number.toPrecision(15)))
  return style.digits > 1 && /^\d+$/.test(shown) ? shown.padStart(style.digits, '0') : shown
}

function showLong(number: number): string {
  const [mantissa = '', exponent = ''] = number.toExponential(5).split('e')
  return `${mantissa.replace(/\.?0+$/, '')}E${exponent}`
}

/**
 * A date serial as ISO text: a day, a day with a time, or a time alone; null for what is no date. Excel counts a
 * 29 February 1900 that never was: days before it are one further, and it has no date itself.
 */
function showDate(serial: number, from1904: boolean): string | null {
  const total = Math.round(serial * DAY_SECONDS)
  const day = Math.floor(total / DAY_SECONDS)
  const time = new Date((total - day * DAY_SECONDS) * 1000).toISOString().slice(11, 19)
  if (total < 0 || day > LAST_DAY || (!from1904 && day === 60)) return null
  if (day === 0 && !from1904) return time
  const offset = from1904 ? 1462 : day < 60 ? 1 : 0
  const date = new Date((day + offset - 25_569) * DAY_SECONDS * 1000).toISOString().slice(0, 10)
  return total % DAY_SECONDS === 0 ? date : `${date}T${time}`
}
