import { connect as openSocket, type Socket } from 'node:net'
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
import { importDriver } from './sql-driver.ts'
import type { Sql, Statement } from './sql-text.ts'
import { digits, nothing, quoted, sql } from './sql-text.ts'
import { exactType, readOnly, roundedType, textType, wallClock } from './sql-types.ts'

/** What is used of the package mssql. */
interface SqlServerDriver {
  readonly NVarChar: unknown
  readonly ConnectionPool: new (config: Readonly<Record<string, unknown>>) => SqlServerPool
}

interface SqlServerPool {
  readonly connect: () => Promise<unknown>
  readonly on: (event: 'error', heard: () => void) => unknown
  readonly request: () => SqlServerRequest
  readonly close: () => Promise<void>
}

interface SqlServerRequest {
  readonly input: (name: string, type: unknown, value: string | null) => unknown
  readonly query: (text: string) => Promise<{ readonly recordset?: readonly TextRow[] }>
}

const earlier = (time: Sql, seconds: number): Sql => sql`dateadd(second, -(${digits(seconds)}), ${time})`
const unreachable = (column: Sql): Sql => sql`${column} is null`
// Style 126 is ISO 8601 with every digit of the type, whatever the language of the session.
const timeText = (value: Sql): Sql => sql`convert(varchar(33), ${value}, 126)`

/** A time without zone, with its own type on both sides: compared as another type, .003 would no longer be .003. */
function localTime(type: Sql, now: Sql, zone: string): TypeRules {
  const toTime = (text: string): Sql => sql`convert(${type}, ${text}, 126)`
  const rules = exactType(timeText, toTime, (text) => `${text}${zone}`)
  const instant = (text: string): Sql => sql`convert(${type}, convert(datetime2(3), ${wallClock(text, zone)}, 126))`
  return { ...rules, clock: { instant, now, earlier, unreachable } }
}

const clock = sql`sysdatetime()`
const epoch = sql`convert(smalldatetime, '20000101', 112)`
const wholeSeconds = sql`dateadd(second, datediff(second, ${epoch}, ${clock}), convert(datetime2(0), ${epoch}))`
const wholeMinutes = sql`dateadd(minute, datediff(minute, ${epoch}, ${clock}), ${epoch})`

/** The cursor keeps an instant in UTC, the row the wall clock and offset that were written. */
function zonedTime(): TypeRules {
  const toTime = (text: string): Sql => sql`todatetimeoffset(convert(datetime2(7), ${text}, 126), '+00:00')`
  const rules = exactType(
    (value) => sql`${timeText(sql`convert(datetime2(7), ${value})`)} + datename(tzoffset, ${value})`,
    toTime,
  )
  const position = (value: Sql): Sql => timeText(sql`convert(datetime2(7), switchoffset(${value}, '+00:00'))`)
  return {
    ...rules,
    key: { position, bind: toTime, exact: true },
    clock: {
      instant: (text) => toTime(wallClock(text, '+00:00')),
      now: sql`sysdatetimeoffset()`,
      earlier,
      unreachable,
    },
  }
}

const wholeText = (value: Sql): Sql => sql`convert(varchar(20), ${value})`
const toWhole = (text: string): Sql => sql`convert(bigint, ${text})`
const wholeType = (): TypeRules => exactType(wholeText, toWhole, Number)
const anyText = (): TypeRules => textType((text) => sql`${text}`)
const longText = (): TypeRules => readOnly((value) => sql`convert(nvarchar(max), ${value})`)
const hexText = (value: Sql): Sql => sql`convert(varchar(max), convert(varbinary(max), ${value}), 2)`
const anyBinary = (): TypeRules => exactType(hexText, (text) => sql`convert(varbinary(8000), ${text}, 2)`)

const decimalType = ({ detail }: CatalogueColumn): TypeRules =>
  exactType(
    (value) => sql`convert(varchar(41), ${value})`,
    (text) => sql`convert(decimal(38, ${digits(Number(detail))}), ${text})`,
  )

const moneyType = (): TypeRules =>
  exactType(
    (value) => sql`convert(varchar(30), ${value}, 2)`,
    (text) => sql`convert(money, ${text})`,
  )

// Style 3 writes all 17 digits of a float.
const floatType = (): TypeRules =>
  roundedType(
    (value) => sql`convert(varchar(40), ${value}, 3)`,
    (text) => sql`convert(float, ${text})`,
  )

/** A type that is not here is not read. */
const types: Readonly<Record<string, (column: CatalogueColumn, zone: string) => TypeRules>> = {
  tinyint: wholeType,
  smallint: wholeType,
  int: wholeType,
  bigint: () => exactType(wholeText, toWhole),
  decimal: decimalType,
  numeric: decimalType,
  money: moneyType,
  smallmoney: moneyType,
  float: floatType,
  real: floatType,
  bit: () => ({ ...roundedType(wholeText, (text) => sql`convert(bit, ${text})`), read: (text) => text === '1' }),
  char: anyText,
  varchar: anyText,
  nchar: anyText,
  nvarchar: anyText,
  text: longText,
  ntext: longText,
  xml: longText,
  uniqueidentifier: () =>
    exactType(
      (value) => sql`convert(varchar(36), ${value})`,
      (text) => sql`convert(uniqueidentifier, ${text})`,
    ),
  date: () =>
    exactType(
      (value) => sql`convert(varchar(10), ${value}, 23)`,
      (text) => sql`convert(date, ${text}, 23)`,
    ),
  time: () => readOnly((value) => sql`convert(varchar(16), ${value})`),
  smalldatetime: (_column, zone) => localTime(sql`smalldatetime`, wholeMinutes, zone),
  datetime: (_column, zone) => localTime(sql`datetime`, sql`getdate()`, zone),
  datetime2: ({ detail }, zone) => localTime(sql`datetime2(7)`, detail === '0' ? wholeSeconds : clock, zone),
  datetimeoffset: zonedTime,
  binary: anyBinary,
  varbinary: anyBinary,
  image: () => readOnly(hexText),
  // SQL Server's older name of rowversion.
  timestamp: anyBinary,
}

const dialect: Dialect = {
  name: (identifier) => quoted(identifier, '[', ']'),
  mark: (place) => `@p${place}`,
  ownSchema: () => 'dbo',
  catalogue: (schema, table) => sql`
    select column_name, data_type, convert(varchar(5), coalesce(datetime_precision, numeric_scale, 0))
      from information_schema.columns
     where table_schema = ${schema} and table_name = ${table}`,
  rulesOf: (column, zone) => types[column.type]?.(column, zone) ?? null,
  comparesTuples: false,
  limited: (select, rest, count) => sql`select top (${digits(count)}) ${select} ${rest}`,
  update: (table, set, condition) => sql`update t set ${set} from ${table} t where ${condition}`,
  fromNowhere: nothing,
  likeSigns: /[!%_[]/g,
  text: wholeText,
}

/** Every option that could do more than read is given. */
function toConfig(address: SqlAddress): Readonly<Record<string, unknown>> {
  const { host, port, database, user, password, tls, timeoutMs, writes } = address
  return {
    server: host,
    port,
    database,
    user,
    password,
    pool: { min: 0, max: 1 },
    connectionTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    arrayRowMode: true,
    options: {
      encrypt: tls !== null,
      trustServerCertificate: false,
      serverName: host,
      cryptoCredentialsDetails: tls ?? {},
      // The checked address, also where the server would send the driver on to another.
      connector: async (): Promise<Socket> => openSocket({ host: address.address, port }),
      readOnlyIntent: !writes,
      appName: 'gridbridge',
    },
  }
}

const connect: SqlDatabase['connect'] = async (address, load) => {
  const driver = await importDriver<SqlServerDriver>('mssql', load)
  const pool = new driver.ConnectionPool(toConfig(address))
  pool.on('error', () => undefined)
  await pool.connect()
  return openSession(driver, pool)
}

async function openSession({ NVarChar }: SqlServerDriver, pool: SqlServerPool): Promise<SqlConnection> {
  const query = async ({ text, values }: Statement): Promise<readonly TextRow[]> => {
    const request = pool.request()
    for (const [place, value] of values.entries()) request.input(`p${place + 1}`, NVarChar, value)
    return (await request.query(text)).recordset ?? []
  }
  const [[zone] = []] = await query({ text: 'select datename(tzoffset, sysdatetimeoffset())', values: [] })
  return {
    zone: zone ?? '+00:00',
    query,
    change: async (statement) => void (await query(statement)),
    close: () => pool.close(),
  }
}

// SQL Server's own numbers for a deadlock, a lock, memory that is short and an Azure database that is busy or moving.
const passingErrors: ReadonlySet<number> = new Set([701, 1205, 1222, 8645, 8651, 10928, 10929, 40197, 40501, 40613])

function faultOf(error: unknown): SqlFault | null {
  if (!(error instanceof Error)) return null
  if ('number' in error && typeof error.number === 'number') {
    return { code: `error ${error.number}`, passes: passingErrors.has(error.number) }
  }
  return 'code' in error && error.code === 'ELOGIN' ? { code: 'ELOGIN', passes: false } : null
}

export const sqlserver: SqlDatabase = { dialect, connect, faultOf }
