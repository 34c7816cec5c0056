import { AppError } from '../../errors.ts'
import type { ReadWindow, SqlFlag, SqlSourceManifest } from '../../feeds/manifest-types.ts'
import type {
  CatalogueColumn,
  ClockRules,
  Dialect,
  KeyRules,
  SqlColumn,
  SqlConnection,
  SqlDatabase,
} from './sql-dialect.ts'
import { valueFor, writeFilter } from './sql-filter.ts'
import type { Sql } from './sql-text.ts'
import { join, sql, toStatement } from './sql-text.ts'

/** A column that rows are ordered by. */
export interface KeyColumn {
  readonly column: SqlColumn
  readonly key: KeyRules
}

/** The time column whose windows decide which rows a run reads. */
export interface ClockColumn extends KeyColumn {
  readonly clock: ClockRules
  readonly settings: ReadWindow
}

/** The state column of an exchange table. */
export interface FlagColumn {
  /** Condition for rows that are to be read. */
  readonly ready: Sql
  /** What an update sets: this one column. */
  readonly set: Sql
  readonly marks: boolean
}

/**
 * A table or view whose columns were found in the catalogue, and how it is read. Its quoted names are the only
 * identifiers that reach a statement. The three ways of reading differ in these facts alone.
 */
export interface SqlTable {
  /** Quoted schema and table. */
  readonly name: Sql
  readonly columns: readonly SqlColumn[]
  /** One or two: rows are read in their order, and a place in it is their values. */
  readonly order: readonly KeyColumn[]
  /** Null: every run reads everything. */
  readonly clock: ClockColumn | null
  /** The condition of the manifest's filter. */
  readonly filter: Sql | null
  /** (end of the window) → condition for rows that hold the window back, because more belongs to them. */
  readonly holdsBack: ((to: Sql) => Sql) | null
  readonly flag: FlagColumn | null
}

/** How a column of the table read is named in every statement. */
export function nameIn(dialect: Dialect, column: SqlColumn): Sql {
  return sql`t.${dialect.name(column.name)}`
}

interface Catalogue {
  readonly dialect: Dialect
  readonly name: Sql
  readonly find: (column: string) => SqlColumn
  readonly nameOf: (column: SqlColumn) => Sql
}

/**
 * Looks the manifest's names up in the source's catalogue. Throws AppError SOURCE_REFUSED naming what is not there, not
 * readable or of a type that does not do, and MANIFEST_INVALID when a column of the order is not among the columns.
 */
export async function findTable(
  { dialect }: SqlDatabase,
  connection: SqlConnection,
  manifest: SqlSourceManifest,
): Promise<SqlTable> {
  const catalogue = await readCatalogue(dialect, connection, manifest)
  const { find, nameOf, name } = catalogue
  const { filter, reading } = manifest
  const general = {
    name,
    columns: manifest.columns.map(find),
    filter: filter === undefined ? null : writeFilter(filter, { dialect, find, nameOf }),
    holdsBack: null,
    flag: null,
  }
  const key = (column: string): KeyColumn => keyColumn(manifest, find, column)
  if (reading.kind === 'whole') return { ...general, order: [key(reading.id)], clock: null }
  if (reading.kind === 'keyset') {
    const clock = clockColumn(key(reading.updatedAt), reading.window)
    return { ...general, order: [clock, key(reading.id)], clock }
  }
  const clock = clockColumn(key(reading.operationTime), reading.window)
  return {
    ...general,
    order: reading.sequence === undefined ? [clock, key(reading.id)] : [key(reading.sequence)],
    clock,
    holdsBack: heldBack(catalogue, clock, reading.batch, reading.flag),
    flag: reading.flag === undefined ? null : flagColumn(catalogue, reading.flag),
  }
}

async function readCatalogue(
  dialect: Dialect,
  connection: SqlConnection,
  manifest: SqlSourceManifest,
): Promise<Catalogue> {
  const { schema = dialect.ownSchema(manifest), table } = manifest
  const rows = await connection.query(toStatement(dialect.catalogue(schema, table), dialect.mark))
  if (rows.length === 0) throw refused(`no readable table or view ${schema}.${table}`)
  const found = new Map(rows.map(([name = '', type, detail]) => [name, { name, type, detail }]))
  const find = (name: string): SqlColumn => {
    const column = found.get(name)
    if (column === undefined) throw refused(`no readable column ${name} in ${schema}.${table}`)
    return toColumn(dialect, { name, type: column.type ?? '', detail: column.detail ?? '' }, connection.zone)
  }
  const nameOf = (column: SqlColumn): Sql => nameIn(dialect, column)
  return { dialect, name: sql`${dialect.name(schema)}.${dialect.name(table)}`, find, nameOf }
}

function toColumn(dialect: Dialect, column: CatalogueColumn, zone: string): SqlColumn {
  const { name, type } = column
  const rules = dialect.rulesOf(column, zone)
  if (rules === null) throw refused(`column ${name} is a ${type}, which is not read; leave it out or make a view`)
  return { name, type, rules }
}

function keyColumn(manifest: SqlSourceManifest, find: (column: string) => SqlColumn, name: string): KeyColumn {
  if (!manifest.columns.includes(name)) {
    throw new AppError('MANIFEST_INVALID', `the key column ${name} is not among the columns`)
  }
  const column = find(name)
  const { key } = column.rules
  if (key === null) throw refused(`column ${name} is a ${column.type}; reading in order wants a text, number or time`)
  return { column, key }
}

function clockColumn(key: KeyColumn, settings: ReadWindow): ClockColumn {
  const { name, type, rules } = key.column
  if (rules.clock === null) throw refused(`column ${name} is a ${type}; reading by windows wants a timestamp`)
  return { ...key, clock: rules.clock, settings }
}

function oneOf({ nameOf }: Catalogue, column: SqlColumn, values: readonly string[]): Sql {
  const all = values.map((value) => valueFor(column, value))
  return sql`${nameOf(column)} in (${join(all, sql`, `)})`
}

function flagColumn(catalogue: Catalogue, { column, ready, done, mark }: SqlFlag): FlagColumn {
  const found = catalogue.find(column)
  const set = sql`${catalogue.dialect.name(found.name)} = ${valueFor(found, done)}`
  return { ready: oneOf(catalogue, found, ready), set, marks: mark }
}

/** A batch with a row at or after the end of the window is being written; so is a row that its flag says is. */
function heldBack(
  catalogue: Catalogue,
  clock: ClockColumn,
  batch: string | undefined,
  flag: SqlFlag | undefined,
): SqlTable['holdsBack'] {
  const { dialect, name, find, nameOf } = catalogue
  const writing = flag?.writing === undefined ? [] : [oneOf(catalogue, find(flag.column), flag.writing)]
  if (batch === undefined && writing.length === 0) return null
  return (to) => {
    const inBatch = (column: SqlColumn): Sql =>
      sql`${nameOf(column)} in (select ${dialect.name(column.name)} from ${name} where ${dialect.name(clock.column.name)} >= ${to})`
    const open = batch === undefined ? [] : [inBatch(find(batch))]
    return sql`(${join([...open, ...writing], sql` or `)})`
  }
}

function refused(detail: string): AppError {
  return new AppError('SOURCE_REFUSED', detail)
}
