import { holdsPersonalNumber } from './formats.ts'

/**
 * How the rows of a source differ from what its manifest names, as counts of rows by a key that can be added up over pages.
 * Names of unknown fields are the source's own words and may name a person when they are malformed, so only plain ones are
 * kept, 50 at most; the rest is counted under the empty name.
 */
export type DriftCounts = Readonly<Record<string, number>>

const PLAIN_NAME = /^[A-Za-z_\u4e00-\u9fff][\w\u4e00-\u9fff]{0,59}$/
export const MOST_UNKNOWN_NAMES = 50

/** Rows that were looked at: objects that are no deletions. */
export const DRIFT_ROWS = 'rows'

export const unknownKey = (name: string): string => `unknown/${name}`
export const missingKey = (property: string): string => `missing/${property}`
export const retypedKey = (property: string, was: readonly string[], now: readonly string[]): string =>
  `retyped/${property}/${was.join('|')}/${now.join('|')}`

/** The name as it may be kept; empty where it may not. */
export const keptName = (name: string): string => (PLAIN_NAME.test(name) && !holdsPersonalNumber(name) ? name : '')

export interface DriftReport {
  readonly rows: number
  /** Fields that the manifest does not name; an empty name stands for all that are not kept by name. */
  readonly unknown: readonly { readonly field: string; readonly rows: number }[]
  /** Properties whose source field was missing from every row of some page. */
  readonly missing: readonly { readonly field: string; readonly rows: number }[]
  /** Properties whose source field came in a type that it never had before. */
  readonly retyped: readonly {
    readonly field: string
    readonly was: string
    readonly now: string
    readonly rows: number
  }[]
}

/** The counts of a run as a report. */
export function describeDrift(counts: DriftCounts): DriftReport {
  const entries = Object.entries(counts).map(([key, rows]) => ({ parts: key.split('/'), rows }))
  const of = (kind: string) => entries.filter(({ parts }) => parts[0] === kind)
  return {
    rows: counts[DRIFT_ROWS] ?? 0,
    unknown: of('unknown').map(({ parts: [, field = ''], rows }) => ({ field, rows })),
    missing: of('missing').map(({ parts: [, field = ''], rows }) => ({ field, rows })),
    retyped: of('retyped').map(({ parts: [, field = '', was = '', now = ''], rows }) => ({ field, was, now, rows })),
  }
}
