import type { LaneProgress } from '../audit/lane.ts'
import { growTiles, openTilesOf } from '../audit/tiles.ts'
import { SHA256, SM3, treesOf, type TreeAlgorithm, type TreeHash } from '../audit/tree-hash.ts'
import { faultOf, NOTHING_YET, type StoredEntry } from '../audit/verify.ts'
import { AppError } from '../errors.ts'
import {
  beginTree,
  closeLanes,
  lockTree,
  placeEntries,
  readLaneEnds,
  readPending,
  readTiles,
  readTreeSizes,
  saveLaneEnds,
  saveTiles,
  saveTreeSize,
} from '../store/audit-tree.ts'
import type { Database, Query } from '../store/database.ts'
import { readPlaced } from '../store/log-check.ts'
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

async function addLeaves(query: Query, tree: TreeHash, size: number, leaves: readonly Buffer[]): Promise<void> {
  const open = await readTiles(query, openTilesOf(size), tree.name)
  await saveTiles(query, growTiles(size, open, leaves, tree), tree.name)
}

/** Adds to the tree over SM3 what its leaves are made of, where it is as long as `size`; else `catchUp` does. */
async function addSm3Leaves(query: Query, size: number, entries: readonly Pick<StoredEntry, 'body'>[]): Promise<void> {
  if ((await lockTree(query, 'sm3')) !== size) return
  await addLeaves(
    query,
    SM3,
    size,
    entries.map(({ body }) => SM3.leaf(body)),
  )
  await saveTreeSize(query, 'sm3', size + entries.length)
}

/**
 * Gives entries that wait their places in the log's trees, at most 2,000, and returns how many: none while another process builds them.
 * Every lane is checked on the way: an entry that was removed, changed or put in after its commit stops the trees. Throws AUDIT_BROKEN.
 */
export async function growTree(database: Database, trees: readonly TreeAlgorithm[] = ['sha256']): Promise<number> {
  return database.transaction(async ({ query }) => {
    const size = await lockTree(query)
    const entries = size === null ? [] : await readPending(query, BATCH)
    if (size === null || entries.length === 0) return 0
    const lanes = [...new Set(entries.map(({ laneId }) => laneId))]
    const ends = followLanes(entries, await readLaneEnds(query, lanes))
    const leaves = entries.map(({ leaf }) => Buffer.from(leaf))
    await addLeaves(query, SHA256, size, leaves)
    if (trees.includes('sm3')) await addSm3Leaves(query, size, entries)
    await placeEntries(query, size, entries, trees)
    await saveLaneEnds(query, ends)
    return entries.length
  })
}

/**
 * Builds the tree over SM3 behind that over SHA-256, where an installation changed its suite: at most 2,000 entries from the first that it does
 * not have yet, and returns how many. Both trees are over the same bodies: one that does not fit its tile of SHA-256 stops it. Throws
 * AUDIT_BROKEN, also where the beginning of the log was removed after its time before there was such a tree.
 */
export async function catchUp(database: Database): Promise<number> {
  return database.transaction(async ({ query }) => {
    await beginTree(query, 'sm3')
    const size = await lockTree(query, 'sm3')
    const end = (await readTreeSizes(query)).get('sha256') ?? 0
    if (size === null || size >= end) return 0
    const entries = await readPlaced(query, size, end)
    const bad = entries.findIndex(
      ({ index, body, tile }, place) =>
        index !== size + place || body === null || tile?.equals(SHA256.leaf(body)) !== true,
    )
    if (bad >= 0 || entries.length === 0)
      throw new AppError('AUDIT_BROKEN', `the entry at place ${size + Math.max(0, bad)} is not there as it was placed`)
    await addSm3Leaves(query, size, entries)
    return entries.length
  })
}

/** Batch after batch, until there is none that is full. */
const whole =
  (growOnce: () => Promise<number>) =>
  async (isStopped: () => boolean): Promise<void> => {
    while (!isStopped() && (await growOnce()) === BATCH) continue
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

/**
 * Builds the trees of a suite behind the log until it is stopped. It may run in several processes: the database lets one build at a time.
 */
export function startSequencer(
  database: Database,
  onError: (error: unknown) => void,
  suite: 'standard' | 'gm' = 'standard',
): () => Promise<void> {
  const trees = treesOf(suite)
  const timing = { everyMs: EVERY_MS, onError }
  const stopGrowing = repeat(
    whole(() => growTree(database, trees)),
    timing,
  )
  // Beside it: what is committed now does not wait until an old log has its second tree.
  const stopCatchingUp = trees.includes('sm3')
    ? repeat(
        whole(() => catchUp(database)),
        timing,
      )
    : null
  const stopClosing = repeat(() => closeEndedLanes(database), { everyMs: CLOSE_EVERY_MS, onError })
  return async () => {
    await stopClosing()
    await stopCatchingUp?.()
    await stopGrowing()
  }
}
