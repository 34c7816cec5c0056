import type { SqlFilterValue, SqlSourceManifest } from '../../feeds/manifest-types.ts'
import type { ImportDriver } from './sql-driver.ts'
import type { Sql, Statement } from './sql-text.ts'

/** A row as texts, in the order of the select list. */
export type TextRow = readonly (string | null)[]

/** The server's certificate is always checked, against `ca` (PEM) or Node's own list. */
export interface SqlTlsOptions {
  readonly ca?: string
  readonly rejectUnauthorized: true
  readonly minVersion: 'TLSv1.2'
}

/** Sends a piece of SQL and gives its rows. */
export type Ask = (statement: Sql) => Promise<readonly TextRow[]>

/** Where and as whom to connect. `address` is the one the egress guard checked; `host` is the name in the certificate. */
export interface SqlAddress {
  readonly address: string
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  readonly password: string
  /** Null: without TLS. */
  readonly tls: SqlTlsOptions | null
  readonly timeoutMs: number
  /** What a page may hold; a larger answer is given up while it arrives, where the driver lets us. */
  readonly pageBytes: number
  /** True only for the connection that marks rows of an exchange table. */
  readonly writes: boolean
}

/** One session with a department's database. Statements are sent one after another. */
export interface SqlConnection {
  /** Offset of the database's own wall clock, `+08:00`. */
  readonly zone: string
  readonly query: (statement: Statement) => Promise<readonly TextRow[]>
  /** Runs a statement that changes rows, and commits. */
  readonly change: (statement: Statement) => Promise<void>
  readonly close: () => Promise<void>
}

/** What the database itself said of a failure: its code, which holds no row value, and whether it may pass by itself. */
export interface SqlFault {
  readonly code: string
  readonly passes: boolean
}

/** How a column tells a row's place in an order. */
export interface KeyRules {
  /** SQL of the value as an exact text for the cursor. */
  readonly position: (value: Sql) => Sql
  /** SQL of such a text as a value of the column's type. */
  readonly bind: (text: string) => Sql
  /** True where the database holds two values for equal only if their texts are; not so under most collations. */
  readonly exact: boolean
}

/** What a time column needs to be read by windows of the database's own clock. */
export interface ClockRules {
  /** SQL of the moment that an RFC 3339 text names. */
  readonly instant: (text: string) => Sql
  /** SQL of the database's clock, cut to the precision of the column: a row of the running second is not over yet. */
  readonly now: Sql
  readonly earlier: (time: Sql, seconds: number) => Sql
  /** SQL condition for values that no window reaches. */
  readonly unreachable: (column: Sql) => Sql
}

/** What a type of the database means to us. */
export interface TypeRules {
  /** SQL of the value as text, with every digit. */
  readonly select: (value: Sql) => Sql
  /** The value behind that text. */
  readonly read: (text: string) => unknown
  /** SQL of a manifest's filter value in the column's type; null where one cannot choose by the type. */
  readonly filter: ((value: SqlFilterValue) => Sql) | null
  /** True for the types that `like` is for. */
  readonly isText: boolean
  /** Null where rows cannot be ordered by it. */
  readonly key: KeyRules | null
  /** Null for what is no time. */
  readonly clock: ClockRules | null
}

/** A column as the catalogue describes it, in the database's own words. */
export interface CatalogueColumn {
  readonly name: string
  readonly type: string
  /** What else its type rules go by; each dialect's own. */
  readonly detail: string
}

/** A column found in the catalogue. */
export interface SqlColumn {
  readonly name: string
  readonly type: string
  readonly rules: TypeRules
}

/** How one database writes what all of them can do. */
export interface Dialect {
  readonly name: (identifier: string) => Sql
  /** The mark of the n-th bound value, from 1. */
  readonly mark: (place: number) => string
  /** The schema of a manifest that names none. */
  readonly ownSchema: (manifest: SqlSourceManifest) => string
  /** (schema, table) → rows of name, type, detail, of the columns that this account may see. */
  readonly catalogue: (schema: string, table: string) => Sql
  /** Null for a type that cannot be read. */
  readonly rulesOf: (column: CatalogueColumn, zone: string) => TypeRules | null
  /** True where (a, b) > (x, y) can be written so, and is quick. */
  readonly comparesTuples: boolean
  /** `select` with at most `count` rows. */
  readonly limited: (select: Sql, rest: Sql, count: number) => Sql
  /** `update` of the table, which is named t in the condition. */
  readonly update: (table: Sql, set: Sql, condition: Sql) => Sql
  /** What ends a select from no table. */
  readonly fromNowhere: Sql
  /** Characters that mean something in `like`. */
  readonly likeSigns: RegExp
  readonly text: (value: Sql) => Sql
}

/** A dialect with the driver that speaks it. Loaded when the first source of its kind is opened. */
export interface SqlDatabase {
  readonly dialect: Dialect
  /** `load` imports a driver that we do not bring. Throws AppError DRIVER_MISSING, or what the driver throws. */
  readonly connect: (address: SqlAddress, load: ImportDriver) => Promise<SqlConnection>
  /** Null for an error that is not the database's answer, but a lost connection or a timeout. */
  readonly faultOf: (error: unknown) => SqlFault | null
}
