import { createTree } from '../audit/growing-tree.ts'
import type { LaneProgress } from '../audit/lane.ts'
import { faultOf, NOTHING_YET } from '../audit/verify.ts'
import { nodeReader, tileOf } from '../audit/tiles.ts'
import { readTiles } from '../store/audit-tree.ts'
import type { Query } from '../store/database.ts'
import { readBefore, readPlaced, type PlacedEntry } from '../store/log-check.ts'

/** Leaves under one hash of the level of tiles above. */
const TILE = 256
const TILE_LEVEL = 8

export interface PlaceFault {
  readonly index: number
  readonly fault: string
}

/** Learns where lanes stood whose first entry of the range is on this page. */
async function learnLanes(query: Query, page: readonly PlacedEntry[], ends: Map<string, LaneProgress>): Promise<void> {
  const firsts = new Map<string, PlacedEntry>()
  for (const entry of page) if (!ends.has(entry.laneId) && !firsts.has(entry.laneId)) firsts.set(entry.laneId, entry)
  const before = await readBefore(query, [...firsts.values()])
  for (const lane of firsts.keys()) ends.set(lane, before.get(lane) ?? NOTHING_YET)
}

const isSame = (one: Uint8Array, other: Uint8Array | null): boolean =>
  other !== null && Buffer.compare(one, other) === 0

function faultAt(entry: PlacedEntry, place: number, ends: Map<string, LaneProgress>): string | null {
  if (entry.index !== place || entry.body === null) return 'an entry is missing'
  const fault = faultOf(entry, ends.get(entry.laneId) ?? NOTHING_YET)
  if (fault !== null) return fault.fault
  ends.set(entry.laneId, { seq: entry.laneSeq, head: entry.leaf })
  return isSame(entry.leaf, entry.tile) ? null : 'a tile does not fit the entry'
}

/** The hashes over whole tiles between two places, as the level above has them. */
async function readUpper(query: Query, from: number, until: number): Promise<readonly (Buffer | null)[]> {
  const first = from / TILE
  const nodes = Array.from({ length: Math.floor(until / TILE) - first }, (_, at) => ({
    level: TILE_LEVEL,
    index: first + at,
  }))
  const read = nodeReader(await readTiles(query, nodes.map(tileOf)))
  return nodes.map((node) => {
    try {
      return read(node)
    } catch {
      return null
    }
  })
}

/**
 * Looks at every entry from a place that begins a tile up to, and not with, another: its body, columns, lane and tile, and each whole tile
 * against the level above. Names the first place that is not as it was.
 */
export async function checkPlaces(query: Query, from: number, until: number): Promise<PlaceFault | null> {
  const upper = await readUpper(query, from, until)
  const ends = new Map<string, LaneProgress>()
  let tile = createTree()
  for (let place = from; place < until;) {
    const page = await readPlaced(query, place, until)
    if (page.length === 0) return { index: place, fault: 'an entry is missing' }
    await learnLanes(query, page, ends)
    for (const entry of page) {
      const fault = faultAt(entry, place, ends)
      if (fault !== null) return { index: place, fault }
      tile.add(Buffer.from(entry.leaf))
      place += 1
      if (place % TILE > 0) continue
      if (!isSame(tile.root(), upper[(place - from) / TILE - 1] ?? null))
        return { index: place - TILE, fault: 'a tile does not fit the level above' }
      tile = createTree()
    }
  }
  return null
}
