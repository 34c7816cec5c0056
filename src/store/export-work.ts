import { AppError, type ErrorCode } from '../errors.ts'
import type { ChangePlace } from './changes.ts'
import type { Query } from './database.ts'
import { findExport, type Export } from './exports.ts'

/** The right to work on one export: every later write carries the epoch, so a worker that was thought dead cannot write. */
export interface ExportLease {
  readonly exportId: number
  readonly epoch: number
}

/** An export as its worker finds it before each step. */
export interface ExportWork extends Export, ExportLease {
  readonly stage: 'count' | 'read' | 'publish'
  /** Read so far, in commit order. */
  readonly cursor: ChangePlace
  readonly drafts: number
  /** Records read that name a person, while classes are counted. */
  readonly named: number
  readonly failures: number
}

/** Long enough that a busy event loop keeps it, short enough that a dead worker's export goes on within half a minute. */
const LEASE = `interval '15 seconds'`

/** Takes the export when nobody holds it and it is due, by the database clock. null: somebody else has it, or it is not to be worked on. */
export async function claimExport(query: Query, exportId: number): Promise<ExportLease | null> {
  const [row] = await query<{ epoch: number }>(
    `update export set lease_epoch = lease_epoch + 1, lease_until = clock_timestamp() + ${LEASE}
      where export_id = $1 and state in ('requested', 'running')
        and (lease_until is null or lease_until < clock_timestamp())
        and (not_before is null or not_before <= clock_timestamp())
      returning lease_epoch as epoch`,
    [exportId],
  )
  return row === undefined ? null : { exportId, epoch: row.epoch }
}

/** Throws LEASE_LOST, also where the export ended meanwhile. */
export async function findWork(query: Query, lease: ExportLease): Promise<ExportWork> {
  const [row] = await query<Omit<ExportWork, keyof Export>>(
    `select stage, jsonb_build_object('tx', cursor_tx::text, 'seq', cursor_seq) as cursor, drafts, named, failures, lease_epoch as epoch
       from export where export_id = $1 and lease_epoch = $2 and state in ('requested', 'running')`,
    [lease.exportId, lease.epoch],
  )
  if (row === undefined) throw new AppError('LEASE_LOST', `export ${lease.exportId}`)
  return { ...(await findExport(query, lease.exportId, null)), ...row }
}

/** Changes an export while the lease is still ours: this is the fence. Values in `assignments` begin at $3. Throws LEASE_LOST. */
async function update(
  query: Query,
  lease: ExportLease,
  assignments: string,
  values: readonly unknown[] = [],
): Promise<void> {
  const rows = await query(
    `update export set ${assignments}
      where export_id = $1 and lease_epoch = $2 and state in ('requested', 'running') returning export_id`,
    [lease.exportId, lease.epoch, ...values],
  )
  if (rows.length === 0) throw new AppError('LEASE_LOST', `export ${lease.exportId}`)
}

/** What a step that succeeded leaves behind: more time, and no trace of what failed before. */
const WENT_ON = `lease_until = clock_timestamp() + ${LEASE}, not_before = null, failures = 0, reason = null`

/** Extends the lease while a step takes its time. Throws LEASE_LOST. */
export const keepExport = (query: Query, lease: ExportLease): Promise<void> =>
  update(query, lease, `lease_until = clock_timestamp() + ${LEASE}`)

/** Gives the export back before it is over, so that the next slice can begin at once. */
export const releaseExport = (query: Query, lease: ExportLease): Promise<void> =>
  update(query, lease, 'lease_until = null')

/** Keeps what was counted. `mayGoOn`: it is read next; else it waits for people to agree. */
export const keepCount = (
  query: Query,
  lease: ExportLease,
  { persons, records }: { readonly persons: number; readonly records: number },
  mayGoOn: boolean,
): Promise<void> =>
  update(query, lease, `persons = $3, about = $4, state = $5, stage = 'read', ${WENT_ON}`, [
    persons,
    records,
    mayGoOn ? 'running' : 'awaiting-approval',
  ])

/**
 * Fixes the place up to which the export is read, the moment that it is a copy of, and `k`, which holds for all of it; null: it is not
 * judged by classes.
 */
export const fixPlace = (query: Query, lease: ExportLease, place: ChangePlace, k: number | null): Promise<void> =>
  update(
    query,
    lease,
    `place_tx = $3::xid8, place_seq = $4, transaction_time = clock_timestamp(), k = $5, ${WENT_ON}`,
    [place.tx, place.seq, k],
  )

/** How far one part or draft brings an export. */
export interface Advance {
  readonly cursor: ChangePlace
  readonly read: number
  readonly broken: number
  readonly named: number
  readonly drafts: number
}

export const advanceRead = (query: Query, lease: ExportLease, advance: Advance): Promise<void> =>
  update(
    query,
    lease,
    `cursor_tx = $3::xid8, cursor_seq = $4, read = read + $5, broken = broken + $6, named = named + $7, drafts = drafts + $8, ${WENT_ON}`,
    [advance.cursor.tx, advance.cursor.seq, advance.read, advance.broken, advance.named, advance.drafts],
  )

export const advanceParts = (
  query: Query,
  lease: ExportLease,
  { records, bytes }: { readonly records: number; readonly bytes: number },
): Promise<void> =>
  update(query, lease, `parts = parts + 1, records = records + $3, bytes = bytes + $4, ${WENT_ON}`, [records, bytes])

/** What the classes come to. */
export interface ClassVerdict {
  readonly withheld: number
  readonly smallestClass: number | null
}

export const keepVerdict = (query: Query, lease: ExportLease, verdict: ClassVerdict): Promise<void> =>
  update(query, lease, `stage = 'publish', withheld = $3, smallest_class = $4, ${WENT_ON}`, [
    verdict.withheld,
    verdict.smallestClass,
  ])

/** Every file is there; they are kept for so many hours. */
export const finishExport = (query: Query, lease: ExportLease, hours: number): Promise<void> =>
  update(
    query,
    lease,
    `state = 'ready', reason = null, lease_until = null, ready_at = clock_timestamp(),
     expires_at = clock_timestamp() + make_interval(hours => $3)`,
    [hours],
  )

/** Ends the export with a reason. */
export const endExport = (
  query: Query,
  lease: ExportLease,
  state: 'refused' | 'failed',
  reason: ErrorCode,
): Promise<void> =>
  update(query, lease, 'state = $3, reason = $4, lease_until = null, ended_at = clock_timestamp()', [state, reason])

/** Puts the export off; what was made stays. */
export const postponeExport = (
  query: Query,
  lease: ExportLease,
  { reason, delayMs, isFailure }: { readonly reason: ErrorCode; readonly delayMs: number; readonly isFailure: boolean },
): Promise<void> =>
  update(
    query,
    lease,
    `reason = $3, lease_until = null, not_before = clock_timestamp() + make_interval(secs => $4::float8 / 1000),
     failures = failures + $5`,
    [reason, delayMs, isFailure ? 1 : 0],
  )

/** Exports that are due and that no living worker holds: what the reconciler enqueues. */
export async function listIdleExports(query: Query): Promise<readonly ExportLease[]> {
  return query<ExportLease>(
    `select export_id as "exportId", lease_epoch as epoch from export
      where state in ('requested', 'running')
        and (lease_until is null or lease_until < clock_timestamp())
        and (not_before is null or not_before <= clock_timestamp())
      order by export_id limit 500`,
  )
}
