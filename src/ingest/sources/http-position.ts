import { AppError } from '../../errors.ts'
import type { HttpSourceManifest, Pointer } from '../../feeds/manifest-types.ts'
import { isCount, isFlag, isListOf, isOneOf, isShape, isText, orNull, toCursor } from './cursor.ts'
import { clockOf } from './http-time.ts'
import { nextWindow } from './http-window.ts'
import type { HttpWindow } from './http-window.ts'
import { readPointer } from './pointer.ts'
import type { Cursor } from './source.ts'

/** The last row read: its time in the source's own words, in milliseconds since 1970, and its record id. */
type LastRow = { readonly at: string; readonly milliseconds: number; readonly tie: string }

/** Where reading an HTTP source stands. */
export type HttpPosition = {
  readonly kind: 'http'
  readonly state: 'reading' | 'done'
  /** Null for a source that is read whole. */
  readonly window: HttpWindow | null
  /** The page token, or the link to the next page as path and query. */
  readonly token: string | null
  /** Key of the last row, where paging is by keyset. */
  readonly key: string | number | null
  /** Rows before the next page; pages before it, where paging is by page number. */
  readonly offset: number
  /** Pages and rows of this run. */
  readonly pages: number
  readonly rows: number
  /** Rows of this run that lie before the window, since it was narrowed (http-narrow.ts). */
  readonly before: number
  /** Rows that came since the window was begun, with those that came again. */
  readonly here: number
  /** Short hashes of rows that were handed out and that the narrowed window brings again. */
  readonly ties: readonly string[]
  /** How often the window was begun again because its total changed. */
  readonly rewinds: number
  readonly rewoundAt: string | null
  /** What the source last said the window holds. */
  readonly total: number | null
  /** Short hashes of the latest tokens, links or keys; of the latest page's edges where paging is by offset or number. */
  readonly seen: readonly string[]
  readonly last: LastRow | null
  /** True while the rows came in the order of their times, so that `last` is a safe place to read again from. */
  readonly ordered: boolean
  /** Where the window was begun again after its token had expired. */
  readonly restartedAt: string | null
}

export interface RowPointers {
  readonly updatedAt: Pointer | undefined
  readonly recordId: Pointer
}

const checks = {
  kind: isOneOf('http'),
  state: isOneOf('reading', 'done'),
  window: orNull(isShape<HttpWindow>({ from: isText, to: isText })),
  token: orNull(isText),
  key: (value: unknown) => value === null || typeof value === 'number' || isText(value),
  offset: isCount,
  pages: isCount,
  rows: isCount,
  before: isCount,
  here: isCount,
  ties: isListOf(isText),
  rewinds: isCount,
  rewoundAt: orNull(isText),
  total: orNull(isCount),
  seen: isListOf(isText),
  last: orNull(isShape<LastRow>({ at: isText, milliseconds: Number.isFinite, tie: isText })),
  ordered: isFlag,
  restartedAt: orNull(isText),
}

const beginning: HttpPosition = {
  kind: 'http',
  state: 'reading',
  window: null,
  token: null,
  key: null,
  offset: 0,
  pages: 0,
  rows: 0,
  before: 0,
  here: 0,
  ties: [],
  rewinds: 0,
  rewoundAt: null,
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
  const { window: wanted, time } = manifest.incremental
  const window = nextWindow(wanted, saved?.window?.to ?? null, now, clockOf(time).precisionMs)
  return window === null ? (saved ?? { ...beginning, state: 'done' }) : { ...beginning, window }
}

/** The position with a page's rows counted, `fresh` of them for the first time; where the next page is, the kind of paging says. */
export function countRows(
  manifest: HttpSourceManifest,
  pointers: RowPointers,
  position: HttpPosition,
  rows: readonly unknown[],
  fresh: number,
): HttpPosition {
  const order = followOrder(manifest, pointers, position, rows)
  const counts = { pages: position.pages + 1, rows: position.rows + fresh, here: position.here + rows.length }
  return { ...position, ...order, ...counts }
}

/**
 * The same run, begun again after its page token expired: at the last row's time, which is included, if the rows came in
 * order; else at the window's beginning. Rows read twice do no harm. Throws AppError SOURCE_REFUSED when the token expires
 * twice at one place.
 */
export function restart(position: HttpPosition): HttpPosition {
  const { window, last, ordered } = position
  const at = window !== null && last !== null && ordered ? new Date(last.milliseconds).toISOString() : null
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

function followOrder(
  manifest: HttpSourceManifest,
  pointers: RowPointers,
  position: HttpPosition,
  rows: readonly unknown[],
): Pick<HttpPosition, 'last' | 'ordered'> {
  const clock = clockOf(manifest.incremental?.time)
  let { last, ordered } = position
  for (const row of rows) {
    const at = pointers.updatedAt === undefined ? undefined : readPointer(row, pointers.updatedAt)
    const milliseconds = clock.read(at)
    ordered &&= milliseconds !== null && (last === null || last.milliseconds <= milliseconds)
    const tie = readPointer(row, manifest.incremental?.tieBreaker ?? pointers.recordId)
    if (milliseconds !== null)
      last = {
        at: String(at),
        milliseconds,
        tie: typeof tie === 'string' || typeof tie === 'number' ? String(tie) : '',
      }
  }
  return { last, ordered }
}
