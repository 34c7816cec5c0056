import { AppError } from '../errors.ts'
import type { Database, Query } from './database.ts'
import type { Feed } from './feeds.ts'
import { keepRefused, settleResubmitted, type RefusedAgain } from './rejections.ts'
import { endRun, findRun, type Run, type RunLease } from './runs.ts'
import { lockFeedRows, writePage, type PageToSave } from './save-page.ts'

/** Corrected rows of a feed, judged. */
export interface Resubmission {
  /** What is good; its cursor is null. */
  readonly page: PageToSave
  /** The rejections that the good rows settle. */
  readonly accepted: readonly number[]
  readonly refused: readonly RefusedAgain[]
  readonly actor: string
}

async function insertRun(query: Query, feed: Feed): Promise<RunLease> {
  // The lock lets nobody retire the feed, and remove its data, before these rows are there to be removed.
  const [row] = await query<{ runId: number }>(
    `with taking as (select feed_id from feed where feed_id = $1 and state <> 'retired' for share)
     insert into run (feed_id, kind, state, started_at)
       select feed_id, 'resubmission', 'running', clock_timestamp() from taking returning run_id as "runId"`,
    [feed.feedId],
  )
  if (row === undefined) throw new AppError('FEED_STATE', `${feed.code} is retired and takes no rows`)
  return { runId: row.runId, epoch: 0 }
}

/**
 * Saves corrected rows as a run of their own, in ONE transaction: records, settled rejections, counts and audit entries. The
 * cursor of the feed does not move. Throws FEED_STATE, and REJECTION_SETTLED, and changes nothing, when one of them no longer waits.
 */
export async function saveResubmission(database: Database, feed: Feed, resubmission: Resubmission): Promise<Run> {
  const { page, accepted, refused, actor } = resubmission
  return database.transaction(async (transaction) => {
    const { query, audit } = transaction
    await lockFeedRows(query, feed)
    const lease = await insertRun(query, feed)
    const settled = await settleResubmitted(query, feed.feedId, lease.runId, accepted)
    const kept = await keepRefused(query, feed.feedId, refused)
    if (settled !== accepted.length || kept !== refused.length)
      throw new AppError(
        'REJECTION_SETTLED',
        'a newer row came in the meantime; list what waits and send the rest again',
      )
    await writePage(transaction, feed, lease, page)
    await endRun(query, lease, 'done', null)
    await audit({
      type: 'rejections.resubmitted',
      actor,
      outcome: 'ok',
      feed: feed.code,
      dataset: feed.dataset,
      object: `run/${lease.runId}`,
      count: page.pulled,
      details: { accepted: accepted.length, refused: refused.length },
    })
    return findRun(query, lease.runId)
  })
}
