import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { loadConfig } from '../src/config.ts'
import { openInstallation } from '../src/installation.ts'
import { decodeCursor, decodeSnapshotCursor } from '../src/sharing/cursors.ts'
import { pullChanges, type SharingContext } from '../src/sharing/pull.ts'
import { pullSnapshot } from '../src/sharing/snapshot.ts'
import { findAgreement, type Agreement } from '../src/store/agreements.ts'
import type { Query } from '../src/store/database.ts'
import { buryRecords } from '../src/store/save-page.ts'
import { changesIn, registerConsumer } from '../test/support/ledger.ts'
import { countWrong, settle, type FeedStage } from './feed.ts'
import { applyChanges, openHoldings, type Holdings } from './feed-readers.ts'
import { changeRecords, openWritten, WRITTEN_DATASET, type Written } from './feed-writers.ts'
import { createRandom, type Random } from './random.ts'

export interface SnapshotVerdict {
  readonly ok: boolean
  readonly seed: number
  readonly records: number
  /** Records that the snapshot gave, and changes that the feed gave after it. */
  readonly fromSnapshot: number
  readonly fromFeed: number
  /** Changes that were committed while the snapshot was taken. */
  readonly changedMeanwhile: number
  /** Records whose version in the end is not the store's. */
  readonly wrong: number
  /** Versions that came twice: by both, or twice by one. */
  readonly twice: number
}

const AT_ONCE = 1000

const idOf = (number: number): string => `S-${number}`

async function fill(query: Query, to: Written, records: number, random: Random): Promise<void> {
  for (let first = 0; first < records; first += AT_ONCE) {
    const ids = Array.from({ length: Math.min(AT_ONCE, records - first) }, (_, place) => idOf(first + place))
    await changeRecords(query, to, ids, random)
  }
}

/** Changes, buries and adds records until it is told to end. Returns how many. */
async function keepChanging(
  stage: FeedStage,
  to: Written,
  records: number,
  random: Random,
  isOver: () => boolean,
): Promise<number> {
  let changed = 0
  while (!isOver()) {
    const numbers = Array.from({ length: 20 }, () => random(records + records / 10))
    const ids = [...new Set(numbers)].toSorted((one, other) => one - other).map(idOf)
    await stage.database.transaction(async ({ query }) => {
      if (random(5) === 0) await buryRecords(query, to.owner, ids, 0)
      else await changeRecords(query, to, ids, random)
    })
    changed += ids.length
    await wait(5)
  }
  return changed
}

async function takeSnapshot(context: SharingContext, agreement: Agreement, holdings: Holdings): Promise<string> {
  for (let cursor: string | undefined; ;) {
    const place = decodeSnapshotCursor(agreement.version, cursor)
    const page = await pullSnapshot(context, { agreement, place, limit: AT_ONCE })
    applyChanges(holdings, changesIn(page))
    cursor = page.cursor
    if (page.feedCursor !== undefined) return page.feedCursor
  }
}

async function followFeed(
  context: SharingContext,
  agreement: Agreement,
  from: string,
  holdings: Holdings,
): Promise<void> {
  for (let cursor = from; ;) {
    const after = decodeCursor(agreement.version, cursor)
    const page = await pullChanges(context, { agreement, after, limit: AT_ONCE })
    applyChanges(holdings, changesIn(page))
    if (!page.hasMore) return
    cursor = page.cursor
  }
}

/** A snapshot that is taken while records change, appear and vanish, and then the change feed from where it hands over. */
export async function playSnapshot(
  stage: FeedStage,
  options: { readonly records: number; readonly seed: number },
): Promise<SnapshotVerdict> {
  const random = createRandom(options.seed)
  const { query } = stage.database
  const to = await openWritten(stage)
  const { consumerId } = await registerConsumer(
    { ...stage, asOwner: query } as Parameters<typeof registerConsumer>[0],
    'snapshot',
  )
  const agreement = await findAgreement(query, consumerId, WRITTEN_DATASET)
  await fill(query, to, options.records, random)
  await settle(stage)
  let over = false
  const changing = keepChanging(stage, to, options.records, createRandom(options.seed + 1), () => over)
  const holdings = openHoldings()
  const context = { ...stage, auditDeadlineMs: 5000 }
  const feedCursor = await takeSnapshot(context, agreement, holdings)
  const fromSnapshot = holdings.applied
  over = true
  const changedMeanwhile = await changing
  await settle(stage)
  await followFeed(context, agreement, feedCursor, holdings)
  const wrong = await countWrong(stage.database, to.owner.datasetId, holdings)
  const twice = holdings.repeated + holdings.older
  return {
    ok: wrong + twice === 0 && changedMeanwhile > 0,
    seed: options.seed,
    records: options.records,
    fromSnapshot,
    fromFeed: holdings.applied - fromSnapshot,
    changedMeanwhile,
    wrong,
    twice,
  }
}

/** The same on an installation of its own. */
export async function proveSnapshot(options: {
  readonly records: number
  readonly seed: number
}): Promise<SnapshotVerdict> {
  const data = mkdtempSync(path.join(tmpdir(), 'gridbridge-snapshot-'))
  const installation = await openInstallation(loadConfig({ GRIDBRIDGE_DATA: data }), 'prove', 6)
  try {
    return await playSnapshot(installation, options)
  } finally {
    await installation.close()
    rmSync(data, { recursive: true, force: true })
  }
}
