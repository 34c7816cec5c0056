const DAY_MS = 86_400_000
// Bounded by the days that rows use: 46,000 from 1900 to 2026. Formatting each anew took a third of the time of a page.
const digitsByDay = new Map<number, string>()

/** The number of a calendar day (yyyy-MM-dd) since 1970-01-01. */
export function dayNumber(date: string): number {
  return Date.parse(`${date}T00:00:00Z`) / DAY_MS
}

/** A day by its number as eight digits, yyyyMMdd. */
export function dayDigits(day: number): string {
  const known = digitsByDay.get(day)
  if (known !== undefined) return known
  const digits = new Date(day * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '')
  digitsByDay.set(day, digits)
  return digits
}
