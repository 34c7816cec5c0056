import type { LaneProgress } from '../audit/lane.ts'
import type { StoredEntry } from '../audit/verify.ts'
import { STORED_ENTRY } from './audit-log.ts'
import type { Query } from './database.ts'

/** What lies at a place of the tree: its entry, without a body where that is gone, and the hash that its tile has. */
export interface PlacedEntry extends StoredEntry {
  readonly index: number
  readonly tile: Buffer | null
}

/** Entries by their places, from `from` up to, and not with, `until`; 2,000 at most. */
export async function readPlaced(query: Query, from: number, until: number): Promise<readonly PlacedEntry[]> {
  return query<PlacedEntry>(
    `select leaf_index as index, substring(tile.hashes from (leaf_index % 256)::int * 32 + 1 for 32) as tile, ${STORED_ENTRY}
       from audit.tree_leaf left join audit.entry using (lane_id, lane_seq)
       left join audit.tile on tile_level = 0 and tile_index = leaf_index / 256 and algorithm = 'sha256'
      where leaf_index >= $1 and leaf_index < $2 order by leaf_index limit 2000`,
    [from, until],
  )
}

/** Where lanes stood before these entries of them; those are missing of which nothing tells. */
export async function readBefore(
  query: Query,
  firsts: readonly { readonly laneId: string; readonly laneSeq: number }[],
): Promise<ReadonlyMap<string, LaneProgress>> {
  const rows = await query<LaneProgress & { readonly laneId: string }>(
    `select wanted.lane_id as "laneId", wanted.lane_seq - 1 as seq, coalesce(entry.leaf, lane_start.head) as head
       from unnest($1::uuid[], $2::bigint[]) as wanted (lane_id, lane_seq)
       left join audit.entry on entry.lane_id = wanted.lane_id and entry.lane_seq = wanted.lane_seq - 1
       left join audit.lane_start on lane_start.lane_id = wanted.lane_id and lane_start.seq = wanted.lane_seq - 1
      where coalesce(entry.leaf, lane_start.head) is not null`,
    [firsts.map(({ laneId }) => laneId), firsts.map(({ laneSeq }) => laneSeq)],
  )
  return new Map(rows.map(({ laneId, seq, head }) => [laneId, { seq, head }]))
}

export interface LogCounts {
  readonly size: number
  readonly minIndex: number
  readonly waiting: number
  readonly entries: number
}

/** How many entries wait for their place: what lanes have beyond their ends in the tree. */
export const WAITING =
  '(select coalesce(sum(last_seq - coalesce(seq, 0)), 0)::int8 from audit.lane left join audit.lane_end using (lane_id))'

/** How many entries the tree says that there are, how many wait for their place, and how many there are. */
export async function readLogCounts(query: Query): Promise<LogCounts> {
  const [row] = await query<LogCounts>(
    `select (select size from audit.tree where algorithm = 'sha256') as size, (select min_index from audit.state) as "minIndex",
            ${WAITING} as waiting, (select count(*) from audit.entry) as entries`,
  )
  return row ?? { size: 0, minIndex: 0, waiting: 0, entries: 0 }
}

export const checkScopes = ['new', 'whole'] as const
export type CheckScope = (typeof checkScopes)[number]

/** How the product last found its own log. */
export interface LogCheck {
  readonly scope: CheckScope
  readonly beganAt: Date
  readonly endedAt: Date
  readonly state: 'whole' | 'tampered' | 'undecided'
  /** How many entries were looked at. */
  readonly entries: number
  /** Up to which place of the tree everything was looked at. */
  readonly upto: number
  /** Where the next look at old entries begins. */
  readonly resumesAt: number
  readonly fault: string | null
}

export const listLogChecks = (query: Query): Promise<readonly LogCheck[]> =>
  query<LogCheck>(
    `select scope, began_at as "beganAt", ended_at as "endedAt", state, entries, upto, resumes_at as "resumesAt", fault
       from log_check order by scope`,
  )

export async function saveLogCheck(query: Query, check: Omit<LogCheck, 'endedAt'>): Promise<void> {
  await query(
    `insert into log_check (scope, began_at, ended_at, state, entries, upto, resumes_at, fault)
       values ($1, $2, clock_timestamp(), $3, $4, $5, $6, $7)
     on conflict (scope) do update set began_at = excluded.began_at, ended_at = excluded.ended_at, state = excluded.state,
       entries = excluded.entries, upto = excluded.upto, resumes_at = excluded.resumes_at, fault = excluded.fault`,
    [check.scope, check.beganAt, check.state, check.entries, check.upto, check.resumesAt, check.fault],
  )
}

/** Whether the scope was not looked at for so long. The database's clock decides, so that replicas agree. */
export async function isCheckDue(query: Query, scope: CheckScope, minutes: number): Promise<boolean> {
  const rows = await query(
    `select from log_check where scope = $1 and began_at > clock_timestamp() - $2 * interval '1 minute'`,
    [scope, minutes],
  )
  return rows.length === 0
}

/** Seconds since each scope was looked at; none for one that never was. */
export async function readCheckAges(query: Query): Promise<Readonly<Record<string, number>>> {
  const rows = await query<{ scope: string; age: number }>(
    `select scope, extract(epoch from clock_timestamp() - ended_at)::float8 as age from log_check`,
  )
  return Object.fromEntries(rows.map(({ scope, age }) => [scope, age]))
}

/** 1 where the scope was found whole, 0 where it was not. */
export async function readCheckStates(query: Query): Promise<Readonly<Record<string, number>>> {
  const rows = await query<{ scope: string; whole: number }>(
    `select scope, (state = 'whole')::int as whole from log_check`,
  )
  return Object.fromEntries(rows.map(({ scope, whole }) => [scope, whole]))
}
