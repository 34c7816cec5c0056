import type { LaneProgress } from '../audit/lane.ts'
import type { Tile, TilePlace } from '../audit/tiles.ts'
import type { TreeAlgorithm } from '../audit/tree-hash.ts'
import type { StoredEntry } from '../audit/verify.ts'
import { STORED_ENTRY } from './audit-log.ts'
import type { Query } from './database.ts'
import { splitHashes } from './hashes.ts'

/** How many leaves a tree has, locked until the transaction ends; null while another process builds it, or where it was not begun. */
export async function lockTree(query: Query, algorithm: TreeAlgorithm = 'sha256'): Promise<number | null> {
  const [row] = await query<{ size: number }>(
    'select size from audit.tree where algorithm = $1 for update skip locked',
    [algorithm],
  )
  return row?.size ?? null
}

/** Begins a tree that is not there yet, without leaves. */
export async function beginTree(query: Query, algorithm: TreeAlgorithm): Promise<void> {
  await query('insert into audit.tree (algorithm, size) values ($1, 0) on conflict do nothing', [algorithm])
}

/** Says how many leaves a tree has. Of the tree over SHA-256 `placeEntries` does. */
export async function saveTreeSize(query: Query, algorithm: TreeAlgorithm, size: number): Promise<void> {
  await query('update audit.tree set size = $2 where algorithm = $1', [algorithm, size])
}

/** How many leaves each tree has, as of one moment; those that were not begun are missing. */
export async function readTreeSizes(query: Query): Promise<ReadonlyMap<TreeAlgorithm, number>> {
  const rows = await query<{ algorithm: TreeAlgorithm; size: number }>('select algorithm, size from audit.tree')
  return new Map(rows.map(({ algorithm, size }) => [algorithm, size]))
}

/**
 * Entries that have no place in the tree yet, at most `most`, ordered by lane and place: what open lanes have beyond their ends in the tree.
 * The order of commits is the order of a lane, so none is passed by, whatever the order between lanes. One that is gone comes without a body.
 */
export async function readPending(query: Query, most: number): Promise<readonly StoredEntry[]> {
  return query<StoredEntry>(
    `select ${STORED_ENTRY} from (
         select lane_id, generate_series(placed + 1, least(last_seq, placed + $1)) as lane_seq
           from (select lane_id, last_seq, coalesce(seq, 0) as placed from audit.lane left join audit.lane_end using (lane_id)
                  where closed_at is null) as open_lane
          where last_seq > placed order by lane_id, lane_seq limit $1) as waiting
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

/** The tiles of a tree at these places; those that do not exist are missing. */
export async function readTiles(
  query: Query,
  places: readonly TilePlace[],
  algorithm: TreeAlgorithm = 'sha256',
): Promise<readonly Tile[]> {
  const rows = await query<TilePlace & { readonly hashes: Buffer }>(
    `select tile_level as level, tile_index as index, hashes
       from audit.tile join unnest($1::smallint[], $2::bigint[]) as wanted (tile_level, tile_index) using (tile_level, tile_index)
      where algorithm = $3`,
    [places.map(({ level }) => level), places.map(({ index }) => index), algorithm],
  )
  return rows.map(({ level, index, hashes }) => ({ level, index, hashes: splitHashes(hashes) }))
}

export async function saveTiles(
  query: Query,
  tiles: readonly Tile[],
  algorithm: TreeAlgorithm = 'sha256',
): Promise<void> {
  await query(
    `insert into audit.tile (tile_level, tile_index, hashes, algorithm)
       select *, $4::text from unnest($1::smallint[], $2::bigint[], $3::bytea[])
       on conflict (tile_level, tile_index, algorithm) do update set hashes = excluded.hashes`,
    [
      tiles.map(({ level }) => level),
      tiles.map(({ index }) => index),
      tiles.map(({ hashes }) => Buffer.concat([...hashes])),
      algorithm,
    ],
  )
}

/**
 * Gives entries their places, the first at `size`, and writes down how old the oldest of them is until a checkpoint of each tree that is
 * built covers it.
 */
export async function placeEntries(
  query: Query,
  size: number,
  entries: readonly StoredEntry[],
  trees: readonly TreeAlgorithm[],
): Promise<void> {
  await query(
    `with placed as (
       insert into audit.tree_leaf (leaf_index, lane_id, lane_seq)
         select $1 + place - 1, lane_id, lane_seq
           from unnest($2::uuid[], $3::bigint[]) with ordinality as given (lane_id, lane_seq, place)),
     grown as (insert into audit.tree_growth (end_index, oldest) values ($4, $5)),
     covered as (
       delete from audit.tree_growth where end_index <= (
         select min((select coalesce(max(size), 0) from audit.checkpoint where algorithm = tree)) from unnest($6::text[]) as built (tree)))
     update audit.tree set size = $4 where algorithm = 'sha256'`,
    [
      size,
      entries.map(({ laneId }) => laneId),
      entries.map(({ laneSeq }) => laneSeq),
      size + entries.length,
      entries.map(({ recordedAt }) => recordedAt).toSorted()[0],
      trees,
    ],
  )
}

/** A lane whose connection is gone, as it stands: nothing can follow in it. */
export interface ClosedLane {
  readonly laneId: string
  readonly lastSeq: number
  readonly head: Buffer
}

/** Closes lanes whose connections are gone and of which every entry has its place, at most `most`. */
export async function closeLanes(query: Query, most: number): Promise<readonly ClosedLane[]> {
  return query<ClosedLane>(
    `select closed_lane as "laneId", closed_seq as "lastSeq", closed_head as head from audit.close_lanes($1)`,
    [most],
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
