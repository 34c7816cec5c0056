import type { Schedule } from './manifest-types.ts'

type Hours = Pick<Schedule, 'timezone' | 'blackout'>

const MINUTE_MS = 60_000
export const MINUTES_OF_DAY = 24 * 60
const DAY_MS = MINUTES_OF_DAY * MINUTE_MS

const minutesOf = (time: string): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3, 5))

/** A window as minutes of the day; `to` is not in it. One whose ends are the same is the whole day. */
function parseWindow(window: string): { readonly from: number; readonly to: number } {
  const [from = '', to = ''] = window.split('-')
  return { from: minutesOf(from), to: minutesOf(to) }
}

/** Milliseconds since midnight in the time zone. */
function timeOfDay(timezone: string, now: Date): number {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone: timezone,
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  }).format(now)
  const [hours = 0, minutes = 0, seconds = 0] = parts.split(':').map(Number)
  return ((hours * 60 + minutes) * 60 + seconds) * 1000 + (now.getTime() % 1000)
}

/** How long from one time of the day to the next time it is the other, more than 0 and at most a day. */
const until = (from: number, to: number): number => ((to - from + DAY_MS - 1) % DAY_MS) + 1

/**
 * Milliseconds until the source may be called again; 0 when it may be now. On the two days of a year on which clocks change it may be
 * an hour wrong, so whoever waits asks again afterwards.
 */
export function blackoutLeftMs({ timezone, blackout = [] }: Hours, now: Date): number {
  if (blackout.length === 0) return 0
  const time = timeOfDay(timezone, now)
  const left = blackout.map(parseWindow).map(({ from, to }) => {
    const isInside = until(from * MINUTE_MS, time) % DAY_MS < until(from * MINUTE_MS, to * MINUTE_MS)
    return isInside ? until(time, to * MINUTE_MS) : 0
  })
  return Math.max(...left)
}

/** Milliseconds until the next blackout begins; Infinity where there is none. */
export function blackoutAheadMs({ timezone, blackout = [] }: Hours, now: Date): number {
  const time = timeOfDay(timezone, now)
  return Math.min(...blackout.map((window) => until(time, parseWindow(window).from * MINUTE_MS)))
}

/** The minutes of a day at which the source may not be called. */
export function blackoutMinutes(blackout: readonly string[]): number {
  const minutes = new Set<number>()
  for (const { from, to } of blackout.map(parseWindow)) {
    const length = until(from * MINUTE_MS, to * MINUTE_MS) / MINUTE_MS
    for (let minute = 0; minute < length; minute++) minutes.add((from + minute) % MINUTES_OF_DAY)
  }
  return minutes.size
}

/** The day, yyyy-MM-dd, that it is in the time zone. */
export function dayIn(timezone: string, now: Date): string {
  return new Intl.DateTimeFormat('en-CA', { timeZone: timezone, dateStyle: 'short' }).format(now)
}

/** Milliseconds until the next day begins in the time zone. */
export function dayLeftMs(timezone: string, now: Date): number {
  return until(timeOfDay(timezone, now), 0)
}
