import type { Dataset } from '../feeds/datasets.ts'
import { AppError } from '../errors.ts'
import type { Fields, ValidRecord } from '../record.ts'
import type { KeyRing } from '../security/key-ring.ts'
import type { Database } from '../store/database.ts'
import type { Feed } from '../store/feeds.ts'
import { finishRun } from '../store/finish-run.ts'
import { readDigests } from '../store/records.ts'
import { keepRun, releaseRun, type RunLease } from '../store/runs.ts'
import { savePage, type PageToSave, type SavedCounts } from '../store/save-page.ts'
import { compileMapping } from './map.ts'
import {
  digestRecord,
  openCursor,
  protect,
  protectCursor,
  protectRejections,
  type DigestedRecord,
  type Protection,
} from './protect.ts'
import type { Source, SourcePage } from './sources/source.ts'
import { validate } from './validate.ts'

export interface FeedRun {
  readonly database: Database
  readonly feed: Feed
  readonly dataset: Dataset
  readonly source: Source
  readonly keys: KeyRing
  readonly lease: RunLease
  /** When this time slice should end, in milliseconds since the epoch. The page in hand is always finished. */
  readonly sliceEndsAt: number
}

interface PreparedPage extends PageToSave {
  readonly done: boolean
}

/** A third of the lease, so that two heartbeats may be lost. */
const HEARTBEAT_MS = 5000

/**
 * Reads, maps, validates, protects and saves page after page until the source has no more (`done`) or the slice ends
 * (`more`). The next page is read and prepared while this one is written. Throws the coded error that ended the run;
 * whatever was saved stays saved, and the cursor is where the last saved page left it.
 */
export async function runFeed(run: FeedRun): Promise<'done' | 'more'> {
  const prepare = pagePreparation(run)
  const heartbeat = setInterval(() => void keepRun(run.database.query, run.lease).catch(() => undefined), HEARTBEAT_MS)
  try {
    let next = prepare(run.feed.cursor)
    for (;;) {
      const page = await next
      if (!page.done) next = prepare(page.cursor)
      const totals = await savePage(run.database, run.feed, run.lease, page)
      refuseTooManyRejections(run.feed, totals)
      if (page.done) break
      if (Date.now() >= run.sliceEndsAt) {
        await releaseRun(run.database.query, run.lease)
        return 'more'
      }
    }
    await finishRun(run.database, run.feed, run.lease)
    return 'done'
  } finally {
    clearInterval(heartbeat)
  }
}

/** One page from the outside world to what may be saved; between reading and saving it is pure but for the digest look-up. */
function pagePreparation(run: FeedRun): (resting: Fields | null) => Promise<PreparedPage> {
  const { dataset, feed, keys } = run
  const mapRow = compileMapping(feed.manifest, dataset)
  const protection: Protection = { dataset, feed: feed.code, keys, today: new Date() }

  const prepare = async (resting: Fields | null): Promise<PreparedPage> => {
    const page: SourcePage = await run.source.readPage(openCursor(resting, protection), new Date())
    const raw = page.rows.map(mapRow)
    const { valid, rejected, warnings } = validate(raw, dataset)
    const changed = await leaveOutUnchanged(run, valid, protection)
    return {
      records: protect(changed, protection),
      rejections: protectRejections(rejected, protection),
      seen: valid.map((record) => record.recordId),
      cursor: protectCursor(page.cursor, protection),
      pulled: page.rows.length,
      valid: valid.length,
      warnings,
      sourceTotal: page.total ?? null,
      done: page.done,
    }
  }
  return (resting) => {
    const prepared = prepare(resting)
    // The page ahead may fail while this one is still being saved; its error is met when it is awaited.
    prepared.catch(() => undefined)
    return prepared
  }
}

/** Most rows of a daily run are as they were: they are left out before the costly part. A first load has nothing to compare. */
async function leaveOutUnchanged(
  run: FeedRun,
  records: readonly ValidRecord[],
  protection: Protection,
): Promise<readonly DigestedRecord[]> {
  const digested = records.map((record) => digestRecord(record, protection))
  if (run.feed.cursor === null) return digested
  const known = await readDigests(
    run.database.query,
    run.feed,
    records.map((record) => record.recordId),
  )
  return digested.filter(({ record, digest }) => record.operation === 'delete' || known.get(record.recordId) !== digest)
}

/** DQ-082: both the count and the ratio must be exceeded, so that three bad rows of a small feed do not stop it. */
function refuseTooManyRejections(feed: Feed, totals: SavedCounts): void {
  const { records, ratio } = feed.manifest.quality.errorBudget
  if (totals.rejected > records && totals.rejected > totals.pulled * ratio) {
    throw new AppError('ERROR_BUDGET_SPENT', `${totals.rejected} of ${totals.pulled} rows were rejected`)
  }
}
