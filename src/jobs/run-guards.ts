import type { AppError, ErrorCode } from '../errors.ts'
import { blackoutLeftMs, dayLeftMs } from '../feeds/source-hours.ts'
import { raiseAlert } from '../store/alerts.ts'
import type { Database } from '../store/database.ts'
import type { Feed } from '../store/feeds.ts'
import { deferRun, holdRun, pauseRun, stopRun } from '../store/finish-run.ts'
import { isFrozen } from '../store/freezes.ts'
import { findRun, postponeRun, type RunLease } from '../store/runs.ts'
import { countSourceFailure, readSourceHealth } from '../store/source-health.ts'

/** A run that keeps failing is tried for about an hour and a half; then it stops with its reason and the next slot begins anew. */
const MOST_FAILURES = 10
const LONGEST_DELAY_MS = 15 * 60_000

/** A wait that ends a little early only leads to another wait. */
const MARGIN_MS = 50

function retryDelayMs(failures: number, error: AppError): number {
  const asked = (error.cause as { retryAfterMs?: number } | undefined)?.retryAfterMs
  if (asked !== undefined) return Math.min(asked, LONGEST_DELAY_MS)
  const longest = Math.min(LONGEST_DELAY_MS, 2000 * 2 ** failures)
  return longest / 2 + Math.random() * (longest / 2)
}

/** Why a run must wait before its source is called, and how long. */
interface Hold {
  readonly reason: ErrorCode
  readonly delayMs: number
}

/** How soon a frozen feed is looked at again: what was lifted goes on in seconds. */
const FROZEN_REST_MS = 5000

async function findHold(database: Database, feed: Feed): Promise<Hold | null> {
  if (await isFrozen(database, feed)) return { reason: 'FROZEN', delayMs: FROZEN_REST_MS }
  const blackout = blackoutLeftMs(feed.manifest.schedule, new Date())
  if (blackout > 0) return { reason: 'SOURCE_BLACKOUT', delayMs: blackout }
  const { restsForMs } = await readSourceHealth(database.query, feed.feedId)
  return restsForMs > 0 ? { reason: 'SOURCE_RESTING', delayMs: restsForMs } : null
}

/**
 * Lets the run wait where its source may not be called now. Returns after how many milliseconds the run is due again; null: go on.
 */
export async function holdWhereForbidden(database: Database, feed: Feed, lease: RunLease): Promise<number | null> {
  const hold = await findHold(database, feed)
  if (hold === null) return null
  const delayMs = hold.delayMs + MARGIN_MS
  // A freeze of days is looked at every few seconds; that the run waits for it is written down once.
  const { reason } = await findRun(database.query, lease.runId)
  if (hold.reason === 'FROZEN' && reason === 'FROZEN') {
    await postponeRun(database.query, lease, { reason, delayMs, isFailure: false })
    return delayMs
  }
  await holdRun(database, feed, lease, hold.reason, delayMs)
  return delayMs
}

/** Failures that say something of the source and not of us. */
const sourceFaults: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'SOURCE_UNAVAILABLE',
  'SOURCE_REFUSED',
  'SOURCE_BODY_INVALID',
])

/** Counts a fault of the source; returns how long it rests now, in milliseconds. */
async function restAfter(database: Database, feed: Feed, lease: RunLease, { code }: AppError): Promise<number> {
  if (!sourceFaults.has(code)) return 0
  return database.transaction(async (transaction) => {
    await countSourceFailure(transaction.query, feed.feedId, code)
    const { restsForMs, failures } = await readSourceHealth(transaction.query, feed.feedId)
    const details = { reason: code, failures }
    if (restsForMs > 0) await raiseAlert(transaction, { kind: 'source-resting', feed, runId: lease.runId, details })
    return restsForMs
  })
}

/** Ends of a slice that are no failures of the source; each returns after how long the run is due again, null for not by itself. */
type Settle = (database: Database, feed: Feed, lease: RunLease) => Promise<number | null>

const aside =
  (reason: ErrorCode): Settle =>
  async (database, feed, lease) => {
    await pauseRun(database, feed, lease, reason)
    return null
  }

const settlements: Partial<Readonly<Record<ErrorCode, Settle>>> = {
  // Another worker has it.
  LEASE_LOST: () => Promise.resolve(null),
  RUN_PAUSED: aside('RUN_PAUSED'),
  SOURCE_DRIFTED: aside('SOURCE_DRIFTED'),
  FROZEN: async (database, feed, lease) => {
    const delayMs = FROZEN_REST_MS + MARGIN_MS
    await holdRun(database, feed, lease, 'FROZEN', delayMs)
    return delayMs
  },
  RUN_CANCELLED: async (database, feed, lease) => {
    await stopRun(database, feed, lease, 'RUN_CANCELLED')
    return null
  },
  SOURCE_BUDGET_SPENT: async (database, feed, lease) => {
    const delayMs = dayLeftMs(feed.manifest.schedule.timezone, new Date()) + MARGIN_MS
    await holdRun(database, feed, lease, 'SOURCE_BUDGET_SPENT', delayMs)
    return delayMs
  },
}

/**
 * The one place that decides what becomes of a run whose slice did not end well: another worker has it, it waits for a person,
 * it waits for a time, or it stops. Returns after how many milliseconds it is due again; null: not by itself.
 */
export async function settleFailure(
  database: Database,
  feed: Feed,
  lease: RunLease,
  error: AppError,
): Promise<number | null> {
  const settle = settlements[error.code]
  if (settle !== undefined) return settle(database, feed, lease)
  const restsForMs = await restAfter(database, feed, lease, error)
  const { failures } = await findRun(database.query, lease.runId)
  if (!error.retry || failures >= MOST_FAILURES) {
    await stopRun(database, feed, lease, error.code)
    return null
  }
  const delayMs = Math.max(retryDelayMs(failures, error), restsForMs) + MARGIN_MS
  await deferRun(database, feed, lease, error, delayMs - MARGIN_MS)
  return delayMs
}
