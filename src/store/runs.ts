import { AppError, type ErrorCode } from '../errors.ts'
import type { Query } from './database.ts'

/** Where a run stands. Counts are of rows: pulled = valid + rejected. */
export interface Run {
  readonly runId: number
  readonly feed: string
  readonly dataset: string
  readonly state: 'pending' | 'running' | 'done' | 'stopped'
  readonly reason: string | null
  readonly failures: number
  readonly pages: number
  readonly pulled: number
  readonly valid: number
  readonly rejected: number
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
  readonly unchanged: number
  readonly sourceTotal: number | null
  readonly warnings: Readonly<Record<string, number>>
}

/** The right to work on one run: every later write carries the epoch, so a worker that was thought dead cannot write. */
export interface RunLease {
  readonly runId: number
  readonly epoch: number
}

/** Long enough that a busy event loop keeps it, short enough that a dead worker's run goes on within half a minute. */
const LEASE = `interval '15 seconds'`

const RUN_COLUMNS = `run_id as "runId", feed.code as feed, dataset.name as dataset, run.state, reason, failures, pages, pulled, valid,
  rejected, inserted, updated, deleted, unchanged, source_total as "sourceTotal", warnings`

/** A new run of the feed, or the one that is alive already. */
export async function requestRun(
  query: Query,
  feedId: number,
): Promise<{ readonly runId: number; readonly fresh: boolean }> {
  const [created] = await query<{ runId: number }>(
    `insert into run (feed_id) select feed_id from feed where feed_id = $1 and state = 'active'
       on conflict (feed_id) where state in ('pending', 'running') do nothing
       returning run_id as "runId"`,
    [feedId],
  )
  if (created !== undefined) return { runId: created.runId, fresh: true }
  const [alive] = await query<{ runId: number }>(
    `select run_id as "runId" from run where feed_id = $1 and state in ('pending', 'running')`,
    [feedId],
  )
  if (alive === undefined) throw new AppError('FEED_UNKNOWN', `feed ${feedId} is not active`)
  return { runId: alive.runId, fresh: false }
}

/** Takes the run when nobody holds it and it is due, by the database clock. null: somebody else has it, or it is over. */
export async function claimRun(query: Query, runId: number): Promise<RunLease | null> {
  const [row] = await query<{ epoch: number }>(
    `update run set state = 'running', lease_epoch = lease_epoch + 1, lease_until = clock_timestamp() + ${LEASE}
      where run_id = $1 and state in ('pending', 'running')
        and (lease_until is null or lease_until < clock_timestamp())
        and (not_before is null or not_before <= clock_timestamp())
      returning lease_epoch as epoch`,
    [runId],
  )
  return row === undefined ? null : { runId, epoch: row.epoch }
}

/** Extends the lease. Throws LEASE_LOST. */
export async function keepRun(query: Query, lease: RunLease): Promise<void> {
  const rows = await query(
    `update run set lease_until = clock_timestamp() + ${LEASE}
      where run_id = $1 and lease_epoch = $2 and state = 'running' returning run_id`,
    [lease.runId, lease.epoch],
  )
  if (rows.length === 0) throw new AppError('LEASE_LOST', `run ${lease.runId}`)
}

/** Gives the run back before it is over, so that the next slice can begin at once. */
export async function releaseRun(query: Query, lease: RunLease): Promise<void> {
  await query('update run set lease_until = null where run_id = $1 and lease_epoch = $2', [lease.runId, lease.epoch])
}

/** Ends the run and forgets what it has seen. Throws LEASE_LOST. */
export async function endRun(
  query: Query,
  lease: RunLease,
  state: 'done' | 'stopped',
  reason: ErrorCode | null,
): Promise<void> {
  const rows = await query(
    `update run set state = $3, reason = $4, lease_until = null, finished_at = clock_timestamp()
      where run_id = $1 and lease_epoch = $2 and state = 'running' returning run_id`,
    [lease.runId, lease.epoch, state, reason],
  )
  if (rows.length === 0) throw new AppError('LEASE_LOST', `run ${lease.runId}`)
  await query('delete from run_seen where run_id = $1', [lease.runId])
}

/** Puts the run off after a failure that may pass. The cursor stays where the last saved page left it. Throws LEASE_LOST. */
export async function postponeRun(query: Query, lease: RunLease, reason: ErrorCode, delayMs: number): Promise<void> {
  const rows = await query(
    `update run set state = 'pending', reason = $3, failures = failures + 1, lease_until = null,
            not_before = clock_timestamp() + make_interval(secs => $4::float8 / 1000)
      where run_id = $1 and lease_epoch = $2 and state = 'running' returning run_id`,
    [lease.runId, lease.epoch, reason, delayMs],
  )
  if (rows.length === 0) throw new AppError('LEASE_LOST', `run ${lease.runId}`)
}

/** Throws FEED_UNKNOWN. */
export async function findRun(query: Query, runId: number): Promise<Run> {
  const [run] = await query<Run>(
    `select ${RUN_COLUMNS} from run join feed using (feed_id) join dataset using (dataset_id) where run_id = $1`,
    [runId],
  )
  if (run === undefined) throw new AppError('FEED_UNKNOWN', `run ${runId}`)
  return run
}

/** Runs that are due and that no living worker holds: what the reconciler enqueues again. */
export async function listIdleRuns(
  query: Query,
): Promise<readonly { readonly runId: number; readonly epoch: number }[]> {
  return query(
    `select run_id as "runId", lease_epoch as epoch from run
      where state in ('pending', 'running')
        and (lease_until is null or lease_until < clock_timestamp())
        and (not_before is null or not_before <= clock_timestamp())
      order by run_id limit 500`,
  )
}

/** Whether any worker of the installation is reading a source now. */
export async function isAnyRunAlive(query: Query): Promise<boolean> {
  const [row] = await query<{ alive: boolean }>(
    `select exists (select from run where state = 'running' and lease_until > clock_timestamp()) as alive`,
  )
  return row?.alive === true
}
