import { setTimeout as wait } from 'node:timers/promises'
import type { Query } from './database.ts'
import { findRun, type Run } from './runs.ts'

/** How a run comes along. */
export interface Progress extends Pick<
  Run,
  'runId' | 'state' | 'reason' | 'pages' | 'pulled' | 'rejected' | 'sourceTotal'
> {
  /** Milliseconds since the epoch. */
  readonly at: number
  /** Rows received in a second, the last seconds weighing most; over the whole run for the first look. */
  readonly rowsPerSecond: number
  /** Null where the source states no total, or nothing moves. */
  readonly secondsLeft: number | null
}

/** What the figure of a second ago still weighs, so that it does not jump from page to page, however often one looks. */
const KEPT_IN_A_SECOND = 0.7

function rateOf(run: Run, before: Progress | null, now: number): number {
  if (before === null) {
    const seconds = run.startedAt === null ? 0 : (now - run.startedAt.getTime()) / 1000
    return seconds <= 0 ? 0 : run.pulled / seconds
  }
  const seconds = (now - before.at) / 1000
  if (seconds <= 0) return before.rowsPerSecond
  const kept = KEPT_IN_A_SECOND ** seconds
  return (1 - kept) * ((run.pulled - before.pulled) / seconds) + kept * before.rowsPerSecond
}

/** One look at a run beside the look before it. Times are milliseconds since the epoch. */
function measureProgress(run: Run, before: Progress | null, now: number): Progress {
  const { runId, state, reason, pages, pulled, rejected, sourceTotal } = run
  const rowsPerSecond = Math.round(rateOf(run, before, now) * 10) / 10
  const left = sourceTotal === null ? null : Math.max(0, sourceTotal - pulled)
  const secondsLeft = left === null || rowsPerSecond <= 0 ? null : Math.ceil(left / rowsPerSecond)
  return { runId, state, reason, pages, pulled, rejected, sourceTotal, at: now, rowsPerSecond, secondsLeft }
}

/** Whether nothing more comes by itself. A paused run may go on, so whoever follows it goes on listening. */
export const isOver = ({ state }: Pick<Progress, 'state'>): boolean => state === 'done' || state === 'stopped'

/** Looks at the run again and again until it is over. Throws RUN_UNKNOWN, and an AbortError when `signal` ends the waiting. */
export async function* followRun(
  query: Query,
  runId: number,
  everyMs: number,
  signal?: AbortSignal,
): AsyncGenerator<Progress, void> {
  let before: Progress | null = null
  for (;;) {
    const progress: Progress = measureProgress(await findRun(query, runId), before, Date.now())
    before = progress
    yield progress
    if (isOver(progress)) return
    await wait(everyMs, undefined, { signal })
  }
}
