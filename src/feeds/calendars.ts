import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AppError } from '../errors.ts'
import { isObject, readJsonObject } from './code-tables.ts'
import { isDate } from './formats.ts'

/** Days of the common calendar, each as the days since 1970-01-01. */
export type DayNumber = number

/** What the State Council ordered for one year: days off, and weekend days that are worked in exchange (调休). */
export interface Calendar {
  readonly year: number
  readonly edition: string
  readonly source: string
  readonly off: ReadonlySet<DayNumber>
  readonly work: ReadonlySet<DayNumber>
}

interface Holiday {
  readonly from: string
  readonly to: string
}

interface CalendarFile {
  readonly year: number
  readonly edition: string
  readonly source: string
  readonly off: readonly Holiday[]
  readonly work: readonly string[]
}

const DEFAULT_DIRECTORY = fileURLToPath(new URL('../../schemas/', import.meta.url))
const FOLDER = 'calendars'
const DAY_MS = 86_400_000

/** The day of a yyyy-MM-dd. */
const dayNumber = (date: string): DayNumber => Date.parse(`${date}T00:00:00Z`) / DAY_MS

/** 1970-01-01 was a Thursday. */
export const isWeekend = (day: DayNumber): boolean => [2, 3].includes(((day % 7) + 7) % 7)

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
const isDayOf = (year: unknown, value: unknown): value is string =>
  isText(value) && isDate(value) && value.startsWith(`${String(year)}-`)

const isHoliday = (year: unknown, value: unknown): value is Holiday =>
  isObject(value) &&
  isText(value['name']) &&
  isDayOf(year, value['from']) &&
  isDayOf(year, value['to']) &&
  value['from'] <= value['to']

const TEXTS = ['title', 'titleEn', 'edition', 'source', 'certainty']

function refuse(file: string, pointer: string, wanted: string): AppError {
  return new AppError('SCHEMA_INVALID', `${FOLDER}/${file}#${pointer}: wanted ${wanted}; correct the calendar`)
}

/** Throws AppError SCHEMA_INVALID at the first member that no calendar has. */
function assertCalendar(
  file: string,
  value: Readonly<Record<string, unknown>>,
): asserts value is typeof value & CalendarFile {
  const { year, off, work } = value
  const members = [
    ...TEXTS.map((text) => ({ pointer: `/${text}`, holds: isText(value[text]), wanted: 'a text' })),
    { pointer: '/year', holds: `${String(year)}.json` === file, wanted: 'the year that names the file' },
    {
      pointer: '/off',
      holds: Array.isArray(off) && off.length > 0 && off.every((entry) => isHoliday(year, entry)),
      wanted: 'a list of name, from and to, days of the year',
    },
    {
      pointer: '/work',
      holds: Array.isArray(work) && work.every((day) => isDayOf(year, day) && isWeekend(dayNumber(day))),
      wanted: 'a list of Saturdays and Sundays of the year',
    },
  ]
  const wrong = members.find((member) => !member.holds)
  if (wrong !== undefined) throw refuse(file, wrong.pointer, wrong.wanted)
}

function daysOf({ from, to }: Holiday): readonly DayNumber[] {
  const first = dayNumber(from)
  return Array.from({ length: dayNumber(to) - first + 1 }, (_, days) => first + days)
}

function readCalendar(directory: string, file: string): Calendar {
  const value = readJsonObject(join(directory, file), `${FOLDER}/${file}`)
  assertCalendar(file, value)
  const off = new Set(value.off.flatMap(daysOf))
  const work = new Set(value.work.map(dayNumber))
  if ([...work].some((day) => off.has(day))) throw refuse(file, '/work', 'days that are not off')
  return { year: value.year, edition: value.edition, source: value.source, off, work }
}

/** Every calendar of `<directory>/calendars/`, by year. Throws AppError SCHEMA_INVALID naming file and JSON pointer. */
export function loadCalendars(directory: string = DEFAULT_DIRECTORY): ReadonlyMap<number, Calendar> {
  const folder = join(directory, FOLDER)
  const files = readdirSync(folder).filter((file) => file.endsWith('.json'))
  const calendars = files.sort().map((file) => readCalendar(folder, file))
  return new Map(calendars.map((calendar) => [calendar.year, calendar]))
}
