import { connect as openSocket } from 'node:net'
import type { Connection, ConnectionOptions } from 'mysql2/promise'
import { createConnection } from 'mysql2/promise'
import type {
  CatalogueColumn,
  Dialect,
  SqlAddress,
  SqlConnection,
  SqlDatabase,
  SqlFault,
  TextRow,
  TypeRules,
} from './sql-dialect.ts'
import { createGauge } from './sql-gauge.ts'
import type { Sql, Statement } from './sql-text.ts'
import { digits, nothing, quoted, sql } from './sql-text.ts'
import { exactType, jsonType, readOnly, roundedType, textType, wallClock } from './sql-types.ts'

// The server ends a slow statement itself; the client waits this much longer before it gives the connection up.
const GRACE_MS = 1000

const asText = (value: Sql): Sql => sql`cast(${value} as char)`
const asHex = (value: Sql): Sql => sql`hex(${value})`
const timeText = (value: Sql): Sql => sql`date_format(${value}, '%Y-%m-%dT%H:%i:%s.%f')`

// MySQL may compare a number with a text as doubles, which hold 15 digits (manual, "Type Conversion in Expression
// Evaluation"): so every number is cast.
const wholeNumber = (text: string): Sql => sql`cast(${text} as signed)`
const wholeUnsigned = (text: string): Sql => sql`cast(${text} as unsigned)`
const decimalNumber = (text: string): Sql => sql`cast(${text} as decimal(65, 30))`
const timeOf = (text: string): Sql => sql`cast(${text} as datetime(6))`
// Uncast, because a bare literal takes the collation of the column it is compared with, and the index stays usable.
const bare = (text: string): Sql => sql`${text}`

/** MySQL's own "no date" is a text for DQ-001, without the time and zone that would hide it. */
const readTime =
  (zone: string) =>
  (text: string): string =>
    text.startsWith('0000-00-00') ? '0000-00-00' : `${text}${zone}`

const clockOf = (toTime: (wall: string) => Sql, precision: string, zone: string): TypeRules['clock'] => ({
  instant: (text) => toTime(wallClock(text, zone)),
  now: sql`now(${digits(Number(precision) || 0)})`,
  earlier: (time, seconds) => sql`date_sub(${time}, interval ${digits(seconds)} second)`,
  unreachable: (column) => sql`(${column} is null or year(${column}) = 0)`,
})

/** DATETIME holds the wall clock of the department; the cursor keeps it as it stands. */
function datetime({ detail }: CatalogueColumn, zone: string): TypeRules {
  return { ...exactType(timeText, timeOf, readTime(zone)), clock: clockOf(timeOf, detail, zone) }
}

/** TIMESTAMP holds an instant and is shown in the zone of the session; the cursor keeps it in UTC. */
function timestamp({ detail }: CatalogueColumn, zone: string): TypeRules {
  const toUtc = (value: Sql): Sql => timeText(sql`convert_tz(${value}, ${zone}, '+00:00')`)
  const fromUtc = (text: string): Sql => sql`convert_tz(cast(${text} as datetime(6)), '+00:00', ${zone})`
  const rules = exactType(timeText, timeOf, readTime(zone))
  return { ...rules, key: { position: toUtc, bind: fromUtc, exact: true }, clock: clockOf(timeOf, detail, zone) }
}

function wholeType({ detail }: CatalogueColumn): TypeRules {
  return exactType(asText, detail === 'unsigned' ? wholeUnsigned : wholeNumber, Number)
}

const anyText = (): TypeRules => textType(bare)
const anyBinary = (): TypeRules => exactType(asHex, (text) => sql`unhex(${text})`)
const anyFloat = (): TypeRules => roundedType(asText, bare)

/** A type that is not here is not read. */
const types: Readonly<Record<string, (column: CatalogueColumn, zone: string) => TypeRules>> = {
  tinyint: wholeType,
  smallint: wholeType,
  mediumint: wholeType,
  int: wholeType,
  bigint: (column) => ({ ...wholeType(column), read: (text) => text }),
  year: () => exactType(asText, wholeNumber, Number),
  decimal: () => exactType(asText, decimalNumber),
  float: anyFloat,
  double: anyFloat,
  bit: () => readOnly((value) => sql`cast(${value} + 0 as char)`, Number),
  char: anyText,
  varchar: anyText,
  tinytext: anyText,
  text: anyText,
  mediumtext: anyText,
  longtext: anyText,
  enum: () => ({ ...anyText(), key: null }),
  set: () => ({ ...anyText(), key: null }),
  uuid: () => exactType(asText, bare),
  date: () => exactType(asText, (text) => sql`cast(${text} as date)`),
  time: () => readOnly(asText),
  datetime,
  timestamp,
  json: () => jsonType(asText),
  binary: anyBinary,
  varbinary: anyBinary,
  tinyblob: () => readOnly(asHex),
  blob: () => readOnly(asHex),
  mediumblob: () => readOnly(asHex),
  longblob: () => readOnly(asHex),
}

export const dialect: Dialect = {
  name: (identifier) => quoted(identifier, '`', '`'),
  mark: () => '?',
  ownSchema: ({ database }) => database,
  catalogue: (schema, table) => sql`
    select column_name, data_type,
           case when column_type like '%unsigned%' then 'unsigned' else cast(coalesce(datetime_precision, 0) as char) end
      from information_schema.columns
     where table_schema = ${schema} and table_name = ${table}`,
  rulesOf: (column, zone) => types[column.type]?.(column, zone) ?? null,
  // MySQL knows the form and does not use an index for it (manual, "Range Optimization of Row Constructor Expressions").
  comparesTuples: false,
  limited: (select, rest, count) => sql`select ${select} ${rest} limit ${digits(count)}`,
  update: (table, set, condition) => sql`update ${table} t set ${set} where ${condition}`,
  fromNowhere: nothing,
  likeSigns: /[!%_]/g,
  text: asText,
}

/** What one session is told before anything is read. The mode lets zero dates be compared and keeps a mark from being cut off. */
const settings = (limit: string, { writes }: SqlAddress): readonly string[] => [
  limit,
  `set session sql_mode = 'STRICT_TRANS_TABLES'`,
  ...(writes ? [] : ['set session transaction read only']),
]

const limits = {
  mysql: (timeoutMs: number) => `set session max_execution_time = ${timeoutMs}`,
  mariadb: (timeoutMs: number) => `set session max_statement_time = ${timeoutMs / 1000}`,
} as const

// The server's own offset now, so that a session shows every time on the department's wall clock and none is shown twice.
const zoneQuery = `select timestampdiff(minute, utc_timestamp(), now())`

function toZone(minutes: number): string {
  const [hours, rest] = [Math.trunc(Math.abs(minutes) / 60), Math.abs(minutes) % 60]
  return `${minutes < 0 ? '-' : '+'}${String(hours).padStart(2, '0')}:${String(rest).padStart(2, '0')}`
}

/** Every option that could do more than read is given: mysql2 takes nothing from a URL or from the environment. */
function toOptions(address: SqlAddress): ConnectionOptions {
  return {
    // The name is for the certificate alone; the socket goes to the checked address.
    host: address.host,
    stream: () => openSocket({ host: address.address, port: address.port, noDelay: true }),
    port: address.port,
    database: address.database,
    user: address.user,
    password: address.password,
    charset: 'utf8mb4',
    connectTimeout: address.timeoutMs,
    multipleStatements: false,
    flags: ['-LOCAL_FILES'],
    enableCleartextPlugin: false,
    rowsAsArray: true,
    dateStrings: true,
    jsonStrings: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    trace: false,
    // Marking asks with as many forms as a page has rows; a server keeps some 16,000 statements for all its clients.
    maxPreparedStatements: 20,
    ...(address.tls === null ? {} : { ssl: { ...address.tls, verifyIdentity: true } }),
  }
}

async function connectWith(limit: (timeoutMs: number) => string, address: SqlAddress): Promise<SqlConnection> {
  const connection = await createConnection(toOptions(address))
  // A connection that breaks between two pages is noticed by the next query; unheard, the event would end the process.
  connection.on('error', () => undefined)
  try {
    for (const text of settings(limit(address.timeoutMs), address)) await connection.query(text)
    const [[row]] = await connection.query<never[]>(zoneQuery)
    const zone = toZone(Number(row?.[0]))
    await connection.query(`set session time_zone = '${zone}'`)
    return toSession(connection, address, zone)
  } catch (error) {
    connection.destroy()
    throw error
  }
}

function toSession(connection: Connection, { timeoutMs, pageBytes }: SqlAddress, zone: string): SqlConnection {
  const run = async ({ text, values }: Statement): Promise<unknown> => {
    const gauge = createGauge(pageBytes, () => connection.destroy())
    const typeCast = (_field: unknown, next: () => unknown): unknown => {
      const value = next()
      return typeof value === 'string' ? gauge(value) : value
    }
    const [result] = await connection.execute({
      sql: text,
      values: [...values],
      typeCast,
      timeout: timeoutMs + GRACE_MS,
    })
    return result
  }
  return {
    zone,
    query: async (statement) => {
      // Every item of a select list is a text by its SQL.
      return (await run(statement)) as readonly TextRow[]
    },
    change: async (statement) => void (await run(statement)),
    close: () => connection.end().catch(() => connection.destroy()),
  }
}

// SQLSTATE classes and error numbers that may pass by themselves: connection, roll-back, operator intervention and timeout;
// lock wait timeout, too many connections, statement timeout of MySQL. MySQL, "Server Error Message Reference".
const passingClasses: ReadonlySet<string> = new Set(['08', '40', '57', '70'])
const passingErrors: ReadonlySet<number> = new Set([1040, 1053, 1203, 1205, 1226, 3024])

function faultOf(error: unknown): SqlFault | null {
  if (!(error instanceof Error) || !('sqlState' in error) || !('errno' in error)) return null
  const [state, number] = [String(error.sqlState), Number(error.errno)]
  const passes = passingClasses.has(state.slice(0, 2)) || passingErrors.has(number)
  return { code: `SQLSTATE ${state}, error ${number}`, passes }
}

export const mysql: SqlDatabase = { dialect, connect: (address) => connectWith(limits.mysql, address), faultOf }
export const mariadb: SqlDatabase = { dialect, connect: (address) => connectWith(limits.mariadb, address), faultOf }
