import { Socket } from 'node:net'
import { Client, DatabaseError } from 'pg'
import type {
  CatalogueColumn,
  Dialect,
  SqlAddress,
  SqlConnection,
  SqlDatabase,
  SqlFault,
  TypeRules,
} from './sql-dialect.ts'
import { parseJson } from './json.ts'
import { createGauge } from './sql-gauge.ts'
import type { Sql, Statement } from './sql-text.ts'
import { digits, nothing, quoted, sql } from './sql-text.ts'
import { keep } from './sql-types.ts'

// The server ends a slow statement itself; the client waits this much longer before it gives the connection up.
const GRACE_MS = 1000

// pg_catalog alone, so that a function of the department cannot stand in for one of PostgreSQL's.
const sessionOptions = '-c search_path=pg_catalog -c DateStyle=ISO,YMD'
const readOnlySession = '-c default_transaction_read_only=on'

const name = (identifier: string): Sql => quoted(identifier, '"', '"')
const asText = (value: Sql): Sql => sql`${value}::text`

// Row values keep the calendar day the department wrote: local time of the source with its offset, RFC 3339. The words
// infinity and -infinity stay words, to be rejected by the dataset schema.
const timeWithOffset = (time: Sql): Sql =>
  sql`case when isfinite(${time}) then to_char(${time}, 'YYYY-MM-DD"T"HH24:MI:SS.USTZH:TZM') else ${time}::text end`

const dayText = (date: Sql): Sql =>
  sql`case when isfinite(${date}) then to_char(${date}, 'YYYY-MM-DD') else ${date}::text end`

interface TypeForms {
  readonly select?: (value: Sql) => Sql
  readonly read?: (text: string) => unknown
  /**
   * How a time is written into a cursor, exact to the microsecond and independent of the session's time zone. A time without
   * zone stays without: turned into an instant and back, the hours around a clock change would move.
   */
  readonly position?: (time: Sql) => Sql
}

const asNumber: TypeForms = { read: Number }
const asJson: TypeForms = { read: parseJson }

/** Types not named here come as PostgreSQL writes them; so bigint and numeric keep every digit. */
const forms: Readonly<Record<string, TypeForms>> = {
  smallint: asNumber,
  integer: asNumber,
  real: asNumber,
  'double precision': asNumber,
  boolean: { read: (text) => text === 'true' },
  json: asJson,
  jsonb: asJson,
  date: { select: dayText },
  'timestamp with time zone': {
    select: timeWithOffset,
    position: (time) => sql`to_char(${time} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`,
  },
  'timestamp without time zone': {
    select: (time) => timeWithOffset(sql`${time}::timestamptz`),
    position: (time) => sql`to_char(${time}, 'YYYY-MM-DD"T"HH24:MI:SS.US')`,
  },
}

/** Types under which equal values have equal texts. Text is here with the database's own collation only (detail `exact`). */
const exactTypes: ReadonlySet<string> = new Set([
  'smallint',
  'integer',
  'bigint',
  'uuid',
  'date',
  'timestamp with time zone',
  'timestamp without time zone',
])
const textTypes: ReadonlySet<string> = new Set(['text', 'character varying', 'character'])

/** Detail: quoted schema and name of the type, precision of a time, and whether a text compares byte by byte. */
interface Detail {
  readonly schema: string
  readonly name: string
  readonly seconds: boolean
  readonly exact: boolean
}

function clockOf(cast: (value: Sql) => Sql, { seconds }: Detail): TypeRules['clock'] {
  return {
    instant: (text) => cast(sql`${text}::timestamptz`),
    now: cast(seconds ? sql`date_trunc('second', clock_timestamp())` : sql`clock_timestamp()`),
    earlier: (time, count) => cast(sql`(${time} - make_interval(secs => ${digits(count)}))`),
    unreachable: (column) => sql`(not isfinite(${column}) or ${column} is null)`,
  }
}

function rulesOf({ type, detail }: CatalogueColumn): TypeRules {
  const facts = JSON.parse(detail) as Detail
  const { select = asText, read = keep, position } = forms[type] ?? {}
  const cast = (value: Sql): Sql => sql`${value}::${name(facts.schema)}.${name(facts.name)}`
  const bind = (text: string): Sql => cast(sql`${text}`)
  return {
    select,
    read,
    filter: (value) => bind(String(value)),
    isText: textTypes.has(type),
    key: { position: position ?? asText, bind, exact: facts.exact || exactTypes.has(type) },
    clock: position === undefined ? null : clockOf(cast, facts),
  }
}

const dialect: Dialect = {
  name,
  mark: (place) => `$${place}`,
  ownSchema: () => 'public',
  catalogue: (schema, table) => sql`
    select column_name::text, data_type::text,
           json_build_object('schema', udt_schema, 'name', udt_name, 'seconds', coalesce(datetime_precision, 6) = 0,
             'exact', data_type in ('text', 'character varying') and collation_name is null)::text
      from information_schema.columns
     where table_schema = ${schema} and table_name = ${table}`,
  rulesOf,
  comparesTuples: true,
  limited: (select, rest, count) => sql`select ${select} ${rest} limit ${digits(count)}`,
  update: (table, set, condition) => sql`update ${table} t set ${set} where ${condition}`,
  fromNowhere: nothing,
  likeSigns: /[!%_]/g,
  text: asText,
}

async function connect(address: SqlAddress): Promise<SqlConnection> {
  const socket = new Socket()
  const client = new Client({
    stream: () => socket,
    host: address.address,
    port: address.port,
    database: address.database,
    user: address.user,
    password: address.password,
    // Every setting that pg would otherwise take from the environment is given, so that no PG… variable weakens it.
    ssl: address.tls === null ? false : { ...address.tls, servername: address.host },
    options: address.writes ? sessionOptions : `${readOnlySession} ${sessionOptions}`,
    application_name: 'gridbridge',
    client_encoding: 'UTF8',
    connectionTimeoutMillis: address.timeoutMs,
    statement_timeout: address.timeoutMs,
    query_timeout: address.timeoutMs + GRACE_MS,
  })
  // A connection that breaks between two pages is noticed by the next query; unheard, the event would end the process.
  client.on('error', () => undefined)
  await client.connect()
  const query = async ({ text, values }: Statement): Promise<readonly (string | null)[][]> => {
    // pg answers with what its parser threw; the rest of the answer is not waited for.
    const gauge = createGauge(address.pageBytes, () => socket.destroy())
    const types = { getTypeParser: () => gauge }
    return (await client.query<(string | null)[]>({ text, values: [...values], rowMode: 'array', types })).rows
  }
  // The offset is part of what PostgreSQL writes for each time.
  return { zone: '', query, change: async (statement) => void (await query(statement)), close: () => client.end() }
}

// SQLSTATE classes that may pass by themselves: connection, transaction roll-back, resources, locks, operator intervention
// (also a statement timeout), system and internal errors. PostgreSQL, appendix A.
const passingClasses: ReadonlySet<string> = new Set(['08', '40', '53', '55', '57', '58', 'XX'])

function faultOf(error: unknown): SqlFault | null {
  if (!(error instanceof DatabaseError)) return null
  const state = error.code ?? 'unknown'
  return { code: `SQLSTATE ${state}`, passes: passingClasses.has(state.slice(0, 2)) }
}

/** PostgreSQL, and KingbaseES in its PostgreSQL mode, which speaks the same protocol. */
export const postgresql: SqlDatabase = { dialect, connect, faultOf }
