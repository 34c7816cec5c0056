import { changeColumn } from '../feeds/manifest-sql-rules.ts'
import type { Manifest } from '../feeds/manifest-types.ts'
import { parsePointer, readPath } from './source-fields.ts'
import { clockOf } from './sources/http-time.ts'

/** RFC 3339, or the same without an offset: department systems then mean China Standard Time. */
const WRITTEN = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(\.\d{1,9})?(Z|[+-]\d{2}:?\d{2})?$/
/** What Date.parse reads as it stands: 0.2 instead of 0.35 µs. */
const PLAIN = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,3})?(?:Z|[+-]\d{2}:\d{2})$/
const CHINA = '+08:00'
/** A clock of a department may run ahead a little; a time further off is no time, or its row would be the newest for ever. */
const MOST_AHEAD_MS = 24 * 60 * 60 * 1000

function parseTime(value: unknown): number {
  if (value instanceof Date) return value.getTime()
  if (typeof value !== 'string') return Number.NaN
  if (PLAIN.test(value)) return Date.parse(value)
  const match = WRITTEN.exec(value.trim())
  if (match === null) return Number.NaN
  const [, day, time, fraction = '', offset = CHINA] = match
  const written = offset.length === 5 ? `${offset.slice(0, 3)}:${offset.slice(3)}` : offset
  return Date.parse(`${day}T${time}${fraction.slice(0, 4)}${written}`)
}

type ParseTime = (value: unknown) => number

/** As the manifest says that the source writes times, where it says so. */
function parserOf({ source }: Manifest): ParseTime {
  const time = source.kind === 'http' ? source.incremental?.time : undefined
  if (time === undefined) return parseTime
  const clock = clockOf(time)
  return (value) => clock.read(value) ?? Number.NaN
}

function refuseAhead(at: number, now: number): number | null {
  return Number.isNaN(at) || at > now + MOST_AHEAD_MS ? null : at
}

/** The time a source states, in milliseconds since the epoch; null for what is no time or lies more than a day ahead. */
export function readTime(value: unknown, now: number = Date.now()): number | null {
  return refuseAhead(parseTime(value), now)
}

/** Where the manifest says when the source last changed a row; null where it says nothing. */
export function timePointer({ record, source }: Manifest): string | null {
  const column = source.kind === 'sql' ? changeColumn(source.reading) : undefined
  return record.updatedAt ?? (column === undefined ? null : `/${column}`)
}

/** Reads a value at `timePointer` as `readTime` does, in the source's own way of writing. */
export function createTimeParser(manifest: Manifest): (value: unknown) => number | null {
  const parse = parserOf(manifest)
  // Rows that were written together have one time, and rows come in the order of their times.
  let last: { readonly value: unknown; readonly at: number } = { value: undefined, at: Number.NaN }
  // Reading the clock takes 0.05 µs, and only a time ahead of this one needs it.
  let now = Date.now()
  return (value) => {
    if (value !== last.value) last = { value, at: parse(value) }
    if (last.at > now + MOST_AHEAD_MS) now = Date.now()
    return refuseAhead(last.at, now)
  }
}

/** Reads when the source last changed a row, from where the manifest says; null where it says nothing. */
export function createTimeReader(manifest: Manifest): (row: Readonly<Record<string, unknown>>) => number | null {
  const pointer = timePointer(manifest)
  if (pointer === null) return () => null
  const path = parsePointer(pointer)
  const parse = createTimeParser(manifest)
  return (row) => parse(readPath(row, path))
}
