import { AppError } from '../errors.ts'
import type { Database, Query, Transaction } from './database.ts'
import { findFeedOfRun, type Feed } from './feeds.ts'
import { stopRunIn } from './finish-run.ts'
import { findRun, requestRun, type Run, type RunLease } from './runs.ts'
import { endSourceRest } from './source-health.ts'

/** What a person can ask of a run that is alive. */
export type Steering = 'pause' | 'resume' | 'cancel'

/** A run that waits is paused at once; one that is being worked on ends behind the page in hand. */
async function askToPause(query: Query, runId: number): Promise<boolean> {
  const rows = await query(
    `update run set wanted = case state when 'running' then 'pause' end,
            reason = case state when 'running' then reason else 'RUN_PAUSED' end,
            state = case state when 'running' then state else 'paused' end
      where run_id = $1 and kind = 'sync' and state in ('pending', 'running') and coalesce(wanted <> 'cancel', true)
      returning run_id`,
    [runId],
  )
  return rows.length === 1
}

/** A paused run becomes due now; a pause that was asked for and not yet met is taken back. */
async function letGoOn(query: Query, runId: number): Promise<boolean> {
  const rows = await query(
    `update run set wanted = null,
            reason = case state when 'paused' then null else reason end,
            failures = case state when 'paused' then 0 else failures end,
            not_before = case state when 'paused' then null else not_before end,
            state = case state when 'paused' then 'pending' else state end
      where run_id = $1 and kind = 'sync' and (state = 'paused' or (state = 'running' and wanted = 'pause'))
      returning run_id`,
    [runId],
  )
  return rows.length === 1
}

async function askToCancel(query: Query, runId: number): Promise<boolean> {
  const rows = await query(
    `update run set wanted = 'cancel' where run_id = $1 and kind = 'sync' and state = 'running' returning run_id`,
    [runId],
  )
  return rows.length === 1
}

/** Takes a run that nobody works on, whether it is due or not, so that it can be ended. */
async function seizeRun(query: Query, runId: number): Promise<RunLease | null> {
  const [row] = await query<{ epoch: number }>(
    `update run set state = 'running', lease_epoch = lease_epoch + 1
      where run_id = $1 and kind = 'sync' and state in ('pending', 'paused') returning lease_epoch as epoch`,
    [runId],
  )
  return row === undefined ? null : { runId, epoch: row.epoch }
}

type Steer = (transaction: Transaction, feed: Feed, runId: number, actor: string) => Promise<boolean>

const steers: Readonly<Record<Steering, Steer>> = {
  pause: ({ query }, _feed, runId) => askToPause(query, runId),
  resume: ({ query }, _feed, runId) => letGoOn(query, runId),
  cancel: async (transaction, feed, runId, actor) => {
    const lease = await seizeRun(transaction.query, runId)
    if (lease === null) return askToCancel(transaction.query, runId)
    await stopRunIn(transaction, feed, lease, 'RUN_CANCELLED', actor)
    return true
  },
}

/**
 * Pauses, resumes or cancels a run, and writes down who asked. A run that is being worked on ends within a page, with its
 * cursor behind the last saved page. Throws RUN_CONFLICT where its state does not allow it.
 */
export async function steerRun(database: Database, runId: number, steering: Steering, actor: string): Promise<Run> {
  return database.transaction(async (transaction) => {
    const feed = await findFeedOfRun(transaction.query, runId)
    if (!(await steers[steering](transaction, feed, runId, actor))) {
      const { state } = await findRun(transaction.query, runId)
      throw new AppError('RUN_CONFLICT', `run ${runId} is ${state}, so there is nothing to ${steering}`)
    }
    await transaction.audit({
      type: 'run.steered',
      actor,
      outcome: 'ok',
      feed: feed.code,
      dataset: feed.dataset,
      object: `run/${runId}`,
      details: { steering },
    })
    return findRun(transaction.query, runId)
  })
}

/** A run that a person asks for; a source that rests is tried at once. Returns the run that is alive where there is one. */
export async function requestRunBy(database: Database, feed: Feed, actor: string): Promise<number> {
  return database.transaction(async ({ query, audit }) => {
    const run = await requestRun(query, feed.feedId)
    await endSourceRest(query, feed.feedId)
    const fact = { actor, outcome: 'ok', feed: feed.code, object: `run/${run.runId}` } as const
    if (run.fresh) await audit({ ...fact, type: 'run.requested' })
    return run.runId
  })
}
