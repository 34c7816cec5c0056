import type { SqlFilterValue } from '../../feeds/manifest-types.ts'
import type { KeyRules, TypeRules } from './sql-dialect.ts'
import type { Sql } from './sql-text.ts'
import { parseJson } from './json.ts'

export const keep = (text: string): string => text

const same = (value: Sql): Sql => value

type Cast = (text: string) => Sql

/** The value of a filter as a text that the database casts. */
const filterBy =
  (cast: Cast) =>
  (value: SqlFilterValue): Sql =>
    cast(typeof value === 'boolean' ? String(Number(value)) : String(value))

const keyBy = (position: KeyRules['position'], bind: Cast, exact: boolean): KeyRules => ({ position, bind, exact })

/** A type that is read and neither chosen nor ordered by. */
export function readOnly(select: TypeRules['select'], read: TypeRules['read'] = keep): TypeRules {
  return { select, read, filter: null, isText: false, key: null, clock: null }
}

/** A type whose values have one text each: whole and decimal numbers, days, ids. */
export function exactType(select: TypeRules['select'], cast: Cast, read: TypeRules['read'] = keep): TypeRules {
  return { ...readOnly(select, read), filter: filterBy(cast), key: keyBy(select, cast, true) }
}

/** A type that rows are not ordered by, because its text may be rounded. */
export function roundedType(select: TypeRules['select'], cast: Cast): TypeRules {
  return { ...readOnly(select, Number), filter: filterBy(cast) }
}

/** Text in the database's own collation, under which unequal texts may be equal. */
export function textType(cast: Cast, select: TypeRules['select'] = same): TypeRules {
  return { ...readOnly(select), filter: filterBy(cast), isText: true, key: keyBy(select, cast, false) }
}

export function jsonType(select: TypeRules['select']): TypeRules {
  return readOnly(select, parseJson)
}

/** The moment an RFC 3339 text names, as the wall clock of a zone such as `+08:00` showed it: `2026-02-01T00:00:00.000`. */
export function wallClock(instant: string, zone: string): string {
  const [hours = 0, minutes = 0] = zone.slice(1).split(':').map(Number)
  const offset = (hours * 60 + minutes) * (zone.startsWith('-') ? -60_000 : 60_000)
  return new Date(Date.parse(instant) + offset).toISOString().slice(0, -1)
}
