import type { LaneProgress } from '../audit/lane.ts'
import type { Pruned } from '../audit/pruned.ts'
import { AppError } from '../errors.ts'
import { splitHashes } from './hashes.ts'
import type { Query } from './database.ts'

/** What is left of the entries that were removed after their time. */
export async function readPruned(query: Query): Promise<Pruned> {
  const [state] = await query<{ minIndex: number; range: Buffer; sm3Range: Buffer | null }>(
    'select min_index as "minIndex", compact_range as range, compact_range_sm3 as "sm3Range" from audit.state',
  )
  const starts = await query<LaneProgress & { readonly laneId: string }>(
    'select lane_id as "laneId", seq, head from audit.lane_start',
  )
  const { minIndex = 0, range = Buffer.alloc(0), sm3Range = null } = state ?? {}
  return {
    minIndex,
    compactRange: splitHashes(range),
    ...(sm3Range === null ? {} : { sm3Range: splitHashes(sm3Range) }),
    lanes: new Map(starts.map(({ laneId, seq, head }) => [laneId, { seq, head }])),
  }
}

/** What an archive holds and what the removal of what it holds leaves behind. */
export interface PruningTerms {
  readonly from: Date
  readonly until: Date
  readonly firstIndex: number
  readonly minIndex: number
  readonly compactRange: Buffer
  /** Of the tree over SM3; null where it was not begun. */
  readonly sm3Range: Buffer | null
  /** In hexadecimal, as the next two. */
  readonly lanesDigest: string
  readonly archiveSha256: string
  readonly archiveSm3: string
}

export interface Pruning extends PruningTerms {
  readonly pruningId: number
  readonly requestedBy: string
  readonly requestedAt: Date
  readonly approvedBy: string | null
  readonly approvedAt: Date | null
  /** How many entries were removed; null while none was. */
  readonly removed: number | null
  readonly doneAt: Date | null
}

const PRUNING_COLUMNS = `pruning_id as "pruningId", period_from as "from", period_until as until, first_index as "firstIndex",
  min_index as "minIndex", compact_range as "compactRange", compact_range_sm3 as "sm3Range", encode(lanes_digest, 'hex') as "lanesDigest",
  encode(archive_sha256, 'hex') as "archiveSha256", encode(archive_sm3, 'hex') as "archiveSm3", requested_by as "requestedBy",
  requested_at as "requestedAt", approved_by as "approvedBy", approved_at as "approvedAt", removed, done_at as "doneAt"`

/** Up to when entries are old enough to go, by the database's clock. */
export async function readPrunableUntil(query: Query): Promise<Date> {
  const [row] = await query<{ until: Date }>('select audit.prunable_until() as until')
  return row?.until ?? new Date(0)
}

/** The size of the newest checkpoint, of the tree that was signed less far: what nobody signed stays. */
async function readSignedSize(query: Query): Promise<number> {
  const [row] = await query<{ size: number }>('select audit.signed_size() as size')
  return row?.size ?? 0
}

/** Entries have their places by commit and their dates by writing, so the first that is not old enough ends what can go. */
async function readFirstYoung(query: Query, from: number, until: Date): Promise<number | null> {
  const [row] = await query<{ leafIndex: number }>(
    `select leaf_index as "leafIndex" from audit.tree_leaf join audit.entry using (lane_id, lane_seq)
      where leaf_index >= $1 and recorded_at >= $2 order by leaf_index limit 1`,
    [from, until],
  )
  return row?.leafIndex ?? null
}

/** Leaves of a tile of the lowest level: tiles go whole. */
const TILE = 256

/** The first place that has to stay where everything from before `until` may go. */
export async function findMinIndex(query: Query, from: number, until: Date): Promise<number> {
  const signed = await readSignedSize(query)
  const young = (await readFirstYoung(query, from, until)) ?? signed
  return Math.floor(Math.min(young, signed) / TILE) * TILE
}

export interface ArchivedEntry {
  readonly index: number
  readonly recordedAt: Date
  readonly body: Buffer
}

/** Entries by their places in the tree, from `from` up to, and not with, `until`; 2,000 at most. */
export async function readByPlace(query: Query, from: number, until: number): Promise<readonly ArchivedEntry[]> {
  return query<ArchivedEntry>(
    `select leaf_index as index, recorded_at as "recordedAt", body from audit.tree_leaf join audit.entry using (lane_id, lane_seq)
      where leaf_index >= $1 and leaf_index < $2 order by leaf_index limit 2000`,
    [from, until],
  )
}

/** Where the lanes would go on, as a digest in hexadecimal. */
export async function readLanesDigest(query: Query, below: number): Promise<string> {
  const [row] = await query<{ digest: string }>(`select encode(audit.lanes_digest($1), 'hex') as digest`, [below])
  return row?.digest ?? ''
}

/** Asks for a pruning; returns its number. */
export async function insertPruning(query: Query, terms: PruningTerms, actor: string): Promise<number> {
  const [row] = await query<{ pruningId: number }>(
    `insert into audit.pruning (period_from, period_until, first_index, min_index, compact_range, compact_range_sm3, lanes_digest, archive_sha256, archive_sm3, requested_by)
       values ($1, $2, $3, $4, $5, $10, decode($6, 'hex'), decode($7, 'hex'), decode($8, 'hex'), $9) returning pruning_id as "pruningId"`,
    [
      terms.from,
      terms.until,
      terms.firstIndex,
      terms.minIndex,
      terms.compactRange,
      terms.lanesDigest,
      terms.archiveSha256,
      terms.archiveSm3,
      actor,
      terms.sm3Range,
    ],
  )
  return row?.pruningId ?? 0
}

/** Throws PRUNING_UNKNOWN. */
export async function findPruning(query: Query, pruningId: number): Promise<Pruning> {
  const [pruning] = await query<Pruning>(`select ${PRUNING_COLUMNS} from audit.pruning where pruning_id = $1`, [
    pruningId,
  ])
  if (pruning === undefined) throw new AppError('PRUNING_UNKNOWN', `pruning ${pruningId}`)
  return pruning
}

/** Every pruning, the newest first. */
export const listPrunings = (query: Query): Promise<readonly Pruning[]> =>
  query<Pruning>(`select ${PRUNING_COLUMNS} from audit.pruning order by pruning_id desc`)

/** Writes down who agreed. The first one stays; false where there is one. */
export async function approvePruning(query: Query, pruningId: number, actor: string): Promise<boolean> {
  const rows = await query(
    `update audit.pruning set approved_by = $2, approved_at = clock_timestamp()
      where pruning_id = $1 and approved_by is null returning pruning_id`,
    [pruningId, actor],
  )
  return rows.length > 0
}

/** Removes what was approved, as the role of the pruner; how many entries went, also where they went before. Throws PRUNING_REFUSED with the reason of the database. */
export async function prune(query: Query, pruningId: number): Promise<number> {
  const [row] = await query<{ removed: number | null; refusal: string | null }>('select * from audit.prune($1)', [
    pruningId,
  ])
  if (row === undefined || row.removed === null) throw new AppError('PRUNING_REFUSED', row?.refusal ?? '')
  return row.removed
}
