import type { LaneProgress } from '../audit/lane.ts'
import { growTiles, openTilesOf } from '../audit/tiles.ts'
import { faultOf, NOTHING_YET, type StoredEntry } from '../audit/verify.ts'
import { AppError } from '../errors.ts'
import {
  closeLanes,
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

/** Lanes closed at a time: one statement appends an entry for each. */
const LANES = 500
/** How often it looks for lanes whose connection is gone. */
const CLOSE_EVERY_MS = 10_000

/**
 * Closes lanes whose connections are gone, with an entry for each that says where it ended: whoever could append to one afterwards is found
 * out. Returns how many.
 */
export async function closeEndedLanes(database: Database): Promise<number> {
  return database.transaction(async ({ query, audit }) => {
    const closed = await closeLanes(query, LANES)
    const fact = { type: 'lane.closed', actor: 'system:sequencer', outcome: 'ok' } as const
    const events = closed.map(({ laneId, lastSeq, head }) => ({
      ...fact,
      object: `lane/${laneId}`,
      details: { lane: laneId, seq: lastSeq, head: head.toString('hex') },
    }))
    if (events.length > 0) await audit(...events)
    return events.length
  })
}

/** Builds the tree behind the log until it is stopped. It may run in several processes: the database lets one build at a time. */
export function startSequencer(database: Database, onError: (error: unknown) => void): () => Promise<void> {
  const stopGrowing = repeat((isStopped) => growWhole(database, isStopped), { everyMs: EVERY_MS, onError })
  const stopClosing = repeat(() => closeEndedLanes(database), { everyMs: CLOSE_EVERY_MS, onError })
  return async () => {
    await stopClosing()
    await stopGrowing()
  }
}
