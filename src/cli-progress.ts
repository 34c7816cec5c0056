import type { Progress } from './store/run-progress.ts'

/** Where the line is written: standard error, so that the result on standard output stays alone. */
export interface ProgressOutput {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly write: (text: string) => unknown
}

export interface ProgressLine {
  readonly show: (progress: Progress) => void
  /** Leaves the last state standing and begins a new line. Further calls do nothing. */
  readonly end: () => void
}

/** A log that nobody watches needs no more. */
const PLAIN_EVERY_MS = 5000

const clock = (seconds: number): string =>
  [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
    .map((part) => String(part).padStart(2, '0'))
    .join(':')

/** Nobody works on it and nothing holds it back: whoever sees this for long has no worker. */
const waitsForWorker = ({ state, reason, pages }: Progress): boolean =>
  state === 'pending' && reason === null && pages === 0

/** One look at a run in words, for example `run 7 running: 1200 of 5000 rows (24%), 3 rejected, 840 rows/s, 00:00:05 left`. */
export function wordProgress(progress: Progress): string {
  const { runId, state, reason, pulled, rejected, sourceTotal, rowsPerSecond, secondsLeft } = progress
  if (waitsForWorker(progress)) return `run ${runId} waits for a worker; npx gridbridge start starts one`
  const share =
    sourceTotal === null || sourceTotal === 0
      ? `${pulled} rows`
      : `${pulled} of ${sourceTotal} rows (${Math.min(100, Math.floor((pulled / sourceTotal) * 100))}%)`
  const left = secondsLeft === null ? '' : `, ${clock(secondsLeft)} left`
  const why = reason === null ? state : `${state} ${reason}`
  return `run ${runId} ${why}: ${share}, ${rejected} rejected, ${Math.round(rowsPerSecond)} rows/s${left}`
}

/** The progress of a run on one line that is written over on a terminal, and as a line every few seconds elsewhere. */
export function openProgressLine(output: ProgressOutput): ProgressLine {
  let shownAt = 0
  let open = false
  const onTerminal = (progress: Progress): void => {
    output.write(`\r${wordProgress(progress).slice(0, (output.columns ?? 80) - 1)}\u001B[K`)
    open = true
  }
  const plain = (progress: Progress): void => {
    if (progress.at - shownAt < PLAIN_EVERY_MS) return
    shownAt = progress.at
    output.write(`${wordProgress(progress)}\n`)
  }
  return {
    show: output.isTTY === true ? onTerminal : plain,
    end: () => {
      if (open) output.write('\n')
      open = false
    },
  }
}
