/** The closed manifest as a type. `schemas/manifest.schema.json` is the truth; a test holds the two together. */
export type Pointer = string

export interface ReadWindow {
  readonly lookbackSeconds: number
  readonly settleSeconds: number
  /** RFC 3339; where the first run begins. */
  readonly start: string
}

export type HttpAuth =
  | { readonly kind: 'none' }
  | { readonly kind: 'bearer'; readonly token: string }
  | { readonly kind: 'hmac-sm3'; readonly appKey: string; readonly appSecret: string }

export type Paging =
  | { readonly kind: 'token'; readonly size: number; readonly next: Pointer }
  | { readonly kind: 'offset'; readonly size: number; readonly total?: Pointer }

export interface HttpSourceManifest {
  readonly kind: 'http'
  readonly baseUrl: string
  readonly auth: HttpAuth
  readonly request: { readonly method: 'GET'; readonly path: string; readonly query: Readonly<Record<string, string>> }
  readonly records: Pointer
  readonly paging: Paging
  readonly incremental?: { readonly window: ReadWindow; readonly tieBreaker: Pointer }
  readonly timeouts: { readonly connectMs: number; readonly totalMs: number }
}

export interface SqlSourceManifest {
  readonly kind: 'sql'
  readonly driver: 'postgresql'
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  /** Name of the secret, never the password itself. */
  readonly password: string
  readonly schema?: string
  readonly table: string
  readonly columns: readonly string[]
  readonly keyset: { readonly updatedAt: string; readonly id: string; readonly window: ReadWindow }
  readonly pageSize: number
  readonly timeoutMs: number
}

export interface FileSourceManifest {
  readonly kind: 'file'
  readonly directory: string
  readonly pattern: string
  readonly marker: { readonly suffix: string }
  readonly format: {
    readonly kind: 'csv'
    readonly encoding: 'gb18030' | 'utf-8'
    readonly delimiter: ',' | '|' | '\t'
  }
  readonly pageSize: number
}

export type SourceManifest = HttpSourceManifest | SqlSourceManifest | FileSourceManifest

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
  readonly limits: { readonly pageBytes: number; readonly pages: number }
  readonly schedule: { readonly cron: string; readonly timezone: string }
}
