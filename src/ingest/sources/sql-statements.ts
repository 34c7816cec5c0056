import type { Dialect } from './sql-dialect.ts'
import type { ClockColumn, KeyColumn, SqlTable } from './sql-table.ts'
import { nameIn } from './sql-table.ts'
import type { Sql } from './sql-text.ts'
import { digits, join, sql } from './sql-text.ts'

/** Both edges are of the database's own clock, as texts the database wrote: ours may differ, and the rows carry the database's. */
export type SqlWindow = { readonly from: string; readonly to: string }

/** A row's place in the order: the texts of its key columns. */
export type RowKey = readonly string[]

/** The statements of one SQL source. Names come from the catalogue and are quoted; every value is bound. */
export interface SqlStatements {
  /** (end of the window before, or null) → from, to. */
  readonly window: (clock: ClockColumn, before: string | null) => Sql
  /** → time of the first row of the window that more will belong to; null where there is none, or no such rule. */
  readonly heldFrom: (clock: ClockColumn, window: SqlWindow) => Sql | null
  /** → time of the first row that is ready and not yet marked, since the manifest's start; null where nothing is marked. */
  readonly firstReady: (clock: ClockColumn) => Sql | null
  /** → how many rows the order can never reach. */
  readonly unreachable: Sql
  /** → up to `count` rows of the window after `last`: the columns as text, then the texts of the key. */
  readonly rows: (window: SqlWindow | null, last: RowKey | null, count: number) => Sql
  /** → up to `count` rows that the database holds equal to the key. */
  readonly rowsAt: (key: RowKey, count: number) => Sql
  /** Sets the flag of the rows with exactly these keys, where it still is as it was read. */
  readonly mark: (keys: readonly RowKey[]) => Sql | null
}

/** Writes the statements for a table found in the catalogue. */
export function writeStatements(dialect: Dialect, table: SqlTable): SqlStatements {
  const { name, order, filter, flag } = table
  // Qualified, because a bare name would be the output column, which is text and sorts "10" before "2".
  const at = ({ column }: KeyColumn): Sql => nameIn(dialect, column)
  const chosen = [...(filter === null ? [] : [filter]), ...(flag === null ? [] : [flag.ready])]
  // Named, because Oracle refuses a limited select with two columns of one name (ORA-00918).
  const keys = order.map((one, place) => sql`${one.key.position(at(one))} as gridbridge_key_${digits(place + 1)}`)
  const list = join([...table.columns.map((column) => column.rules.select(nameIn(dialect, column))), ...keys], sql`, `)
  const inOrder = sql`order by ${join(order.map(at), sql`, `)}`
  const read = (conditions: readonly Sql[], count: number): Sql =>
    dialect.limited(list, sql`from ${name} t ${where([...conditions, ...chosen])}${inOrder}`, count)
  const isAt = (key: RowKey): Sql => all(order.map((one, place) => sql`${at(one)} = ${bound(one, key, place)}`))
  return {
    window: (clock, before) => writeWindow(dialect, clock, before),
    heldFrom: (clock, window) => writeHeldFrom(table, dialect, clock, window),
    firstReady: (clock) => writeFirstReady(table, dialect, clock),
    unreachable: writeUnreachable(table, dialect, chosen),
    rows: (window, last, count) =>
      read([...inWindow(table, at, window, last), ...after(dialect, order, at, last)], count),
    rowsAt: (key, count) => read([isAt(key)], count),
    mark: (marked) => {
      const rows = join(
        marked.map((key) => sql`(${isAt(key)})`),
        sql` or `,
      )
      return flag === null || marked.length === 0
        ? null
        : dialect.update(name, flag.set, sql`${flag.ready} and (${rows})`)
    },
  }
}

const all = (conditions: readonly Sql[]): Sql => join(conditions, sql` and `)

const where = (conditions: readonly Sql[]): Sql => (conditions.length === 0 ? sql`` : sql`where ${all(conditions)} `)

const bound = (one: KeyColumn, key: RowKey, place: number): Sql => one.key.bind(key[place] ?? '')

type NameOf = (column: KeyColumn) => Sql

/** The lower edge moves up with the reading where the order begins with the time, so that an index is entered at the place. */
function inWindow(
  { clock, order }: SqlTable,
  at: NameOf,
  window: SqlWindow | null,
  last: RowKey | null,
): readonly Sql[] {
  if (clock === null || window === null) return []
  const from = order[0] === clock && last !== null ? (last[0] ?? window.from) : window.from
  return [sql`${at(clock)} >= ${clock.key.bind(from)}`, sql`${at(clock)} < ${clock.key.bind(window.to)}`]
}

/** Rows after a key: (a, b) > (x, y), written out where the database does not know or not use that form. */
function after(dialect: Dialect, order: readonly KeyColumn[], at: NameOf, last: RowKey | null): readonly Sql[] {
  if (last === null) return []
  const [first, second] = order
  if (first === undefined) return []
  const [high, highest] = [at(first), bound(first, last, 0)]
  if (second === undefined) return [sql`${high} > ${highest}`]
  const [low, lowest] = [at(second), bound(second, last, 1)]
  return dialect.comparesTuples
    ? [sql`(${high}, ${low}) > (${highest}, ${lowest})`]
    : [sql`(${high} > ${highest} or (${high} = ${highest} and ${low} > ${lowest}))`]
}

function writeWindow({ fromNowhere }: Dialect, { clock, key, settings }: ClockColumn, before: string | null): Sql {
  const start = clock.instant(settings.start)
  const lower = before === null ? start : clock.earlier(key.bind(before), settings.lookbackSeconds)
  const upper = clock.earlier(clock.now, settings.settleSeconds)
  const latest = sql`case when ${lower} > ${start} then ${lower} else ${start} end`
  return sql`
    select ${key.position(sql`lower_edge`)}, ${key.position(sql`upper_edge`)}
      from (select ${latest} as lower_edge, ${upper} as upper_edge${fromNowhere}) edges`
}

function writeHeldFrom(
  { name, holdsBack }: SqlTable,
  dialect: Dialect,
  clock: ClockColumn,
  window: SqlWindow,
): Sql | null {
  if (holdsBack === null) return null
  const at = nameIn(dialect, clock.column)
  const to = clock.key.bind(window.to)
  const inside = sql`${at} >= ${clock.key.bind(window.from)} and ${at} < ${to}`
  return sql`select ${clock.key.position(sql`min(${at})`)} from ${name} t where ${inside} and ${holdsBack(to)}`
}

function writeFirstReady(
  { name, flag }: SqlTable,
  dialect: Dialect,
  { column, key, clock, settings }: ClockColumn,
): Sql | null {
  if (flag === null) return null
  const at = nameIn(dialect, column)
  const since = sql`${at} >= ${clock.instant(settings.start)}`
  return sql`select ${key.position(sql`min(${at})`)} from ${name} t where ${since} and ${flag.ready}`
}

function writeUnreachable({ name, order, clock }: SqlTable, dialect: Dialect, chosen: readonly Sql[]): Sql {
  const nulls = order.filter((one) => one !== clock).map((one) => sql`${nameIn(dialect, one.column)} is null`)
  const timeless = clock === null ? [] : [clock.clock.unreachable(nameIn(dialect, clock.column))]
  const lost = sql`(${join([...timeless, ...nulls], sql` or `)})`
  return sql`select ${dialect.text(sql`count(*)`)} from ${name} t ${where([lost, ...chosen])}`
}
