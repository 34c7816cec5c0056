import type { ErrorCode } from '../errors.ts'
import type { Query } from './database.ts'

/**
 * The circuit breaker of a feed. `closed`: the source is called; `open`: it failed again and again and is left alone until
 * `restsUntil`; `half-open`: that time is over and the next page decides.
 */
export interface SourceHealth {
  readonly state: 'closed' | 'open' | 'half-open'
  /** Failures since the last page that was saved. */
  readonly failures: number
  readonly fault: string | null
  readonly restsUntil: Date | null
  /** How long the source still rests, by the database clock; 0 when it may be called. */
  readonly restsForMs: number
}

/** A source that failed this often in a row rests. */
export const BREAKER_AFTER = 5

/** 1, 2, 4 … minutes, six hours at most. */
const REST = `make_interval(mins => least(360, power(2, least(10, greatest(0, source_failures + 1 - ${BREAKER_AFTER})))::int))`

export async function readSourceHealth(query: Query, feedId: number): Promise<SourceHealth> {
  const [row] = await query<Omit<SourceHealth, 'state'>>(
    `select source_failures as failures, source_fault as fault, source_rests_until as "restsUntil",
            greatest(0, coalesce(extract(epoch from source_rests_until - clock_timestamp()) * 1000, 0))::float8 as "restsForMs"
       from feed where feed_id = $1`,
    [feedId],
  )
  const health = row ?? { failures: 0, fault: null, restsUntil: null, restsForMs: 0 }
  if (health.failures < BREAKER_AFTER) return { state: 'closed', ...health }
  return { state: health.restsForMs > 0 ? 'open' : 'half-open', ...health }
}

/** Counts a failure of the source; from the fifth in a row on it rests, each time twice as long. */
export async function countSourceFailure(query: Query, feedId: number, fault: ErrorCode): Promise<void> {
  await query(
    `update feed set source_failures = source_failures + 1, source_fault = $2,
            source_rests_until = case when source_failures + 1 >= ${BREAKER_AFTER} then clock_timestamp() + ${REST} end
      where feed_id = $1`,
    [feedId, fault],
  )
}

/** Lets the source be called at once: a person asked for it. What it failed stays counted. */
export async function endSourceRest(query: Query, feedId: number): Promise<void> {
  await query('update feed set source_rests_until = null where feed_id = $1', [feedId])
}

/** Counts one call of this day and returns how many there were with it. `day` is yyyy-MM-dd in the source's own time zone. */
export async function countSourceCall(query: Query, feedId: number, day: string): Promise<number> {
  const [row] = await query<{ calls: number }>(
    `insert into source_calls (feed_id, day, calls) values ($1, $2, 1)
       on conflict (feed_id, day) do update set calls = source_calls.calls + 1 returning calls`,
    [feedId, day],
  )
  return row?.calls ?? 1
}

/** Old days are of no use to anybody. */
export async function forgetSourceCalls(query: Query): Promise<void> {
  await query(`delete from source_calls where day < current_date - 7`)
}
