/** When the rows of pass one were last changed: long past, and in groups, because true systems write in batches. */
const FIRST_MS = Date.parse('2025-01-01T00:00:00+08:00')
const SPAN_MS = 500 * 86_400_000
const LONGEST_STEP_MS = 60_000
/** Rows that share one time: no divisor of a page size, so that pages break within groups. */
const ROWS_PER_TIME = 37
const CHINA_OFFSET_MS = 8 * 3_600_000

/** The update times of a source of `rows` rows, rising with the position. */
export interface UpdateTimes {
  /** Milliseconds since 1970. */
  readonly timeAt: (position: number) => number
  /** The first position whose time is `time` or later, `rows` at most. */
  readonly firstFrom: (time: number) => number
}

/** Times for `rows` rows within 500 days from 2025-01-01. */
export function spreadTimes(rows: number): UpdateTimes {
  const groups = Math.ceil(rows / ROWS_PER_TIME)
  const step = Math.max(1, Math.min(LONGEST_STEP_MS, Math.floor(SPAN_MS / groups)))
  return {
    timeAt: (position) => FIRST_MS + Math.floor(position / ROWS_PER_TIME) * step,
    firstFrom: (time) => Math.min(rows, Math.max(0, Math.ceil((time - FIRST_MS) / step) * ROWS_PER_TIME)),
  }
}

/** RFC 3339 in China Standard Time with milliseconds, for example 2025-01-01T00:00:00.000+08:00. */
export function formatTime(time: number): string {
  return `${new Date(time + CHINA_OFFSET_MS).toISOString().slice(0, 23)}+08:00`
}
