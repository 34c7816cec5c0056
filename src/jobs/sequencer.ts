import type { LaneProgress } from '../audit/lane.ts'
import { growTiles, openTilesOf } from '../audit/tiles.ts'
import { faultOf, NOTHING_YET, type StoredEntry } from '../audit/verify.ts'
import { AppError } from '../errors.ts'
import {
  lockTree,
  placeEntries,
  readLaneEnds,
  readPending,
  readTiles,
  saveLaneEnds,
  saveTiles,
} from '../store/audit-tree.ts'
import type { Database } from '../store/database.ts'
import { repeat } from './repeat.ts'

const EVERY_MS = 1000
/** Entries of one transaction: some 2 MB of bodies. */
const BATCH = 2000

/** Where lanes end behind these entries, each of which has to follow the one before it. Throws AUDIT_BROKEN naming the first that does not. */
function followLanes(
  entries: readonly StoredEntry[],
  ends: ReadonlyMap<string, LaneProgress>,
): ReadonlyMap<string, LaneProgress> {
  const followed = new Map(ends)
  for (const entry of entries) {
    const fault = faultOf(entry, followed.get(entry.laneId) ?? NOTHING_YET)
    if (fault !== null) throw new AppError('AUDIT_BROKEN', `lane ${entry.laneId}, entry ${fault.seq}: ${fault.fault}`)
    followed.set(entry.laneId, { seq: entry.laneSeq, head: entry.leaf })
  }
  return followed
}

/**
 * Gives entries that wait their places in the tree, at most 2,000, and returns how many: none while another process builds it. Every lane
 * is checked on the way: an entry that was removed, changed or put in after its commit stops the tree. Throws AUDIT_BROKEN.
 */
export async function growTree(database: Database): Promise<number> {
  return database.transaction(async ({ query }) => {
    const size = await lockTree(query)
    const entries = size === null ? [] : await readPending(query, BATCH)
    if (size === null || entries.length === 0) return 0
    const lanes = [...new Set(entries.map(({ laneId }) => laneId))]
    const ends = followLanes(entries, await readLaneEnds(query, lanes))
    const leaves = entries.map(({ leaf }) => Buffer.from(leaf))
    await saveTiles(query, growTiles(size, await readTiles(query, openTilesOf(size)), leaves))
    await placeEntries(query, size, entries)
    await saveLaneEnds(query, ends)
    return entries.length
  })
}

async function growWhole(database: Database, isStopped: () => boolean): Promise<void> {
  while (!isStopped() && (await growTree(database)) === BATCH) continue
}

/** Builds the tree behind the log until it is stopped. It may run in several processes: the database lets one build at a time. */
export function startSequencer(database: Database, onError: (error: unknown) => void): () => Promise<void> {
  return repeat((isStopped) => growWhole(database, isStopped), { everyMs: EVERY_MS, onError })
}
