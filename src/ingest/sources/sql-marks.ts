import type { Dialect, SqlConnection, SqlDatabase } from './sql-dialect.ts'
import type { RowKey, SqlStatements } from './sql-statements.ts'
import type { SqlTable } from './sql-table.ts'
import { sql, toStatement, type Sql } from './sql-text.ts'

/** Marks rows of an exchange table as done, over a connection of its own, so that the one that reads stays read-only. */
export interface Marker {
  /**
   * Marks exactly these rows, and only those still as they were read. Never throws: what stays unmarked is read again by the
   * next run, and saving it again changes nothing.
   */
  readonly mark: (keys: readonly RowKey[]) => Promise<void>
  readonly close: () => Promise<void>
}

// Two bound values for each row: below SQL Server's limit of 2,100 for a statement.
const ROWS_AT_ONCE = 500

/**
 * A marker, or null where the manifest asks for none or the account may not change the flag: then rows are read without
 * being marked. Throws what `open` throws, and a failure that may pass by itself.
 */
export async function openMarker(
  database: SqlDatabase,
  table: SqlTable,
  statements: SqlStatements,
  open: () => Promise<SqlConnection>,
): Promise<Marker | null> {
  const { dialect } = database
  if (table.flag?.marks !== true) return null
  const connection = await open()
  try {
    // Changes no row: it asks whether the account may.
    await connection.change(toStatement(dialect.update(table.name, table.flag.set, sql`1 = 0`), dialect.mark))
  } catch (error) {
    await connection.close()
    if (database.faultOf(error)?.passes === false) return null
    throw error
  }
  return {
    mark: (keys) => markAll(connection, dialect, statements, keys).catch(() => undefined),
    close: connection.close,
  }
}

async function markAll(
  connection: SqlConnection,
  dialect: Dialect,
  { mark }: SqlStatements,
  keys: readonly RowKey[],
): Promise<void> {
  for (let from = 0; from < keys.length; from += ROWS_AT_ONCE) {
    const statement: Sql | null = mark(keys.slice(from, from + ROWS_AT_ONCE))
    if (statement !== null) await connection.change(toStatement(statement, dialect.mark))
  }
}
