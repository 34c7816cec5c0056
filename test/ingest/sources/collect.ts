import type { Cursor, Source } from '../../../src/ingest/sources/source.ts'

export interface Collected {
  readonly values: readonly unknown[]
  readonly cursor: Cursor
  /** Rows per page, the last and empty one included. */
  readonly pages: readonly number[]
  readonly total: number | undefined
}

/** Reads one run to its end. Each cursor goes through JSON, as it does when it is saved between two pages. */
export async function collect(source: Source, from: Cursor | null = null, now = new Date()): Promise<Collected> {
  return collectReopening(() => source, from, now)
}

/** Reads one run and takes a source from `open` for every page, as after a crash at each of them. */
export async function collectReopening(
  open: () => Source | Promise<Source>,
  from: Cursor | null = null,
  now = new Date(),
): Promise<Collected> {
  let read: Collected = { values: [], cursor: from ?? {}, pages: [], total: undefined }
  for (let page = 0; page < 10_000; page++) {
    const source = await open()
    const next = await source.readPage(page === 0 ? from : read.cursor, now)
    read = {
      values: [...read.values, ...next.rows.map(({ value }) => value)],
      cursor: throughJson(next.cursor),
      pages: [...read.pages, next.rows.length],
      total: next.total ?? read.total,
    }
    if (next.done) return read
  }
  throw new Error('the source never ended')
}

function throughJson(cursor: Cursor): Cursor {
  const saved: Cursor = JSON.parse(JSON.stringify(cursor))
  return saved
}
