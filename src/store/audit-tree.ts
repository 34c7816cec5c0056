import type { Tile, TilePlace } from '../audit/tiles.ts'
import type { LaneProgress, StoredEntry } from '../audit/verify.ts'
import { STORED_ENTRY } from './audit-log.ts'
import type { Query } from './database.ts'

/** How many leaves the tree has, locked until the transaction ends; null while another process builds it. */
export async function lockTree(query: Query): Promise<number | null> {
  const [row] = await query<{ size: number }>('select size from audit.tree for update skip locked')
  return row?.size ?? null
}

/**
 * Entries that have no place in the tree yet, at most `most`, ordered by lane and place. Looked up by what waits and never by "all after
 * the last": the order of commits is not the order of ids. One that is gone comes without a body.
 */
export async function readPending(query: Query, most: number): Promise<readonly StoredEntry[]> {
  return query<StoredEntry>(
    `select ${STORED_ENTRY} from (select lane_id, lane_seq from audit.pending order by lane_id, lane_seq limit $1) as waiting
       left join audit.entry using (lane_id, lane_seq) order by lane_id, lane_seq`,
    [most],
  )
}

/** Where these lanes end in the tree; those of which nothing is in it are missing. */
export async function readLaneEnds(query: Query, lanes: readonly string[]): Promise<ReadonlyMap<string, LaneProgress>> {
  const rows = await query<LaneProgress & { readonly laneId: string }>(
    'select lane_id as "laneId", seq, head from audit.lane_end where lane_id = any($1::uuid[])',
    [lanes],
  )
  return new Map(rows.map(({ laneId, seq, head }) => [laneId, { seq, head }]))
}

const HASH_BYTES = 32

/** The hashes of a tile, which lie one behind the other. */
export const splitHashes = (hashes: Buffer): readonly Buffer[] =>
  Array.from({ length: hashes.length / HASH_BYTES }, (_, place) =>
    hashes.subarray(place * HASH_BYTES, (place + 1) * HASH_BYTES),
  )

/** The tiles at these places; those that do not exist are missing. */
export async function readTiles(query: Query, places: readonly TilePlace[]): Promise<readonly Tile[]> {
  const rows = await query<TilePlace & { readonly hashes: Buffer }>(
    `select tile_level as level, tile_index as index, hashes
       from audit.tile join unnest($1::smallint[], $2::bigint[]) as wanted (tile_level, tile_index) using (tile_level, tile_index)`,
    [places.map(({ level }) => level), places.map(({ index }) => index)],
  )
  return rows.map(({ level, index, hashes }) => ({ level, index, hashes: splitHashes(hashes) }))
}

export async function saveTiles(query: Query, tiles: readonly Tile[]): Promise<void> {
  await query(
    `insert into audit.tile (tile_level, tile_index, hashes) select * from unnest($1::smallint[], $2::bigint[], $3::bytea[])
       on conflict (tile_level, tile_index) do update set hashes = excluded.hashes`,
    [
      tiles.map(({ level }) => level),
      tiles.map(({ index }) => index),
      tiles.map(({ hashes }) => Buffer.concat([...hashes])),
    ],
  )
}

/** Gives entries their places, the first at `size`, and takes them from what waits. */
export async function placeEntries(query: Query, size: number, entries: readonly StoredEntry[]): Promise<void> {
  await query(
    `with placed as (
       insert into audit.tree_leaf (leaf_index, lane_id, lane_seq)
         select $1 + place - 1, lane_id, lane_seq
           from unnest($2::uuid[], $3::bigint[]) with ordinality as given (lane_id, lane_seq, place)
         returning lane_id, lane_seq),
     grown as (update audit.tree set size = $1 + (select count(*) from placed))
     delete from audit.pending using placed
      where pending.lane_id = placed.lane_id and pending.lane_seq = placed.lane_seq`,
    [size, entries.map(({ laneId }) => laneId), entries.map(({ laneSeq }) => laneSeq)],
  )
}

export async function saveLaneEnds(query: Query, ends: ReadonlyMap<string, LaneProgress>): Promise<void> {
  const all = [...ends]
  await query(
    `insert into audit.lane_end (lane_id, seq, head) select * from unnest($1::uuid[], $2::bigint[], $3::bytea[])
       on conflict (lane_id) do update set seq = excluded.seq, head = excluded.head`,
    [all.map(([laneId]) => laneId), all.map(([, { seq }]) => seq), all.map(([, { head }]) => Buffer.from(head))],
  )
}
