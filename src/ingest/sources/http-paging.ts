import { AppError } from '../../errors.ts'
import type { Paging, Pointer } from '../../feeds/manifest-types.ts'
import type { HttpPosition } from './http-position.ts'
import { readPointer } from './pointer.ts'
import { shortHash } from './short-hash.ts'

/** One answer of the source, taken apart. */
export interface HttpPage {
  readonly rows: readonly unknown[]
  /** The token or link of the next page; null at the end and where paging needs none. */
  readonly next: string | null
  /** The source's own count of rows, and of pages, where it states one. */
  readonly total: number | null
  readonly pageCount: number | null
}

const REMEMBERED_MARKS = 64

type PagingByKind = { readonly [Kind in Paging['kind']]: Extract<Paging, { readonly kind: Kind }> }

/** `position` has counted the page already; what is left is where the next one is. */
type Advance<Kind extends Paging['kind']> = (
  position: HttpPosition,
  page: HttpPage,
  paging: PagingByKind[Kind],
  recordId: Pointer,
) => HttpPosition

const advances: { readonly [Kind in Paging['kind']]: Advance<Kind> } = {
  token: followNext,
  link: followNext,
  offset: (position, page, _paging, recordId) => {
    if (page.rows.length === 0) return end(position)
    const seen = refuseSamePage(position, page.rows, recordId)
    return { ...position, seen, offset: position.offset + page.rows.length }
  },
  page: (position, page, _paging, recordId) => {
    if (page.rows.length === 0) return end(position)
    const seen = refuseSamePage(position, page.rows, recordId)
    const next = { ...position, seen, offset: position.offset + 1 }
    return page.pageCount !== null && next.offset >= page.pageCount ? end(next) : next
  },
  keyset: (position, page, paging) => {
    if (page.rows.length === 0) return end(position)
    const key = toKey(readPointer(page.rows.at(-1), paging.key))
    const seen = remember(position, JSON.stringify(key), 'ends with a key that was there before')
    return { ...position, key, seen }
  },
}

/** The position after a page was read. Throws AppError SOURCE_PAGE_REPEATED and SOURCE_BODY_INVALID (no key). */
export function advancePlace(position: HttpPosition, page: HttpPage, paging: Paging, recordId: Pointer): HttpPosition {
  // An answer past the end may state a total of 0, so what was stated beside rows counts.
  const total = page.rows.length > 0 || position.total === null ? page.total : position.total
  return advanceKind(paging.kind, { ...position, total }, page, paging, recordId)
}

function advanceKind<Kind extends Paging['kind']>(
  kind: Kind,
  position: HttpPosition,
  page: HttpPage,
  paging: PagingByKind[Kind],
  recordId: Pointer,
): HttpPosition {
  return advances[kind](position, page, paging, recordId)
}

function followNext(position: HttpPosition, page: HttpPage): HttpPosition {
  if (page.next === null) return end({ ...position, token: null })
  const seen = remember(position, page.next, 'names a next page that this run has read already')
  return { ...position, token: page.next, seen }
}

const end = (position: HttpPosition): HttpPosition => ({ ...position, state: 'done' })

/** The latest marks with this one. A source that goes round in a larger circle is stopped by limits.pages. */
function remember(position: HttpPosition, text: string, fault: string): readonly string[] {
  const mark = shortHash(text)
  if (position.seen.includes(mark)) throw new AppError('SOURCE_PAGE_REPEATED', `page ${position.pages} ${fault}`)
  return [...position.seen, mark].slice(-REMEMBERED_MARKS)
}

/** A source that ignores its place sends its first page for ever. One row alone may rightly come twice when rows shift. */
function refuseSamePage(position: HttpPosition, rows: readonly unknown[], recordId: Pointer): readonly string[] {
  const edges = [rows.length, readPointer(rows[0], recordId), readPointer(rows.at(-1), recordId)]
  if (rows.length === 1 || edges.includes(undefined)) return []
  const mark = shortHash(JSON.stringify(edges))
  if (position.seen.includes(mark)) {
    throw new AppError('SOURCE_PAGE_REPEATED', `page ${position.pages} brought the rows of the page before it`)
  }
  return [mark]
}

function toKey(value: unknown): string | number {
  if (typeof value === 'number' || (typeof value === 'string' && value !== '' && value.length <= 1000)) return value
  throw new AppError('SOURCE_BODY_INVALID', 'the last row of a page has no key; wanted a number or a short text')
}
