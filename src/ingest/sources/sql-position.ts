import { isCount, isListOf, isOneOf, isShape, isText, orNull, toCursor } from './cursor.ts'
import type { Cursor } from './source.ts'
import type { RowKey, SqlWindow } from './sql-statements.ts'

/** Where reading a table stands. */
export type SqlPosition = {
  readonly kind: 'sql'
  readonly state: 'reading' | 'done'
  /** Null before the first window, and where everything is read. */
  readonly window: SqlWindow | null
  readonly last: RowKey | null
  /** Pages of this run. */
  readonly pages: number
}

const checks = {
  kind: isOneOf('sql'),
  state: isOneOf('reading', 'done'),
  window: orNull(isShape<SqlWindow>({ from: isText, to: isText })),
  last: orNull(isListOf(isText)),
  pages: isCount,
}

export const beginning: SqlPosition = { kind: 'sql', state: 'done', window: null, last: null, pages: 0 }

/** The saved position. Throws AppError CURSOR_INVALID when another kind of source wrote it. */
export function toPosition(cursor: Cursor | null): SqlPosition {
  return cursor === null ? beginning : toCursor<SqlPosition>(cursor, checks)
}
