import { isWeekend, loadCalendars, type Calendar, type DayNumber } from './calendars.ts'

/** When a term of working days ends. */
export interface DueDay {
  /** The last millisecond of the last day: a term ends at 24:00 of it (Civil Code Art. 203). */
  readonly due: Date
  /** True where a day of the term lies in a year without a calendar, so that holidays and make-up days were not known. */
  readonly isAssumed: boolean
}

const DAY_MS = 86_400_000
/** China Standard Time is UTC+8 all year; there has been no summer time since 1991. */
const OFFSET_MS = 8 * 3_600_000

const dayOf = (at: Date): DayNumber => Math.floor((at.getTime() + OFFSET_MS) / DAY_MS)
const endOf = (day: DayNumber): Date => new Date((day + 1) * DAY_MS - OFFSET_MS - 1)
const yearOf = (day: DayNumber): number => new Date(day * DAY_MS).getUTCFullYear()

function isWorked(day: DayNumber, calendar: Calendar | undefined): boolean {
  if (calendar?.work.has(day)) return true
  return !isWeekend(day) && !calendar?.off.has(day)
}

let registry: ReadonlyMap<number, Calendar> | undefined

/** The calendars of this repository, read once. */
function registeredCalendars(): ReadonlyMap<number, Calendar> {
  registry ??= loadCalendars()
  return registry
}

/** Whether the day, in China Standard Time, that `at` lies in is worked. */
export function isWorkingDay(at: Date, calendars: ReadonlyMap<number, Calendar> = registeredCalendars()): boolean {
  const day = dayOf(at)
  return isWorked(day, calendars.get(yearOf(day)))
}

/**
 * The end of the `days`-th working day after the day of `from`, which itself does not count (Civil Code Art. 201), in China Standard
 * Time. Holidays and make-up working days are those of schemas/calendars/; a year that has none there is taken as Monday to Friday.
 * Throws RangeError unless `days` is a whole number from 1.
 */
export function addWorkingDays(
  from: Date,
  days: number,
  calendars: ReadonlyMap<number, Calendar> = registeredCalendars(),
): DueDay {
  if (!Number.isSafeInteger(days) || days < 1) throw new RangeError('a term is a whole number of days from 1')
  let day = dayOf(from)
  let isAssumed = false
  for (let left = days; left > 0;) {
    day += 1
    const calendar = calendars.get(yearOf(day))
    if (calendar === undefined) isAssumed = true
    if (isWorked(day, calendar)) left -= 1
  }
  return { due: endOf(day), isAssumed }
}
