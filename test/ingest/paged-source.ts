import type { AppError } from '../../src/errors.ts'
import type { Cursor, Source } from '../../src/ingest/sources/source.ts'

/** One page of a made-up department system: its rows, or the error that asking for it brings. */
export type Page = readonly unknown[] | AppError

export interface PagedSource extends Source {
  /** The numbers of the pages that were asked for, in order. */
  readonly asked: readonly number[]
  /** What the system has from now on. */
  readonly offer: (pages: readonly Page[]) => void
}

const pageOf = (cursor: Cursor | null): number =>
  cursor === null || cursor['done'] === true ? 0 : Number(cursor['page'])

/** A department system that is read whole, page by page, each time from the beginning. `latencyMs` is the time of an answer. */
export function openPagedSource(pages: readonly Page[], latencyMs = 0): PagedSource {
  let offered = pages
  const asked: number[] = []
  return {
    asked,
    offer: (given) => {
      offered = given
    },
    readPage: async (cursor) => {
      const number = pageOf(cursor)
      asked.push(number)
      await new Promise((resolve) => {
        setTimeout(resolve, latencyMs)
      })
      const page = offered[number] ?? []
      if (page instanceof Error) throw page
      const done = number + 1 >= offered.length
      return { rows: page.map((value, row) => ({ row, value })), cursor: { page: number + 1, done }, done }
    },
    close: () => Promise.resolve(),
  }
}
