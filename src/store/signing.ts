import { treesOf } from '../audit/tree-hash.ts'
import { AppError } from '../errors.ts'
import { prepared, type Query } from './query.ts'

/** How far signing is behind the audit log: behind is it where one of the suite's trees is. */
export interface SigningState {
  /** The newest signed note of the suite's own tree with the cosignatures of witnesses; null: nothing was signed yet. */
  readonly note: string | null
  /** Age in seconds of the oldest committed entry that no signed checkpoint covers; 0: there is none. */
  readonly unsignedSeconds: number
  /** It is older than this installation allows: nothing personal may leave. */
  readonly isBehind: boolean
}

/**
 * The oldest of what waits for its place is the first entry of each open lane behind its end in the tree; of what has its place and no
 * checkpoint, the oldest of a batch. An entry that is gone counts as old as its lane: whoever removes it gains no time.
 */
const STATE = prepared(`
  with signed as materialized (
    select min((select coalesce(max(size), 0) from audit.checkpoint where algorithm = tree)) as size from unnest($1::text[]) as built (tree)),
  waiting as (
    select min(coalesce(recorded_at, opened_at)) as oldest
      from audit.lane left join audit.lane_end using (lane_id)
      left join audit.entry on entry.lane_id = lane.lane_id and lane_seq = coalesce(seq, 0) + 1
     where closed_at is null and last_seq > coalesce(seq, 0)),
  placed as (select oldest from audit.tree_growth where end_index > (select size from signed) order by oldest limit 1)
  select (select note || coalesce((select string_agg(line, '' order by witness) from audit.cosignature
            where cosignature.algorithm = checkpoint.algorithm and cosignature.size = checkpoint.size), '')
       from audit.checkpoint where algorithm = $2 order by size desc limit 1) as note,
    greatest(0, extract(epoch from clock_timestamp() - least((select oldest from waiting), (select oldest from placed))))::float8
      as "unsignedSeconds"`)

async function readSigningState(query: Query, { mostSeconds, suite }: SigningRules): Promise<SigningState> {
  const trees = treesOf(suite)
  const [row] = await query<{ note: string | null; unsignedSeconds: number | null }>(STATE, [trees, trees.at(-1)])
  const unsignedSeconds = row?.unsignedSeconds ?? 0
  return { note: row?.note ?? null, unsignedSeconds, isBehind: unsignedSeconds > mostSeconds }
}

/** Answers from what was read at most a second before. While one caller reads anew, the others take what is at most three seconds old. */
const FRESH_MS = 1000
const STALE_MS = 3000

export interface SigningRules {
  /** How old the oldest entry without a signed checkpoint may be. */
  readonly mostSeconds: number
  /** Which trees have to be signed. */
  readonly suite: 'standard' | 'gm'
}

/** The state of signing for one process, at the cost of one statement a second. */
export function createSigningWatch(rules: SigningRules): (query: Query) => Promise<SigningState> {
  let known: { readonly state: SigningState; readonly readAt: number } | null = null
  let isReading = false
  return async (query) => {
    const readAt = performance.now()
    const age = known === null ? Infinity : readAt - known.readAt
    if (known !== null && (age < FRESH_MS || (isReading && age < STALE_MS))) return known.state
    isReading = true
    try {
      known = { state: await readSigningState(query, rules), readAt }
      return known.state
    } finally {
      isReading = false
    }
  }
}

/** No disclosure while the log is not signed. Throws AUDIT_UNSIGNED. */
export function assertSigned({ unsignedSeconds, isBehind }: SigningState): void {
  if (!isBehind) return
  const age = `the oldest entry without a signed checkpoint is ${Math.round(unsignedSeconds)} s old`
  throw new AppError('AUDIT_UNSIGNED', `${age}; run the sequencer and the signer`)
}
