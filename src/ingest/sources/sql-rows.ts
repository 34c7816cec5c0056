import { AppError } from '../../errors.ts'
import type { Ask, TextRow } from './sql-dialect.ts'
import type { SqlPosition } from './sql-position.ts'
import type { RowKey, SqlStatements } from './sql-statements.ts'
import type { SqlTable } from './sql-table.ts'

/** Rows in order and the place after them. There may be none although more follow: another session moved them meanwhile. */
export interface ReadRows {
  readonly rows: readonly TextRow[]
  readonly last: RowKey
}

/**
 * Up to a page of rows after the position, or null at the end. Rows that the database holds equal in the order are never
 * parted: the next page begins after that key. Throws AppError SOURCE_KEY_UNUSABLE when a page cannot hold them.
 */
export async function readRows(
  ask: Ask,
  statements: SqlStatements,
  table: SqlTable,
  { window, last }: SqlPosition,
  size: number,
): Promise<ReadRows | null> {
  const read = await ask(statements.rows(window, last, size + 1))
  const edge = read[Math.min(read.length, size) - 1]
  if (edge === undefined) return null
  const key = keyOf(table, edge)
  // A column finer than its text, or an order that the database keeps differently: the same page would come for ever.
  if (last !== null && isSameKey(key, last)) throw unusable(table, size)
  const beyond = read[size]
  if (beyond === undefined || isSurelyAfter(table, key, keyOf(table, beyond))) {
    return { rows: read.slice(0, size), last: key }
  }
  const equal = await ask(statements.rowsAt(key, size + 1))
  if (equal.length > size) throw unusable(table, size)
  const places = new Set(equal.map((row) => placeOf(table, row)))
  return { rows: [...read.slice(0, size).filter((row) => !places.has(placeOf(table, row))), ...equal], last: key }
}

/**
 * The rows up to where a record comes again: of an exchange table each row is one change, and a page holds one change of
 * a record, so that they are saved one after another.
 */
export function cutAtRepeat(table: SqlTable, read: ReadRows, idOf: (row: TextRow) => unknown): ReadRows {
  const seen = new Set<unknown>()
  for (const [place, row] of read.rows.entries()) {
    const before = read.rows[place - 1]
    const id = idOf(row)
    if (before !== undefined && seen.has(id) && isSurelyAfter(table, keyOf(table, before), keyOf(table, row))) {
      return { rows: read.rows.slice(0, place), last: keyOf(table, before) }
    }
    seen.add(id)
  }
  return read
}

export function keyOf({ columns }: SqlTable, row: TextRow): RowKey {
  return row.slice(columns.length).map((text) => text ?? '')
}

const isSameKey = (key: RowKey, other: RowKey): boolean => key.every((text, place) => text === other[place])

const placeOf = (table: SqlTable, row: TextRow): string => JSON.stringify(keyOf(table, row))

/** Unequal texts are unequal values only in an exact column; under a collation `a` and `A` may be one key. */
function isSurelyAfter({ order }: SqlTable, key: RowKey, beyond: RowKey): boolean {
  return order.some((one, place) => one.key.exact && key[place] !== beyond[place])
}

function unusable({ order }: SqlTable, size: number): AppError {
  const columns = order.map(({ column }) => column.name).join(', ')
  return new AppError(
    'SOURCE_KEY_UNUSABLE',
    `more than ${size} rows share one value of (${columns}); name columns that tell rows apart, or make a view that has them`,
  )
}
