import type { AppError, ErrorCode } from '../errors.ts'
import type { AuditEvent } from '../audit/events.ts'
import { describeDrift, type DriftCounts } from '../feeds/drift-counts.ts'
import { isReadWhole } from '../feeds/manifest-rules.ts'
import { clearAlert, raiseAlert, type AlertKind } from './alerts.ts'
import { syncCorrections } from './correction-steps.ts'
import { assertNotShrunk, forgetCompare, guardRatioOf } from './compare.ts'
import type { Database, Transaction } from './database.ts'
import { forgetCursor, type Feed } from './feeds.ts'
import { lockBatches } from './push-batches.ts'
import { readReconciliation } from './reconciliation.ts'
import { countRemoved, removeUnseen } from './records.ts'
import { endRun, postponeRun, readDrift, setRunAside, type Postponement, type RunLease } from './runs.ts'
import { requestRunOfBatches } from './waiting-batches.ts'

type Fact = Pick<AuditEvent, 'actor' | 'outcome' | 'feed' | 'dataset' | 'object'>

const factOf = (feed: Feed, lease: RunLease, outcome: AuditEvent['outcome'], actor = 'system:worker'): Fact => ({
  actor,
  outcome,
  feed: feed.code,
  dataset: feed.dataset,
  object: `run/${lease.runId}`,
})

/**
 * Ends a run that read everything; a full-compare feed first buries what the run did not see, and batches that were posted behind
 * its last page get a run of their own. A difference that the counts do
 * not explain raises an alert. Throws SOURCE_SHRUNK, LEASE_LOST.
 */
export async function finishRun(database: Database, feed: Feed, lease: RunLease): Promise<void> {
  await database.transaction(async (transaction) => {
    const { query, audit } = transaction
    const fact = factOf(feed, lease, 'ok')
    // A batch that is accepted from here on finds this run ended and asks for its own.
    if (isPosted(feed)) await lockBatches(query, feed.feedId)
    const guardRatio = guardRatioOf(feed)
    if (guardRatio !== null) {
      const removed = await removeUnseen(query, feed, lease.runId, guardRatio)
      await countRemoved(query, lease.runId, removed)
      if (removed > 0) await audit({ ...fact, type: 'records.removed', count: removed })
    } else if (readsEverything(feed)) await assertNotShrunk(query, lease.runId)
    if (feed.comparing) await forgetCompare(query, feed.feedId)
    await endRun(query, lease, 'done', null)
    await audit({ ...fact, type: 'run.finished' })
    await clearAlert(query, feed.feedId, 'feed-stale')
    await certify(transaction, feed, lease)
    await syncCorrections(transaction, feed.feedId)
    // What was accepted behind the last page counted on this run.
    if (isPosted(feed)) await requestRunOfBatches(transaction, feed, fact.actor)
  })
}

const isPosted = ({ manifest }: Feed): boolean => manifest.source.kind === 'push'

/** A run this long is judged by the share of its rows. */
const LEAST_ROWS = 100
/** A look-back reads some rows twice; this many twice is a source that pages in circles. */
const MOST_DUPLICATES = 0.2

/** Fields that came in earlier runs and in no row of this one. */
function vanishedFields({ shape }: Feed, drift: DriftCounts): readonly string[] {
  const { rows, missing } = describeDrift(drift)
  if (rows < LEAST_ROWS) return []
  return missing.filter((field) => field.rows === rows && shape[field.field] !== undefined).map(({ field }) => field)
}

/** Looks whether every row of a finished run is accounted for, and whether its source is as it was. */
async function certify(transaction: Transaction, feed: Feed, lease: RunLease): Promise<void> {
  const { isExplained, checks, run } = await readReconciliation(transaction.query, lease.runId)
  const raise = (kind: AlertKind, details: Readonly<Record<string, string | number>>): Promise<void> =>
    raiseAlert(transaction, { kind, feed, runId: lease.runId, details })
  if (!isExplained) {
    const open = checks.filter((check) => !check.holds)
    await raise('unexplained-difference', Object.fromEntries(open.map(({ id, difference }) => [id, difference])))
  }
  if (run.pulled >= LEAST_ROWS && run.duplicates > run.pulled * MOST_DUPLICATES)
    await raise('duplicate-ratio', { duplicates: run.duplicates, received: run.pulled })
  const vanished = vanishedFields(feed, await readDrift(transaction.query, lease.runId))
  if (vanished.length > 0) await raise('field-vanished', { fields: vanished.join(' ') })
}

/** Whether every run of the feed reads everything, so that a run cannot go on where an earlier one was stopped. */
function readsEverything({ manifest }: Feed): boolean {
  const { source, deletes } = manifest
  return deletes.kind === 'missing' || isReadWhole(source)
}

/** Ends of a run that a person should look at. */
const alarming: Partial<Readonly<Record<ErrorCode, AlertKind>>> = {
  ERROR_BUDGET_SPENT: 'run-stopped',
  SOURCE_SHRUNK: 'run-stopped',
  SOURCE_REFUSED: 'run-stopped',
}

/** As `stopRun`, in a transaction that also holds what led to it. */
export async function stopRunIn(
  transaction: Transaction,
  feed: Feed,
  lease: RunLease,
  reason: ErrorCode,
  actor = 'system:worker',
): Promise<void> {
  await endRun(transaction.query, lease, 'stopped', reason)
  if (readsEverything(feed)) await forgetCursor(transaction.query, feed.feedId)
  if (feed.comparing) await forgetCompare(transaction.query, feed.feedId)
  await transaction.audit({ ...factOf(feed, lease, 'failed', actor), type: 'run.stopped', details: { reason } })
  const kind = alarming[reason]
  if (kind !== undefined) await raiseAlert(transaction, { kind, feed, runId: lease.runId, details: { reason } })
}

/**
 * Ends a run that cannot go on by itself. An incremental feed's cursor stays and the next run begins there; a feed that reads
 * everything begins anew, because what the stopped run saw is not counted as seen by the next.
 */
export async function stopRun(database: Database, feed: Feed, lease: RunLease, reason: ErrorCode): Promise<void> {
  await database.transaction((transaction) => stopRunIn(transaction, feed, lease, reason))
}

/** Sets a run aside until a person lets it go on: nothing is lost, the cursor and what the run saw stay. */
export async function pauseRun(database: Database, feed: Feed, lease: RunLease, reason: ErrorCode): Promise<void> {
  await database.transaction(async (transaction) => {
    await setRunAside(transaction.query, lease, reason)
    await transaction.audit({ ...factOf(feed, lease, 'ok'), type: 'run.paused', details: { reason } })
    if (reason !== 'SOURCE_DRIFTED') return
    await raiseAlert(transaction, { kind: 'source-drifted', feed, runId: lease.runId, details: {} })
  })
}

async function postpone(
  { query, audit }: Transaction,
  feed: Feed,
  lease: RunLease,
  postponement: Postponement,
): Promise<void> {
  await postponeRun(query, lease, postponement)
  const { reason, delayMs } = postponement
  const details = { reason, delayMs: Math.round(delayMs) }
  await audit({ ...factOf(feed, lease, 'failed'), type: 'run.postponed', details })
}

/** Puts a run off that may succeed later. */
export async function deferRun(
  database: Database,
  feed: Feed,
  lease: RunLease,
  error: AppError,
  delayMs: number,
): Promise<void> {
  const postponement = { reason: error.code, delayMs, isFailure: true }
  await database.transaction((transaction) => postpone(transaction, feed, lease, postponement))
}

/** Lets a run wait that did nothing wrong: its source may not be called now. */
export async function holdRun(
  database: Database,
  feed: Feed,
  lease: RunLease,
  reason: ErrorCode,
  delayMs: number,
): Promise<void> {
  const postponement = { reason, delayMs, isFailure: false }
  await database.transaction((transaction) => postpone(transaction, feed, lease, postponement))
}
