import { hash } from 'node:crypto'
import { toAppError, type ErrorCode } from '../errors.ts'
import { isObject } from '../feeds/code-tables.ts'
import type { Manifest } from '../feeds/manifest-types.ts'
import { createTimeReader } from './source-time.ts'
import { readPointer } from './sources/pointer.ts'
import type { Cursor, Source } from './sources/source.ts'

/** One row as the proof remembers it: hashes and its time, no value. */
export interface SampledRow {
  readonly id: string | null
  /** Update time in milliseconds since 1970; null where there is none that can be read. */
  readonly at: number | null
  readonly content: string
}

export interface SampledPage {
  readonly rows: number
  readonly milliseconds: number
}

/** What one reading of a bounded time brought. */
export interface Sample {
  readonly startedAt: number
  readonly pages: readonly SampledPage[]
  readonly rows: readonly SampledRow[]
  /** True when the source said that there is no more. */
  readonly ended: boolean
  /** Rows that the source says it has, where it says so. */
  readonly total: number | null
  /** The source's clock minus ours as it answered last; null where it does not tell the time. */
  readonly skewMs: number | null
  /** What the reading broke off with. */
  readonly fault: ErrorCode | null
  /** The cursor of the last page that was read. */
  readonly cursor: Cursor | null
}

export interface SampleOptions {
  readonly manifest: Manifest
  readonly open: () => Promise<Source>
  readonly now: Date
  /** When to stop, in milliseconds since the epoch; the page in hand is finished. */
  readonly endsAt: number
  /** Meets each page's rows, which are forgotten after. */
  readonly onRows?: (rows: readonly unknown[]) => void
}

/** Hashes of 200,000 rows take some 40 MB. */
const MOST_ROWS = 200_000

const short = (text: string): string => hash('sha256', text, 'buffer').subarray(0, 12).toString('base64url')

type ReadRow = (value: unknown) => SampledRow

function createRowReader(manifest: Manifest): ReadRow {
  const readTime = createTimeReader(manifest)
  return (value) => {
    const id = readPointer(value, manifest.record.id)
    return {
      id: id === undefined || id === null || id === '' ? null : short(JSON.stringify(id)),
      at: isObject(value) ? readTime(value) : null,
      content: short(JSON.stringify(value) ?? ''),
    }
  }
}

type Growing = { -readonly [Name in keyof Sample]: Sample[Name] } & { pages: SampledPage[]; rows: SampledRow[] }

async function readPages(source: Source, options: SampleOptions, sample: Growing): Promise<void> {
  const readRow = createRowReader(options.manifest)
  while (!sample.ended && Date.now() < options.endsAt && sample.rows.length < MOST_ROWS) {
    const askedAt = performance.now()
    const page = await source.readPage(sample.cursor, options.now)
    sample.pages.push({ rows: page.rows.length, milliseconds: Math.round(performance.now() - askedAt) })
    const values = page.rows.map(({ value }) => value)
    for (const value of values) sample.rows.push(readRow(value))
    options.onRows?.(values)
    sample.cursor = page.cursor
    sample.ended = page.done
    sample.total = page.total ?? sample.total
    if (page.sourceTime !== undefined) sample.skewMs = page.sourceTime - Date.now()
  }
}

/** Reads from the beginning for a bounded time. What the source does wrong is noted, not thrown. */
export async function takeSample(options: SampleOptions): Promise<Sample> {
  const sample: Growing = {
    startedAt: Date.now(),
    pages: [],
    rows: [],
    ended: false,
    total: null,
    skewMs: null,
    fault: null,
    cursor: null,
  }
  let source: Source | null = null
  try {
    source = await options.open()
    await readPages(source, options, sample)
  } catch (error) {
    sample.fault = toAppError(error).code
  } finally {
    await source?.close().catch(() => undefined)
  }
  return sample
}
