import type { AppError, ErrorCode } from '../errors.ts'
import { forgetCompare, guardRatioOf } from './compare.ts'
import type { Database } from './database.ts'
import { forgetCursor, type Feed } from './feeds.ts'
import { countRemoved, removeUnseen } from './records.ts'
import { endRun, postponeRun, type RunLease } from './runs.ts'

/** Ends a run that read everything; a full-compare feed first buries what the run did not see. Throws SOURCE_SHRUNK, LEASE_LOST. */
export async function finishRun(database: Database, feed: Feed, lease: RunLease): Promise<void> {
  await database.transaction(async ({ query, audit }) => {
    const fact = {
      actor: 'system:worker',
      outcome: 'ok',
      feed: feed.code,
      dataset: feed.dataset,
      object: `run/${lease.runId}`,
    } as const
    const guardRatio = guardRatioOf(feed)
    if (guardRatio !== null) {
      const removed = await removeUnseen(query, feed, lease.runId, guardRatio)
      await countRemoved(query, lease.runId, removed)
      if (removed > 0) await audit({ ...fact, type: 'records.removed', count: removed })
    }
    if (feed.comparing) await forgetCompare(query, feed.feedId)
    await endRun(query, lease, 'done', null)
    await audit({ ...fact, type: 'run.finished' })
  })
}

/** Whether every run of the feed reads everything, so that a run cannot go on where an earlier one was stopped. */
function readsEverything({ manifest }: Feed): boolean {
  const { source, deletes } = manifest
  return deletes.kind === 'missing' || (source.kind === 'http' && source.incremental === undefined)
}

/**
 * Ends a run that cannot go on by itself. An incremental feed's cursor stays and the next run begins there; a feed that reads
 * everything begins anew, because what the stopped run saw is not counted as seen by the next.
 */
export async function stopRun(database: Database, feed: Feed, lease: RunLease, reason: ErrorCode): Promise<void> {
  await database.transaction(async ({ query, audit }) => {
    await endRun(query, lease, 'stopped', reason)
    if (readsEverything(feed)) await forgetCursor(query, feed.feedId)
    if (feed.comparing) await forgetCompare(query, feed.feedId)
    await audit({
      type: 'run.stopped',
      actor: 'system:worker',
      outcome: 'failed',
      feed: feed.code,
      dataset: feed.dataset,
      object: `run/${lease.runId}`,
      details: { reason },
    })
  })
}

/** Puts a run off that may succeed later. */
export async function deferRun(
  database: Database,
  feed: Feed,
  lease: RunLease,
  error: AppError,
  delayMs: number,
): Promise<void> {
  await database.transaction(async ({ query, audit }) => {
    await postponeRun(query, lease, error.code, delayMs)
    await audit({
      type: 'run.postponed',
      actor: 'system:worker',
      outcome: 'failed',
      feed: feed.code,
      dataset: feed.dataset,
      object: `run/${lease.runId}`,
      details: { reason: error.code, delayMs: Math.round(delayMs) },
    })
  })
}
