import type { Run } from './runs.ts'

/** How a run comes along. */
export interface Progress extends Pick<
  Run,
  'runId' | 'state' | 'reason' | 'pages' | 'pulled' | 'rejected' | 'sourceTotal'
> {
  /** Milliseconds since the epoch. */
  readonly at: number
  /** Rows received in a second since the look before; over the whole run for the first one. */
  readonly rowsPerSecond: number
  /** Null where the source states no total, or nothing moves. */
  readonly secondsLeft: number | null
}

/** Weight of the newest look, so that the figure does not jump from page to page. */
const NEWEST = 0.3

function rateOf(run: Run, before: Progress | null, now: number): number {
  if (before === null) {
    const seconds = run.startedAt === null ? 0 : (now - run.startedAt.getTime()) / 1000
    return seconds <= 0 ? 0 : run.pulled / seconds
  }
  const seconds = (now - before.at) / 1000
  if (seconds <= 0) return before.rowsPerSecond
  return NEWEST * ((run.pulled - before.pulled) / seconds) + (1 - NEWEST) * before.rowsPerSecond
}

/** One look at a run beside the look before it. Times are milliseconds since the epoch. */
export function measureProgress(run: Run, before: Progress | null, now: number): Progress {
  const { runId, state, reason, pages, pulled, rejected, sourceTotal } = run
  const rowsPerSecond = Math.round(rateOf(run, before, now) * 10) / 10
  const left = sourceTotal === null ? null : Math.max(0, sourceTotal - pulled)
  const secondsLeft = left === null || rowsPerSecond <= 0 ? null : Math.ceil(left / rowsPerSecond)
  return { runId, state, reason, pages, pulled, rejected, sourceTotal, at: now, rowsPerSecond, secondsLeft }
}

/** Whether nothing more comes by itself. A paused run may go on, so whoever follows it goes on listening. */
export const isOver = ({ state }: Pick<Progress, 'state'>): boolean => state === 'done' || state === 'stopped'
