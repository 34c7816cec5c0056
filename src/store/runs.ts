import { AppError, type ErrorCode } from '../errors.ts'
import type { DriftCounts } from '../feeds/drift-counts.ts'
import type { Query } from './database.ts'

/** What a run was asked for while it is alive: to stop for a while, or for good. */
export type WantedOfRun = 'pause' | 'cancel'

/**
 * Where a run stands. Counts are of rows: pulled = valid + rejected, valid = inserted + updated + deleted + unchanged + withheld before
 * anything was removed by comparison. A `resubmission` holds rows that a department corrected.
 */
export interface Run {
  readonly runId: number
  readonly feed: string
  readonly department: string
  readonly dataset: string
  readonly kind: 'sync' | 'resubmission'
  readonly state: 'pending' | 'running' | 'paused' | 'done' | 'stopped'
  readonly wanted: WantedOfRun | null
  readonly reason: string | null
  readonly createdAt: Date
  readonly startedAt: Date | null
  readonly finishedAt: Date | null
  /** A run that waits is not taken before. */
  readonly notBefore: Date | null
  readonly failures: number
  readonly pages: number
  readonly pulled: number
  readonly valid: number
  readonly rejected: number
  readonly inserted: number
  readonly updated: number
  /** By the source's own word and by comparison; `removed` is the latter part. */
  readonly deleted: number
  readonly removed: number
  readonly unchanged: number
  /** Good rows of records that were erased: they are not taken in again until the erasure is lifted. */
  readonly withheld: number
  /** Rows that named a record which the same run had already read. */
  readonly duplicates: number
  /** Records of the run that were linked to a person; the merge follows the run by some seconds. */
  readonly merged: number
  readonly sourceTotal: number | null
  readonly warnings: Readonly<Record<string, number>>
  /** Rejected rows by the first rule that each broke, so that the counts add up to `rejected`. */
  readonly rejectedByRule: Readonly<Record<string, number>>
}

/** The right to work on one run: every later write carries the epoch, so a worker that was thought dead cannot write. */
export interface RunLease {
  readonly runId: number
  readonly epoch: number
}

/** Long enough that a busy event loop keeps it, short enough that a dead worker's run goes on within half a minute. */
const LEASE = `interval '15 seconds'`

const RUN_COLUMNS = `run_id as "runId", feed.code as feed, department, dataset.name as dataset, kind, run.state, wanted, reason,
  run.created_at as "createdAt", started_at as "startedAt", finished_at as "finishedAt", not_before as "notBefore", failures, pages,
  pulled, valid, rejected, inserted, updated, deleted, removed, unchanged, withheld, duplicates, merged, source_total as "sourceTotal", warnings,
  rejected_by_rule as "rejectedByRule"`

/** A new run of the feed, or the one that is alive already. */
export async function requestRun(
  query: Query,
  feedId: number,
): Promise<{ readonly runId: number; readonly fresh: boolean }> {
  const [created] = await query<{ runId: number }>(
    `insert into run (feed_id) select feed_id from feed where feed_id = $1 and state = 'active'
       on conflict (feed_id) where kind = 'sync' and state in ('pending', 'running', 'paused') do nothing
       returning run_id as "runId"`,
    [feedId],
  )
  if (created !== undefined) return { runId: created.runId, fresh: true }
  const [alive] = await query<{ runId: number }>(
    `select run_id as "runId" from run where feed_id = $1 and kind = 'sync' and state in ('pending', 'running', 'paused')`,
    [feedId],
  )
  if (alive === undefined) throw new AppError('FEED_STATE', `feed ${feedId} is not active`)
  return { runId: alive.runId, fresh: false }
}

/** Takes the run when nobody holds it and it is due, by the database clock. null: somebody else has it, or it is over. */
export async function claimRun(query: Query, runId: number): Promise<RunLease | null> {
  const [row] = await query<{ epoch: number }>(
    `update run set state = 'running', lease_epoch = lease_epoch + 1, lease_until = clock_timestamp() + ${LEASE},
            started_at = coalesce(started_at, clock_timestamp())
      where run_id = $1 and kind = 'sync' and state in ('pending', 'running')
        and (lease_until is null or lease_until < clock_timestamp())
        and (not_before is null or not_before <= clock_timestamp())
      returning lease_epoch as epoch`,
    [runId],
  )
  return row === undefined ? null : { runId, epoch: row.epoch }
}

/** Extends the lease and tells what the run was asked for meanwhile. Throws LEASE_LOST. */
export async function keepRun(query: Query, lease: RunLease): Promise<WantedOfRun | null> {
  const [row] = await query<{ wanted: WantedOfRun | null }>(
    `update run set lease_until = clock_timestamp() + ${LEASE}
      where run_id = $1 and lease_epoch = $2 and state = 'running' returning wanted`,
    [lease.runId, lease.epoch],
  )
  if (row === undefined) throw new AppError('LEASE_LOST', `run ${lease.runId}`)
  return row.wanted
}

/** The rows of a run whose last page is saved; null while there is more to read. */
export async function findReadRun(query: Query, { runId }: RunLease): Promise<Pick<Run, 'pulled' | 'rejected'> | null> {
  const [row] = await query<Pick<Run, 'pulled' | 'rejected'>>(
    'select pulled, rejected from run where run_id = $1 and is_read',
    [runId],
  )
  return row ?? null
}

/** Adds to what is new about the source's fields, for a page that is not saved. */
export async function noteDrift(query: Query, lease: RunLease, drift: DriftCounts): Promise<void> {
  await query('update run set drift = add_counts(drift, $3) where run_id = $1 and lease_epoch = $2', [
    lease.runId,
    lease.epoch,
    JSON.stringify(drift),
  ])
}

/** What was new about the source's fields in a run. */
export async function readDrift(query: Query, runId: number): Promise<DriftCounts> {
  const [row] = await query<{ drift: DriftCounts }>('select drift from run where run_id = $1', [runId])
  return row?.drift ?? {}
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
    `update run set state = $3, reason = $4, wanted = null, lease_until = null, finished_at = clock_timestamp()
      where run_id = $1 and lease_epoch = $2 and state = 'running' returning run_id`,
    [lease.runId, lease.epoch, state, reason],
  )
  if (rows.length === 0) throw new AppError('LEASE_LOST', `run ${lease.runId}`)
  await query('delete from run_seen where run_id = $1', [lease.runId])
}

/** Why a run is put off and for how long. `isFailure`: it counts towards the number of failures after which the run stops. */
export interface Postponement {
  readonly reason: ErrorCode
  readonly delayMs: number
  readonly isFailure: boolean
}

/** Puts the run off. The cursor stays where the last saved page left it. Throws LEASE_LOST. */
export async function postponeRun(query: Query, lease: RunLease, postponement: Postponement): Promise<void> {
  const rows = await query(
    `update run set state = 'pending', reason = $3, failures = failures + $5, lease_until = null,
            not_before = clock_timestamp() + make_interval(secs => $4::float8 / 1000)
      where run_id = $1 and lease_epoch = $2 and state = 'running' returning run_id`,
    [lease.runId, lease.epoch, postponement.reason, postponement.delayMs, postponement.isFailure ? 1 : 0],
  )
  if (rows.length === 0) throw new AppError('LEASE_LOST', `run ${lease.runId}`)
}

/** Sets the run aside until a person lets it go on. Throws LEASE_LOST. */
export async function setRunAside(query: Query, lease: RunLease, reason: ErrorCode): Promise<void> {
  const rows = await query(
    `update run set state = 'paused', reason = $3, wanted = null, lease_until = null
      where run_id = $1 and lease_epoch = $2 and state = 'running' returning run_id`,
    [lease.runId, lease.epoch, reason],
  )
  if (rows.length === 0) throw new AppError('LEASE_LOST', `run ${lease.runId}`)
}

/** Throws RUN_UNKNOWN. */
export async function findRun(query: Query, runId: number): Promise<Run> {
  const [run] = await query<Run>(
    `select ${RUN_COLUMNS} from run join feed using (feed_id) join dataset using (dataset_id) where run_id = $1`,
    [runId],
  )
  if (run === undefined) throw new AppError('RUN_UNKNOWN', `run ${runId}`)
  return run
}

/** What of the runs is asked for; `before` is the run id of the last one on the page before. */
export interface RunFilter {
  readonly feed: string | null
  /** Null: of every department. */
  readonly department: string | null
  readonly before: number | null
  readonly limit: number
}

/** Runs, the newest first. */
export async function listRuns(query: Query, filter: RunFilter): Promise<readonly Run[]> {
  return query<Run>(
    `select ${RUN_COLUMNS} from run join feed using (feed_id) join dataset using (dataset_id)
      where ($1::text is null or feed.code = $1) and ($2::text is null or department = $2) and ($3::bigint is null or run_id < $3)
      order by run_id desc limit $4`,
    [filter.feed, filter.department, filter.before, filter.limit],
  )
}

/** Runs that are due and that no living worker holds: what the reconciler enqueues again. */
export async function listIdleRuns(
  query: Query,
): Promise<readonly { readonly runId: number; readonly epoch: number }[]> {
  return query(
    `select run_id as "runId", lease_epoch as epoch from run
      where kind = 'sync' and state in ('pending', 'running')
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
