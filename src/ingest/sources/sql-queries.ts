import { escapeIdentifier } from 'pg'
import type { SqlTable } from './sql-columns.ts'
import { selectColumn, selectPosition } from './sql-columns.ts'

/** The statements of one SQL source. Identifiers come from the catalogue and are quoted; every value is bound. */
export interface SqlQueries {
  /**
   * ($1 start, $2 end of the window before or null, $3 look-back and $4 settle seconds) → from, to, open. Both edges are
   * of the database's own clock: ours may differ, and the rows carry the database's.
   */
  readonly window: string
  /** () → rows that the order of (updatedAt, id) can never reach. */
  readonly unreachable: string
  /** ($1 from, $2 to, $3 limit) → the first rows of the window: the columns as text, then position and id. */
  readonly firstRows: string
  /** ($1 from, $2 to, $3 limit, $4 position, $5 id) → the rows after that one. */
  readonly rowsAfter: string
  /** ($1 position, $2 id) → all rows with exactly this key. */
  readonly rowsAt: string
}

/** Writes the statements for a table found in the catalogue. */
export function writeQueries(table: SqlTable): SqlQueries {
  const at = escapeIdentifier(table.updatedAt.name)
  const id = escapeIdentifier(table.id.name)
  const time = table.updatedAt.castType
  const key = table.id.castType
  const position = (value: string): string => selectPosition(table.updatedAt, value)
  const rows = `select ${table.columns.map(selectColumn).join(', ')}, ${position(at)}, ${id}::text from ${table.name}`
  const inWindow = `${rows} where ${at} >= $1::${time} and ${at} < $2::${time}`
  // Qualified, because a bare name would be the output column, which is text and sorts "10" before "2".
  const inOrder = `order by ${table.name}.${at}, ${table.name}.${id} limit $3`
  return {
    window: `
      select ${position('lower_edge')} as "from", ${position('upper_edge')} as "to", lower_edge < upper_edge as open
        from (select greatest($1::timestamptz::${time}, $2::${time} - make_interval(secs => $3)) as lower_edge,
                     (clock_timestamp() - make_interval(secs => $4))::${time} as upper_edge) as edges`,
    unreachable: `select count(*)::int as rows from ${table.name} where not isfinite(${at}) or ${at} is null or ${id} is null`,
    firstRows: `${inWindow} ${inOrder}`,
    rowsAfter: `${inWindow} and (${at}, ${id}) > ($4::${time}, $5::${key}) ${inOrder}`,
    rowsAt: `${rows} where ${at} = $1::${time} and ${id} = $2::${key}`,
  }
}
