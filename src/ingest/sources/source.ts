import type { SourceRow } from '../../record.ts'
import type { ChunkPlace } from '../../store/push-batches.ts'

/**
 * Where reading stands, as plain JSON. Saved in the same transaction as the rows of the page it belongs to, so a crash
 * repeats a page and never skips one. Only the kind of source that wrote it reads it. Page tokens and record ids in it are the
 * source's own words and may name a person, so it rests sealed (protectCursor).
 */
export type Cursor = Readonly<Record<string, unknown>>

export interface SourcePage {
  readonly rows: readonly SourceRow[]
  /** Position after this page. */
  readonly cursor: Cursor
  /** True when this run has read all there is to read now; the next run goes on from `cursor`. */
  readonly done: boolean
  /** The source's own count of everything it offers in this run, where it states one. */
  readonly total?: number
  /** The source's own clock as it answered, in milliseconds since 1970, where it tells the time. */
  readonly sourceTime?: number
  /** To be called once the page is saved, so that the source may be told what is done with. Never throws. */
  readonly saved?: () => Promise<void>
  /** Rows that rest with us already: they are taken away in the transaction that saves the page. */
  readonly chunk?: ChunkPlace
}

/** One opened department system. Made by the `open…Source` function of its kind. */
export interface Source {
  /**
   * Reads the page after `cursor` (null: from the very beginning). `now` fixes the upper edge of a new reading window.
   * Throws AppError with a SOURCE_… code; it never drops a row and never ends early in silence.
   */
  readonly readPage: (cursor: Cursor | null, now: Date) => Promise<SourcePage>
  readonly close: () => Promise<void>
}

/** The clear secrets of one feed by the names its manifest uses. */
export type Secrets = Readonly<Record<string, string>>
