import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Dataset } from '../feeds/datasets.ts'
import { AppError } from '../errors.ts'
import type { ValidRecord } from '../record.ts'
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
import type { Cursor, Source, SourcePage } from './sources/source.ts'
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

/** A third of the lease, so that two heartbeats may be lost. */
const HEARTBEAT_MS = 5000

/**
 * Reads, maps, validates, protects and saves page after page until the source has no more (`done`) or the slice ends
 * (`more`). While a page is prepared, the next is being read and the one before is being written. Throws the coded error that
 * ended the run; whatever was saved stays saved, and the cursor is where the last saved page left it.
 */
export async function runFeed(run: FeedRun): Promise<'done' | 'more'> {
  const { feed, dataset, keys } = run
  const mapRow = compileMapping(feed.manifest, dataset)
  const protection: Protection = { dataset, feed: feed.code, keys, today: new Date() }
  const saves = openSaves(run)
  const heartbeat = setInterval(() => void keepRun(run.database.query, run.lease).catch(() => undefined), HEARTBEAT_MS)
  try {
    for await (const page of readAhead(run.source, openCursor(feed.cursor, protection))) {
      const raw = await inTurn(() => page.rows.map(mapRow))
      const { valid, rejected, warnings } = await inTurn(() => validate(raw, dataset))
      const changed = await leaveOutUnchanged(run, valid, protection)
      const records = await inTurn(() => protect(changed, protection))
      await saves.begin({
        records,
        rejections: protectRejections(rejected, protection),
        seen: valid.map((record) => record.recordId),
        cursor: protectCursor(page.cursor, protection),
        pulled: page.rows.length,
        valid: valid.length,
        warnings,
        sourceTotal: page.total ?? null,
      })
      if (!page.done && Date.now() >= run.sliceEndsAt) return await endSlice(run, saves)
    }
    await saves.settle()
    await finishRun(run.database, feed, run.lease)
    return 'done'
  } finally {
    clearInterval(heartbeat)
    await saves.settle().catch(() => undefined)
  }
}

/**
 * Does one stage of a page in a turn of its own of the event loop. A stage takes some 5 ms for a page of 500; between two of
 * them the database's answers for the page before are met and its next statement is sent. Without the turns a save only moves
 * while nothing is prepared: 15,000 instead of 21,000 records/s.
 */
async function inTurn<Result>(stage: () => Result): Promise<Result> {
  await nextTurn()
  return stage()
}

/** The pages from `cursor` on. Each is handed out when the reading of the next has begun. */
async function* readAhead(source: Source, cursor: Cursor | null): AsyncGenerator<SourcePage> {
  let reading = source.readPage(cursor, new Date())
  for (;;) {
    const page = await reading
    if (!page.done) {
      reading = source.readPage(page.cursor, new Date())
      // It may fail while the page before is still being saved; its error is met when it is awaited.
      reading.catch(() => undefined)
    }
    yield page
    if (page.done) return
  }
}

/** Saves in the order of the pages, one at a time. */
interface Saves {
  /** Waits until the page before is saved, then begins to save this one. Throws what went wrong with the one before. */
  readonly begin: (page: PageToSave) => Promise<void>
  /** Waits until the last page is saved. */
  readonly settle: () => Promise<void>
}

function openSaves({ database, feed, lease }: FeedRun): Saves {
  const save = async (page: PageToSave): Promise<void> => {
    refuseTooManyRejections(feed, await savePage(database, feed, lease, page))
  }
  let saving = Promise.resolve()
  return {
    begin: async (page) => {
      await saving
      saving = save(page)
      saving.catch(() => undefined)
    },
    settle: () => saving,
  }
}

/** Gives the run back after the page in hand, so that the next slice can begin at once. */
async function endSlice(run: FeedRun, saves: Saves): Promise<'more'> {
  await saves.settle()
  await releaseRun(run.database.query, run.lease)
  return 'more'
}

/** Most rows of a daily run are as they were: they are left out before the costly part. A first load has nothing to compare. */
async function leaveOutUnchanged(
  run: FeedRun,
  records: readonly ValidRecord[],
  protection: Protection,
): Promise<readonly DigestedRecord[]> {
  const digested = await inTurn(() => records.map((record) => digestRecord(record, protection)))
  if (run.feed.cursor === null && !run.feed.comparing) return digested
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
