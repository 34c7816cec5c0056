import type {
  CatalogueColumn,
  Dialect,
  SqlAddress,
  SqlConnection,
  SqlDatabase,
  SqlFault,
  TypeRules,
} from './sql-dialect.ts'
import { importDriver } from './sql-driver.ts'
import type { Sql, Statement } from './sql-text.ts'
import { digits, quoted, sql } from './sql-text.ts'
import { exactType, readOnly, roundedType, textType, wallClock } from './sql-types.ts'

/** What is used of Dameng's own package dmdb. */
interface DamengDriver {
  readonly OUT_FORMAT_ARRAY: number
  readonly CLOB: number
  fetchAsString: readonly number[]
  readonly getConnection: (options: Readonly<Record<string, unknown>>) => Promise<DamengConnection>
}

interface DamengConnection {
  readonly execute: (
    text: string,
    values: readonly unknown[],
    options: Readonly<Record<string, unknown>>,
  ) => Promise<{ readonly rows?: readonly (readonly (string | null)[])[] }>
  readonly close: () => Promise<void>
}

const timeForm = sql`'YYYY-MM-DD"T"HH24:MI:SS.FF6'`
const earlier = (time: Sql, seconds: number): Sql => sql`dateadd(second, -(${digits(seconds)}), ${time})`
const unreachable = (column: Sql): Sql => sql`${column} is null`
const numberText = (value: Sql): Sql => sql`cast(${value} as varchar(60))`
const toDecimal = (text: string): Sql => sql`cast(${text} as number)`
const toBigint = (text: string): Sql => sql`cast(${text} as bigint)`

/** Dameng writes one half as .5 in its Oracle mode. */
const withZero = (text: string): string => text.replace(/^(-?)\./, '$10.')

function localTime(_column: CatalogueColumn, zone: string): TypeRules {
  const toTime = (text: string): Sql => sql`to_timestamp(${text}, ${timeForm})`
  const rules = exactType(
    (value) => sql`to_char(${value}, ${timeForm})`,
    toTime,
    (text) => `${text}${zone}`,
  )
  const now = sql`cast(systimestamp as timestamp)`
  return { ...rules, clock: { instant: (text) => toTime(wallClock(text, zone)), now, earlier, unreachable } }
}

const wholeType = (): TypeRules => exactType(numberText, toBigint, Number)
const bigType = (): TypeRules => exactType(numberText, toBigint)
const decimalType = (): TypeRules => exactType(numberText, toDecimal, withZero)
const floatType = (): TypeRules => roundedType(numberText, (text) => sql`cast(${text} as double)`)
const anyText = (): TypeRules => textType((text) => sql`${text}`)
const longText = (): TypeRules => readOnly((value) => value)
const hexText = (): TypeRules => readOnly((value) => sql`rawtohex(${value})`)

/** A type that is not here is not read. */
const types: Readonly<Record<string, (column: CatalogueColumn, zone: string) => TypeRules>> = {
  BIT: wholeType,
  BYTE: wholeType,
  TINYINT: wholeType,
  SMALLINT: wholeType,
  INT: wholeType,
  INTEGER: wholeType,
  BIGINT: bigType,
  NUMBER: decimalType,
  NUMERIC: decimalType,
  DEC: decimalType,
  DECIMAL: decimalType,
  FLOAT: floatType,
  DOUBLE: floatType,
  'DOUBLE PRECISION': floatType,
  REAL: floatType,
  CHAR: anyText,
  CHARACTER: anyText,
  VARCHAR: anyText,
  VARCHAR2: anyText,
  CLOB: longText,
  TEXT: longText,
  DATE: () =>
    exactType(
      (value) => sql`to_char(${value}, 'YYYY-MM-DD')`,
      (text) => sql`to_date(${text}, 'YYYY-MM-DD')`,
    ),
  DATETIME: localTime,
  TIMESTAMP: localTime,
  BINARY: hexText,
  VARBINARY: hexText,
  RAW: hexText,
}

const dialect: Dialect = {
  name: (identifier) => quoted(identifier, '"', '"'),
  mark: () => '?',
  ownSchema: ({ user }) => user.toUpperCase(),
  catalogue: (schema, table) =>
    sql`select column_name, data_type, '' from all_tab_columns where owner = ${schema} and table_name = ${table}`,
  rulesOf: (column, zone) => types[column.type.replace(/\(\d+\)/, '')]?.(column, zone) ?? null,
  comparesTuples: false,
  limited: (select, rest, count) => sql`select ${select} ${rest} limit ${digits(count)}`,
  update: (table, set, condition) => sql`update ${table} t set ${set} where ${condition}`,
  fromNowhere: sql` from dual`,
  likeSigns: /[!%_]/g,
  text: numberText,
}

/** Given one by one: the form with a URL breaks at a # or @ in the password. */
function toOptions({ address, port, user, password, timeoutMs }: SqlAddress): Readonly<Record<string, unknown>> {
  return {
    connectString: `${address}:${port}`,
    user,
    password,
    autoCommit: true,
    connectTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    appName: 'gridbridge',
  }
}

const connect: SqlDatabase['connect'] = async (address, load) => {
  const driver = await importDriver<DamengDriver>('dmdb', load)
  // A long text comes as text, not as a stream; the driver knows this as a setting of its own only.
  driver.fetchAsString = [driver.CLOB]
  return openSession(driver, await driver.getConnection(toOptions(address)))
}

async function openSession(driver: DamengDriver, connection: DamengConnection): Promise<SqlConnection> {
  const options = { outFormat: driver.OUT_FORMAT_ARRAY, maxRows: 0, autoCommit: true }
  const query = async ({ text, values }: Statement): Promise<readonly (readonly (string | null)[])[]> =>
    (await connection.execute(text, values, options)).rows ?? []
  const [[zone] = []] = await query({ text: `select to_char(systimestamp, 'TZH:TZM') from dual`, values: [] })
  return {
    zone: zone ?? '+00:00',
    query,
    change: async (statement) => void (await query(statement)),
    close: () => connection.close(),
  }
}

// Dameng's own numbers for a deadlock and for a lock that took too long. The driver's own are positive.
const passingErrors: ReadonlySet<number> = new Set([-6403, -6407])

function faultOf(error: unknown): SqlFault | null {
  if (!(error instanceof Error) || !('errCode' in error) || Number(error.errCode) >= 0) return null
  const number = Number(error.errCode)
  return { code: `error ${number}`, passes: passingErrors.has(number) }
}

export const dameng: SqlDatabase = { dialect, connect, faultOf }
