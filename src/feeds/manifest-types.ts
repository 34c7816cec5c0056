import type { HttpAuth } from './manifest-auth.ts'
import type { FileSourceManifest } from './manifest-file.ts'

/** The closed manifest as a type. `schemas/manifest.schema.json` is the truth; a test holds the two together. */
export type Pointer = string

export interface ReadWindow {
  readonly lookbackSeconds: number
  readonly settleSeconds: number
  /** RFC 3339; where the first run begins. */
  readonly start: string
}

export type Paging =
  | { readonly kind: 'token'; readonly size: number; readonly next: Pointer; readonly total?: Pointer }
  | { readonly kind: 'offset'; readonly size: number; readonly total?: Pointer }
  | PagePaging
  | KeysetPaging
  | { readonly kind: 'link'; readonly size: number; readonly total?: Pointer }

export interface PagePaging {
  readonly kind: 'page'
  readonly size: number
  readonly first: 0 | 1
  readonly total?: Pointer
  readonly pageCount?: Pointer
}

export interface KeysetPaging {
  readonly kind: 'keyset'
  readonly size: number
  /** Where the key is in a row. */
  readonly key: Pointer
  readonly start?: string | number
  readonly total?: Pointer
}

/** A literal or one variable of the fixed list. */
export type HttpValue = string | number | boolean

export interface SoapBody {
  readonly kind: 'soap'
  readonly version: '1.1' | '1.2'
  readonly namespace: string
  readonly operation: string
  readonly action?: string
  readonly qualified?: boolean
  readonly parameters: readonly { readonly name: string; readonly value: string }[]
}

export type HttpRequestBody =
  | {
      readonly kind: 'json'
      readonly fields: Readonly<Record<string, HttpValue | readonly HttpValue[] | Readonly<Record<string, HttpValue>>>>
    }
  | { readonly kind: 'form'; readonly fields: Readonly<Record<string, string>> }
  | SoapBody

export type HttpAnswerFormat =
  | { readonly kind: 'json' }
  | { readonly kind: 'ndjson' }
  | { readonly kind: 'xml'; readonly embedded?: { readonly at: Pointer; readonly kind: 'json' | 'xml' } }

export type TimeFormatName =
  | 'rfc3339'
  | 'yyyy-MM-dd HH:mm:ss'
  | 'yyyyMMddHHmmss'
  | 'epoch-seconds'
  | 'epoch-milliseconds'

export interface SourceTime {
  readonly format: TimeFormatName
  readonly zone?: 'Asia/Shanghai' | 'UTC'
}

export interface HttpSourceManifest {
  readonly kind: 'http'
  readonly baseUrl: string
  readonly auth: HttpAuth
  /** Names of secrets that hold PEM text. */
  readonly tls?: { readonly certificate?: string; readonly key?: string; readonly authority?: string }
  readonly request: {
    readonly method: 'GET' | 'POST'
    readonly path: string
    readonly query: Readonly<Record<string, string>>
    readonly body?: HttpRequestBody
  }
  readonly answer?: HttpAnswerFormat
  readonly success?: { readonly pointer: Pointer; readonly values: readonly (string | number | boolean)[] }
  /** Empty where the whole answer is the list. */
  readonly records: Pointer
  readonly paging: Paging
  readonly incremental?: { readonly window: ReadWindow; readonly tieBreaker: Pointer; readonly time?: SourceTime }
  readonly timeouts: { readonly connectMs: number; readonly totalMs: number }
}

export type SqlDriver = 'postgresql' | 'kingbase' | 'mysql' | 'mariadb' | 'oracle' | 'sqlserver' | 'dameng'

/** `ca` is the name of a secret that holds PEM. */
export type SqlTls =
  | { readonly kind: 'off' }
  | { readonly kind: 'verify'; readonly ca?: string; readonly serverName?: string }

export type SqlFilterValue = string | number | boolean

export type SqlFilter =
  | { readonly kind: 'and' | 'or'; readonly filters: readonly SqlFilter[] }
  | { readonly kind: 'not'; readonly filter: SqlFilter }
  | {
      readonly kind: 'compare'
      readonly column: string
      readonly op: '=' | '<>' | '<' | '<=' | '>' | '>='
      readonly value: SqlFilterValue
    }
  | { readonly kind: 'in'; readonly column: string; readonly values: readonly SqlFilterValue[] }
  | { readonly kind: 'is-null'; readonly column: string }
  | { readonly kind: 'like-prefix'; readonly column: string; readonly prefix: string }

/** The state column of an exchange table, SYNC_FLAG. */
export interface SqlFlag {
  readonly column: string
  readonly ready: readonly string[]
  readonly writing?: readonly string[]
  readonly done: string
  readonly mark: boolean
}

export type SqlReading =
  | { readonly kind: 'keyset'; readonly updatedAt: string; readonly id: string; readonly window: ReadWindow }
  | { readonly kind: 'whole'; readonly id: string }
  | {
      readonly kind: 'exchange'
      readonly operationTime: string
      readonly id: string
      readonly sequence?: string
      readonly window: ReadWindow
      readonly batch?: string
      readonly flag?: SqlFlag
    }

export interface SqlSourceManifest {
  readonly kind: 'sql'
  readonly driver: SqlDriver
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  /** Name of the secret, never the password itself. */
  readonly password: string
  readonly tls: SqlTls
  readonly schema?: string
  /** A table or a view. */
  readonly table: string
  readonly columns: readonly string[]
  readonly filter?: SqlFilter
  readonly reading: SqlReading
  readonly pageSize: number
  readonly timeoutMs: number
}

/** The department posts signed batches; nothing of it is called. */
export interface PushSourceManifest {
  readonly kind: 'push'
  /** Names of secrets. */
  readonly auth: {
    readonly kind: 'hmac'
    readonly digest: 'sm3' | 'sha256'
    readonly appKey: string
    readonly appSecret: string
  }
  /** How a file is read that is posted instead of rows; none is taken where it is not given. */
  readonly upload?: FileSourceManifest['format']
  /** Rows of one page. */
  readonly pageSize: number
}

export type SourceManifest = HttpSourceManifest | SqlSourceManifest | FileSourceManifest | PushSourceManifest

export interface Mapping {
  readonly to: string
  readonly from?: Pointer
  readonly constant?: string | number | boolean
  readonly codes?: Readonly<Record<string, string | number | boolean>>
  readonly date?: 'yyyy-MM-dd' | 'yyyyMMdd' | 'yyyy/MM/dd'
  readonly type?: 'string' | 'number' | 'integer' | 'boolean'
}

export type Deletes =
  | { readonly kind: 'none' }
  | { readonly kind: 'flag'; readonly pointer: Pointer; readonly values: readonly (string | number | boolean)[] }
  | { readonly kind: 'missing'; readonly guardRatio: number }

/** How an incremental feed is compared with its source from time to time. */
export interface Compare {
  readonly everyDays: number
  /** The share of the living records that one compare may remove. */
  readonly guardRatio: number
}

export interface Schedule {
  readonly cron: string
  readonly timezone: string
  /** `HH:mm-HH:mm` in the time zone; the source is not called then. */
  readonly blackout?: readonly string[]
}

/** A row and what must become of it. */
export interface ManifestTest {
  readonly name: string
  /** As the source hands it out; made up. */
  readonly row: unknown
  readonly expect: ExpectedOutcome
}

export type ExpectedOutcome =
  | {
      readonly kind: 'record'
      /** By property; null: the record has none. Properties that are not named may be anything. */
      readonly fields: Readonly<Record<string, unknown>>
      /** Ids of quality rules; where absent they may be any. */
      readonly warnings?: readonly string[]
    }
  | { readonly kind: 'deletion' }
  | { readonly kind: 'rejection'; readonly rules: readonly string[] }

export interface Manifest {
  readonly manifestVersion: 1
  readonly feed: {
    readonly code: string
    readonly department: string
    readonly dataset: string
    readonly title: string
    readonly titleEn: string
    readonly updateCycle: string
  }
  readonly source: SourceManifest
  readonly record: { readonly id: Pointer; readonly updatedAt?: Pointer }
  readonly map: readonly Mapping[]
  readonly deletes: Deletes
  readonly compare?: Compare
  readonly quality: { readonly errorBudget: { readonly records: number; readonly ratio: number } }
  readonly limits: {
    readonly pageBytes: number
    readonly pages: number
    readonly requestsPerSecond?: number
    readonly requestsPerDay?: number
  }
  readonly schedule: Schedule
  readonly tests?: readonly ManifestTest[]
}
