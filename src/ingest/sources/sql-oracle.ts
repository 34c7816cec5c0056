import { AppError } from '../../errors.ts'
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

/** What is used of the package oracledb, in its thin mode: Oracle 12.1 and later. */
interface OracleDriver {
  readonly OUT_FORMAT_ARRAY: number
  readonly STRING: number
  readonly getConnection: (options: Readonly<Record<string, unknown>>) => Promise<OracleConnection>
}

interface OracleConnection {
  callTimeout: number
  readonly execute: (
    text: string,
    values: readonly unknown[],
    options: Readonly<Record<string, unknown>>,
  ) => Promise<{ readonly rows?: readonly (readonly (string | null)[])[] }>
  readonly close: () => Promise<void>
}

const secondsForm = sql`'YYYY-MM-DD"T"HH24:MI:SS'`
const fractionForm = sql`'YYYY-MM-DD"T"HH24:MI:SS.FF9'`

/** Oracle writes one half as .5. */
const withZero = (text: string): string => text.replace(/^(-?)\./, '$10.')
const numberText = (value: Sql): Sql => sql`to_char(${value}, 'TM9')`
const toNumber = (text: string): Sql => sql`to_number(${text})`

const earlier = (time: Sql, seconds: number): Sql => sql`${time} - numtodsinterval(${digits(seconds)}, 'SECOND')`
const unreachable = (column: Sql): Sql => sql`${column} is null`

/** DATE holds a day and a time of day to the second. */
function date(zone: string): TypeRules {
  const toDate = (text: string): Sql => sql`to_date(${text}, ${secondsForm})`
  const rules = exactType(
    (value) => sql`to_char(${value}, ${secondsForm})`,
    toDate,
    (text) => `${text}${zone}`,
  )
  const instant = (text: string): Sql => toDate(wallClock(text, zone).slice(0, 19))
  return { ...rules, clock: { instant, now: sql`sysdate`, earlier, unreachable } }
}

function timestamp(zone: string): TypeRules {
  const toTime = (text: string): Sql => sql`to_timestamp(${text}, ${fractionForm})`
  const rules = exactType(
    (value) => sql`to_char(${value}, ${fractionForm})`,
    toTime,
    (text) => `${text}${zone}`,
  )
  const now = sql`cast(systimestamp as timestamp)`
  return { ...rules, clock: { instant: (text) => toTime(wallClock(text, zone)), now, earlier, unreachable } }
}

/** The cursor keeps an instant in UTC, the row the wall clock and offset that were written. */
function zonedTimestamp(): TypeRules {
  const toTime = (text: string): Sql => sql`from_tz(to_timestamp(${text}, ${fractionForm}), 'UTC')`
  const zoned = (value: Sql): Sql => sql`cast(${value} as timestamp with time zone)`
  const rules = exactType((value) => sql`to_char(${zoned(value)}, 'YYYY-MM-DD"T"HH24:MI:SS.FF9TZH:TZM')`, toTime)
  const position = (value: Sql): Sql => sql`to_char(sys_extract_utc(${zoned(value)}), ${fractionForm})`
  return {
    ...rules,
    key: { position, bind: toTime, exact: true },
    clock: { instant: (text) => toTime(wallClock(text, '+00:00')), now: sql`systimestamp`, earlier, unreachable },
  }
}

const anyText = (): TypeRules => textType((text) => sql`${text}`)
const anyFloat = (): TypeRules => roundedType(numberText, toNumber)
const same = (): TypeRules => readOnly((value) => value)

/** A type that is not here is not read. The precision in the catalogue's name, TIMESTAMP(6), is left out. */
const types: Readonly<Record<string, (zone: string) => TypeRules>> = {
  NUMBER: () => exactType(numberText, toNumber, withZero),
  FLOAT: anyFloat,
  BINARY_FLOAT: anyFloat,
  BINARY_DOUBLE: anyFloat,
  CHAR: anyText,
  VARCHAR2: anyText,
  NCHAR: anyText,
  NVARCHAR2: anyText,
  CLOB: same,
  NCLOB: same,
  DATE: date,
  TIMESTAMP: timestamp,
  'TIMESTAMP WITH TIME ZONE': zonedTimestamp,
  'TIMESTAMP WITH LOCAL TIME ZONE': zonedTimestamp,
  RAW: () =>
    exactType(
      (value) => sql`rawtohex(${value})`,
      (text) => sql`hextoraw(${text})`,
    ),
}

const rulesOf = ({ type }: CatalogueColumn, zone: string): TypeRules | null =>
  types[type.replace(/\(\d+\)/, '')]?.(zone) ?? null

const dialect: Dialect = {
  name: (identifier) => quoted(identifier, '"', '"'),
  mark: (place) => `:${place}`,
  ownSchema: ({ user }) => user.toUpperCase(),
  catalogue: (schema, table) =>
    sql`select column_name, data_type, '' from all_tab_columns where owner = ${schema} and table_name = ${table}`,
  rulesOf,
  comparesTuples: false,
  limited: (select, rest, count) => sql`select ${select} ${rest} fetch first ${digits(count)} rows only`,
  update: (table, set, condition) => sql`update ${table} t set ${set} where ${condition}`,
  fromNowhere: sql` from dual`,
  likeSigns: /[!%_]/g,
  text: (value) => sql`to_char(${value})`,
}

// Text is compared byte by byte and numbers are written with a point, whatever the department's own settings say.
const session = (zone: string): string =>
  `alter session set nls_comp = binary nls_sort = binary nls_numeric_characters = '.,' time_zone = '${zone}'`

/**
 * A whole descriptor, so that no tnsnames file is asked. A service name is checked, because it is written into it. Throws
 * AppError MANIFEST_INVALID.
 */
function toDescriptor({ address, port, database, tls, timeoutMs }: SqlAddress): string {
  if (!/^[\w.$#-]+$/.test(database)) {
    throw new AppError(
      'MANIFEST_INVALID',
      'the database of an Oracle source is a service name of letters, digits, . _ $ # -',
    )
  }
  const place = `(ADDRESS=(PROTOCOL=${tls === null ? 'TCP' : 'TCPS'})(HOST=${address})(PORT=${port}))`
  const timeout = `(TRANSPORT_CONNECT_TIMEOUT=${Math.ceil(timeoutMs / 1000)})`
  return `(DESCRIPTION=${timeout}${place}(CONNECT_DATA=(SERVICE_NAME=${database})))`
}

const connect: SqlDatabase['connect'] = async (address, load) => {
  const driver = await importDriver<OracleDriver>('oracledb', load)
  const { user, password, tls, host, timeoutMs } = address
  const checked = tls === null ? {} : { sslServerDNMatch: true, sslServerCertDN: host, ...walletOf(tls.ca) }
  const connection = await driver.getConnection({ user, password, connectString: toDescriptor(address), ...checked })
  connection.callTimeout = timeoutMs
  return openSession(driver, connection)
}

const walletOf = (ca: string | undefined): { readonly walletContent?: string } =>
  ca === undefined ? {} : { walletContent: ca }

async function openSession(driver: OracleDriver, connection: OracleConnection): Promise<SqlConnection> {
  const options = {
    outFormat: driver.OUT_FORMAT_ARRAY,
    maxRows: 0,
    autoCommit: true,
    // A long text comes as text, not as a stream.
    fetchTypeHandler: () => ({ type: driver.STRING }),
  }
  const query = async ({ text, values }: Statement): Promise<readonly (readonly (string | null)[])[]> =>
    (await connection.execute(text, values, options)).rows ?? []
  const [[zone] = []] = await query({ text: `select to_char(systimestamp, 'TZH:TZM') from dual`, values: [] })
  await query({ text: session(zone ?? '+00:00'), values: [] })
  return {
    zone: zone ?? '+00:00',
    query,
    change: async (statement) => void (await query(statement)),
    close: () => connection.close(),
  }
}

// Oracle's own numbers for a lock, too many sessions, a start or stop of the server, a broken connection, an old snapshot.
const passingErrors: ReadonlySet<number> = new Set([
  18, 20, 54, 60, 1013, 1033, 1034, 1089, 1555, 2391, 3113, 3114, 3135, 12170, 12516, 12518, 12519, 12520, 12528, 12537,
  12541, 30006,
])

function faultOf(error: unknown): SqlFault | null {
  if (!(error instanceof Error) || !('code' in error)) return null
  const code = String(error.code)
  const number = 'errorNum' in error ? Number(error.errorNum) : 0
  if (code.startsWith('ORA-')) return { code, passes: passingErrors.has(number) }
  // NJS-5xx are the driver's own words for what happens to a connection; others tell of a server it cannot speak with.
  return code.startsWith('NJS-') && !code.startsWith('NJS-5') ? { code, passes: false } : null
}

export const oracle: SqlDatabase = { dialect, connect, faultOf }
