import { hash } from 'node:crypto'
import { AppError } from '../../errors.ts'
import type { HttpSourceManifest, Pointer } from '../../feeds/manifest-types.ts'
import { isCount, isFlag, isListOf, isOneOf, isShape, isText, orNull, toCursor } from './cursor.ts'
import { nextWindow } from './http-window.ts'
import type { HttpWindow } from './http-window.ts'
import { readPointer } from './pointer.ts'
import type { Cursor } from './source.ts'

/** The last row read, by the source's own time and record id. */
type LastRow = { readonly at: string; readonly tie: string }

/** Where reading an HTTP source stands. */
export type HttpPosition = {
  readonly kind: 'http'
  readonly state: 'reading' | 'done'
  /** Null for a source that is read whole. */
  readonly window: HttpWindow | null
  readonly token: string | null
  readonly offset: number
  /** Pages and rows of this run. */
  readonly pages: number
  readonly rows: number
  /** What the source last said it offers. */
  readonly total: number | null
  /** Short hashes of the latest page tokens, or of the latest page's edges where paging is by offset. */
  readonly seen: readonly string[]
  readonly last: LastRow | null
  /** True while the rows came in the order of their times, so that `last` is a safe place to read again from. */
  readonly ordered: boolean
  /** Where the window was begun again after its token had expired. */
  readonly restartedAt: string | null
}

/** One answer of the source, taken apart. */
export interface HttpPage {
  readonly rows: readonly unknown[]
  /** The token of the next page; null at the end and where paging is by offset. */
  readonly next: string | null
  /** The source's own count, where it states one. */
  readonly total: number | null
}

export interface RowPointers {
  readonly updatedAt: Pointer | undefined
  readonly recordId: Pointer
}

const REMEMBERED_TOKENS = 64

// A time without an offset cannot be sent back as RFC 3339 without guessing the source's time zone.
const rfc3339 = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/

const checks = {
  kind: isOneOf('http'),
  state: isOneOf('reading', 'done'),
  window: orNull(isShape<HttpWindow>({ from: isText, to: isText })),
  token: orNull(isText),
  offset: isCount,
  pages: isCount,
  rows: isCount,
  total: orNull(isCount),
  seen: isListOf(isText),
  last: orNull(isShape<LastRow>({ at: isText, tie: isText })),
  ordered: isFlag,
  restartedAt: orNull(isText),
}

const beginning: HttpPosition = {
  kind: 'http',
  state: 'reading',
  window: null,
  token: null,
  offset: 0,
  pages: 0,
  rows: 0,
  total: null,
  seen: [],
  last: null,
  ordered: true,
  restartedAt: null,
}

/** The position to read at: the saved one inside a run, else the beginning of a new run; `done` when there is nothing to read yet. */
export function findPosition(manifest: HttpSourceManifest, cursor: Cursor | null, now: Date): HttpPosition {
  const saved = cursor === null ? null : toCursor<HttpPosition>(cursor, checks)
  if (saved?.state === 'reading') return saved
  if (manifest.incremental === undefined) return beginning
  const window = nextWindow(manifest.incremental.window, saved?.window?.to ?? null, now)
  return window === null ? (saved ?? { ...beginning, state: 'done' }) : { ...beginning, window }
}

/** The position after a page was read. Throws AppError SOURCE_PAGE_REPEATED and SOURCE_BODY_INVALID (rows are missing). */
export function advance(
  manifest: HttpSourceManifest,
  pointers: RowPointers,
  position: HttpPosition,
  page: HttpPage,
): HttpPosition {
  const read = {
    ...position,
    ...followOrder(manifest, pointers, position, page.rows),
    pages: position.pages + 1,
    rows: position.rows + page.rows.length,
  }
  return manifest.paging.kind === 'token' ? advanceToken(read, page) : advanceOffset(read, page, pointers.recordId)
}

/**
 * The same run, begun again after its page token expired: at the last row's time, which is included, if the rows came in
 * order; else at the window's beginning. Rows read twice do no harm. Throws AppError SOURCE_REFUSED when the token expires
 * twice at one place.
 */
export function restart(position: HttpPosition): HttpPosition {
  const { window, last, ordered } = position
  const at = window !== null && last !== null && ordered ? new Date(Date.parse(last.at)).toISOString() : null
  const from = at ?? window?.from ?? 'the beginning'
  if (position.restartedAt === from) {
    throw new AppError(
      'SOURCE_REFUSED',
      `the page token expired again before ${from} was passed; ask for a longer life`,
    )
  }
  const begun = { ...beginning, pages: position.pages, restartedAt: from }
  return window === null ? begun : { ...begun, window: { from, to: window.to } }
}

function advanceToken(position: HttpPosition, page: HttpPage): HttpPosition {
  if (page.next === null) return { ...position, state: 'done', token: null }
  const mark = shortHash(page.next)
  if (position.seen.includes(mark)) {
    throw new AppError(
      'SOURCE_PAGE_REPEATED',
      `page ${position.pages} names a next page that this run has read already`,
    )
  }
  return { ...position, token: page.next, seen: [...position.seen, mark].slice(-REMEMBERED_TOKENS) }
}

function advanceOffset(position: HttpPosition, page: HttpPage, recordId: Pointer): HttpPosition {
  // An answer past the end may state a total of 0, so what was stated beside rows counts.
  const total = page.rows.length > 0 || position.total === null ? page.total : position.total
  if (page.rows.length > 0) {
    const seen = refuseSamePage(position, page.rows, recordId)
    return { ...position, offset: position.offset + page.rows.length, total, seen }
  }
  if (total !== null && position.rows < total) {
    throw new AppError('SOURCE_BODY_INVALID', `the source stated ${total} rows and sent ${position.rows}`)
  }
  return { ...position, state: 'done', total }
}

/** A source that ignores the offset sends its first page for ever. One row alone may rightly come twice when rows shift. */
function refuseSamePage(position: HttpPosition, rows: readonly unknown[], recordId: Pointer): readonly string[] {
  const edges = [rows.length, readPointer(rows[0], recordId), readPointer(rows.at(-1), recordId)]
  if (rows.length === 1 || edges.includes(undefined)) return []
  const mark = shortHash(JSON.stringify(edges))
  if (position.seen.includes(mark)) {
    throw new AppError('SOURCE_PAGE_REPEATED', `offset ${position.offset} brought the rows of the page before it`)
  }
  return [mark]
}

function followOrder(
  manifest: HttpSourceManifest,
  pointers: RowPointers,
  position: HttpPosition,
  rows: readonly unknown[],
): Pick<HttpPosition, 'last' | 'ordered'> {
  let { last, ordered } = position
  for (const row of rows) {
    const at = pointers.updatedAt === undefined ? undefined : readPointer(row, pointers.updatedAt)
    const isTime = typeof at === 'string' && rfc3339.test(at) && !Number.isNaN(Date.parse(at))
    ordered &&= isTime && (last === null || Date.parse(last.at) <= Date.parse(at))
    const tie = readPointer(row, manifest.incremental?.tieBreaker ?? pointers.recordId)
    if (isTime) last = { at, tie: typeof tie === 'string' || typeof tie === 'number' ? String(tie) : '' }
  }
  return { last, ordered }
}

function shortHash(text: string): string {
  return hash('sha256', text, 'buffer').subarray(0, 8).toString('base64url')
}
