import type { Query } from '../store/database.ts'

/** What the watchdog saw. `skewed`: this machine's clock is not the database's; `silent`: the database does not answer. */
export type WatchdogFinding = 'skewed' | 'silent'

const EVERY_MS = 5000
/** BullMQ's PostgreSQL backend trusts each worker's clock: one that was an hour ahead stole a running job and stopped all recovery. */
export const MOST_SKEW_MS = 2000
/** A half-open connection stopped workers for as long as anybody watched; the process that restarts is well again in seconds. */
const MOST_SILENCE_MS = 20_000

/** How far this machine's clock is from the database's, in milliseconds; half the round trip is allowed for. */
export async function measureSkew(query: Query): Promise<number> {
  const before = Date.now()
  const [row] = await query<{ now: number }>('select (extract(epoch from clock_timestamp()) * 1000)::float8 as now')
  const after = Date.now()
  const middle = (before + after) / 2
  return Math.max(0, Math.abs((row?.now ?? middle) - middle) - (after - before) / 2)
}

/**
 * Pings the database over the same pool that the work uses and tells what is wrong; the caller ends the process, because a
 * supervisor's restart cures both. Returns how to stop.
 */
export function startWatchdog(
  query: Query,
  onFinding: (finding: WatchdogFinding) => void,
  everyMs = EVERY_MS,
  mostSilenceMs = MOST_SILENCE_MS,
): () => void {
  let heardAt = Date.now()
  const ping = async (): Promise<void> => {
    const skew = await measureSkew(query)
    heardAt = Date.now()
    if (skew > MOST_SKEW_MS) onFinding('skewed')
  }
  const timer = setInterval(() => {
    if (Date.now() - heardAt > mostSilenceMs) return onFinding('silent')
    ping().catch(() => undefined)
  }, everyMs)
  return () => clearInterval(timer)
}
