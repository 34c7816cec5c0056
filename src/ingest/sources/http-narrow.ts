import { AppError } from '../../errors.ts'
import type { HttpSourceManifest } from '../../feeds/manifest-types.ts'
import type { HttpPage } from './http-paging.ts'
import type { HttpPosition, RowPointers } from './http-position.ts'
import { clockOf } from './http-time.ts'
import { readPointer } from './pointer.ts'
import { shortHash } from './short-hash.ts'

/** So often a window is begun again because the source's count did not fit what it sent; then its department must look. */
const MOST_REWINDS = 3

/** After so long a window may be begun again as often anew, so that a later run is not bound by what an earlier one met. */
const REST_MS = 5 * 60_000

/**
 * A place that is counted (offset, page number) moves when rows before it leave the window, because they were changed: the rows
 * behind it are then never read. So the next request begins, wherever it can, at the time of the last row and counts from there;
 * behind rows of one time that filled a page, at the time after theirs. Returns the position of that request, or null where the
 * rows came in no order of time, or all with one time. An answer that holds the whole window at once ends it.
 */
export function narrow(
  manifest: HttpSourceManifest,
  pointers: RowPointers,
  read: HttpPosition,
  page: HttpPage,
): HttpPosition | null {
  const { window } = read
  if (!countsPlaces(manifest) || window === null || !read.ordered) return null
  if (page.rows.length > 0 && page.rows.length === page.total && read.here === page.total) {
    return { ...read, state: 'done', total: page.total }
  }
  const clock = clockOf(manifest.incremental?.time)
  const from = findStart(read, page, Date.parse(window.from), clock.precisionMs)
  if (from === null || from >= Date.parse(window.to)) return null
  const comesAgain = (row: unknown): boolean => (clock.read(timeOf(row, pointers)) ?? -Infinity) >= from
  const ties = page.rows.filter(comesAgain).map(markOf)
  return {
    ...beginAgain(read),
    window: { from: new Date(from).toISOString(), to: window.to },
    ties,
    before: read.rows - ties.length,
  }
}

/** Whether the next page is found by its place, which other rows can move. */
const countsPlaces = ({ paging }: HttpSourceManifest): boolean => paging.kind === 'offset' || paging.kind === 'page'

/** Where the narrowed window begins, in milliseconds since 1970; null where it cannot be narrowed yet. */
function findStart(read: HttpPosition, page: HttpPage, from: number, precisionMs: number): number | null {
  const lastAt = Math.floor((read.last?.milliseconds ?? -Infinity) / precisionMs) * precisionMs
  const isBehind = page.rows.length === 0 || lastAt > from
  if (read.offset === 0) return page.rows.length > 0 && isBehind ? lastAt : null
  // What was counted to lies behind rows of one time; those after them may have moved to where nobody looked.
  const isMissing = read.total !== null && read.here < read.total
  return isBehind && !isMissing ? from + precisionMs : null
}

/** The rows of an answer without those that the window, when it was narrowed, was known to bring again. */
export function leaveOutTies({ ties }: HttpPosition, rows: readonly unknown[]): readonly unknown[] {
  if (ties.length === 0) return rows
  const known = new Set(ties)
  return rows.filter((row) => !known.has(markOf(row)))
}

/** Whether rows left the window between two pages, so that others may have moved to a place that was passed already. */
export function hasShrunk(manifest: HttpSourceManifest, position: HttpPosition, page: HttpPage): boolean {
  if (!countsPlaces(manifest) || position.here === 0 || page.rows.length === 0) return false
  return (page.total ?? Infinity) < (position.total ?? -Infinity)
}

/** Whether the source stated more rows than it sent up to its last page: some came in behind the reader, or never come. */
export function isShort({ state, total, here }: HttpPosition): boolean {
  return state === 'done' && total !== null && here < total
}

/** The window begun again. Throws AppError SOURCE_BODY_INVALID when that did not help just now. */
export function rewind(position: HttpPosition, page: HttpPage, now: Date): HttpPosition {
  const isRested = now.getTime() - Date.parse(position.rewoundAt ?? '') > REST_MS
  const rewinds = isRested ? 1 : position.rewinds + 1
  if (rewinds <= MOST_REWINDS) return { ...beginAgain(position), rewinds, rewoundAt: now.toISOString() }
  const stated = Math.min(page.total ?? Infinity, position.total ?? Infinity)
  const detail = `the source stated ${stated} rows and sent ${position.here}, over again`
  throw new AppError('SOURCE_BODY_INVALID', `${detail}; order its rows by update time, or page by keyset`)
}

/** The window from its first page on. What was handed out stays counted. */
export const beginAgain = (position: HttpPosition): HttpPosition => ({
  ...position,
  token: null,
  key: null,
  offset: 0,
  here: 0,
  total: null,
  seen: [],
  last: null,
})

const timeOf = (row: unknown, { updatedAt }: RowPointers): unknown =>
  updatedAt === undefined ? undefined : readPointer(row, updatedAt)

const markOf = (row: unknown): string => shortHash(JSON.stringify(row) ?? '')
