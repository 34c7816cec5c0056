import type { Client } from 'pg'
import { escapeIdentifier } from 'pg'
import { AppError } from '../../errors.ts'
import type { SqlSourceManifest } from '../../feeds/manifest-types.ts'
import { parseJson } from './json.ts'

/** A column as the source's own catalogue describes it. */
export interface SqlColumn {
  readonly name: string
  /** information_schema's name of the type, for example `timestamp with time zone`. */
  readonly type: string
  /** Quoted name of the type, to cast a text back to it. */
  readonly castType: string
}

/** A table whose columns were found in the catalogue. Its quoted names are the only identifiers that reach a statement. */
export interface SqlTable {
  /** Quoted schema and table. */
  readonly name: string
  readonly columns: readonly SqlColumn[]
  readonly updatedAt: SqlColumn
  readonly id: SqlColumn
}

interface TypeRules {
  /** SQL that gives the column's value as text. */
  readonly select: (column: string) => string
  readonly read: (text: string) => unknown
}

interface CatalogueRow {
  readonly name: string
  readonly type: string
  readonly type_schema: string
  readonly type_name: string
}

const keep = (text: string): string => text

// Row values keep the calendar day the department wrote: local time of the source with its offset, RFC 3339. The words
// infinity and -infinity stay words, to be rejected by the dataset schema.
const timeWithOffset = (time: string): string =>
  `case when isfinite(${time}) then to_char(${time}, 'YYYY-MM-DD"T"HH24:MI:SS.USTZH:TZM') else ${time}::text end`

const asText = (column: string): string => `${column}::text`

const plainText: TypeRules = { select: asText, read: keep }

const asNumber: TypeRules = { select: asText, read: Number }

const asJson: TypeRules = { select: asText, read: parseJson }

/** Types not named here come as PostgreSQL writes them; so bigint and numeric keep every digit. */
const typeRules: Readonly<Record<string, TypeRules>> = {
  smallint: asNumber,
  integer: asNumber,
  real: asNumber,
  'double precision': asNumber,
  boolean: { select: asText, read: (text) => text === 'true' },
  json: asJson,
  jsonb: asJson,
  date: {
    select: (date) => `case when isfinite(${date}) then to_char(${date}, 'YYYY-MM-DD') else ${date}::text end`,
    read: keep,
  },
  'timestamp with time zone': { select: timeWithOffset, read: keep },
  'timestamp without time zone': { select: (time) => timeWithOffset(`${time}::timestamptz`), read: keep },
}

/**
 * How a time is written into a cursor, exact to the microsecond and independent of the session's time zone. A time without
 * zone stays without: turned into an instant and back, the hours around a clock change would move.
 */
const positionFormats: Readonly<Record<string, (time: string) => string>> = {
  'timestamp with time zone': (time) => `to_char(${time} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`,
  'timestamp without time zone': (time) => `to_char(${time}, 'YYYY-MM-DD"T"HH24:MI:SS.US')`,
}

const catalogueQuery = `
  select column_name as name, data_type as type, udt_schema as type_schema, udt_name as type_name
    from information_schema.columns
   where table_schema = $1 and table_name = $2`

/**
 * Looks the manifest's names up in the source's catalogue. Throws AppError SOURCE_REFUSED naming what is not there or not
 * readable, and MANIFEST_INVALID when a key column is not among the columns.
 */
export async function findTable(client: Client, manifest: SqlSourceManifest): Promise<SqlTable> {
  const schema = manifest.schema ?? 'public'
  const { rows } = await client.query<CatalogueRow>(catalogueQuery, [schema, manifest.table])
  if (rows.length === 0) throw refused(`no readable table ${schema}.${manifest.table}`)
  const found = new Map(rows.map((row) => [row.name, toColumn(row)]))
  const columns = manifest.columns.map((name) => {
    const column = found.get(name)
    if (column === undefined) throw refused(`no readable column ${name} in ${schema}.${manifest.table}`)
    return column
  })
  const updatedAt = keyColumn(columns, manifest.keyset.updatedAt)
  if (!Object.hasOwn(positionFormats, updatedAt.type)) {
    throw refused(`column ${updatedAt.name} is a ${updatedAt.type}; reading in order wants a timestamp`)
  }
  const name = `${escapeIdentifier(schema)}.${escapeIdentifier(manifest.table)}`
  return { name, columns, updatedAt, id: keyColumn(columns, manifest.keyset.id) }
}

/** SQL for a column's value as text. */
export function selectColumn(column: SqlColumn): string {
  return rulesOf(column).select(escapeIdentifier(column.name))
}

/** The value behind the text that `selectColumn` gave. */
export function readColumn(column: SqlColumn, text: string | null): unknown {
  return text === null ? null : rulesOf(column).read(text)
}

/** SQL for `time`, of the type of `column`, as a text for the cursor. */
export function selectPosition(column: SqlColumn, time: string): string {
  const format = positionFormats[column.type]
  if (format === undefined) throw refused(`column ${column.name} is no timestamp`)
  return format(time)
}

function rulesOf(column: SqlColumn): TypeRules {
  return typeRules[column.type] ?? plainText
}

function toColumn(row: CatalogueRow): SqlColumn {
  const castType = `${escapeIdentifier(row.type_schema)}.${escapeIdentifier(row.type_name)}`
  return { name: row.name, type: row.type, castType }
}

function keyColumn(columns: readonly SqlColumn[], name: string): SqlColumn {
  const column = columns.find((candidate) => candidate.name === name)
  if (column === undefined) throw new AppError('MANIFEST_INVALID', `the key column ${name} is not among the columns`)
  return column
}

function refused(detail: string): AppError {
  return new AppError('SOURCE_REFUSED', detail)
}
