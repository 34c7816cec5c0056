import { AppError, type ErrorCode } from '../errors.ts'
import type { ChangePlace } from './changes.ts'
import type { Query } from './database.ts'

/** Where the verification results of a feed are sent, and how that goes. */
export interface VerificationTarget {
  readonly url: string
  /** Failures since the last delivery that was acknowledged, and the code of the last one. */
  readonly failures: number
  readonly fault: string | null
}

/** The right to deliver to one target: later writes carry the epoch. */
export interface TargetLease {
  readonly feedId: number
  readonly feed: string
  readonly department: string
  readonly dataset: string
  readonly url: string
  readonly secret: Uint8Array
  readonly epoch: number
  readonly failures: number
  readonly cursor: ChangePlace
  /** The end of a delivery that was not acknowledged; null where there is none. */
  readonly open: ChangePlace | null
}

/** Sets the target of a feed. Another address begins where the one before stood, so that nothing is lost and nothing sent twice. */
export async function saveTarget(query: Query, feedId: number, url: string, secret: Uint8Array): Promise<void> {
  await query(
    `insert into verification_target (feed_id, url, secret) values ($1, $2, $3)
       on conflict (feed_id) do update set url = excluded.url, secret = excluded.secret, failures = 0, fault = null, not_before = null`,
    [feedId, url, secret],
  )
}

/** Null where results of the feed are only pulled. */
export async function findTarget(query: Query, feedId: number): Promise<VerificationTarget | null> {
  const [target] = await query<VerificationTarget>(
    'select url, failures, fault from verification_target where feed_id = $1',
    [feedId],
  )
  return target ?? null
}

/** Throws ENDPOINT_UNKNOWN where there is none. */
export async function removeTarget(query: Query, feedId: number): Promise<void> {
  const rows = await query('delete from verification_target where feed_id = $1 returning 1', [feedId])
  if (rows.length === 0) throw new AppError('ENDPOINT_UNKNOWN', 'results of this feed are sent nowhere')
}

/** A request may take 15 s; the lease outlives it. */
const LEASE = `interval '25 seconds'`

interface ClaimedRow extends Omit<TargetLease, 'cursor' | 'open'> {
  readonly tx: string
  readonly seq: number
  readonly openTx: string | null
  readonly openSeq: number | null
}

/** Takes a target that has something to send, is due and is held by nobody; null where there is none. */
export async function claimTarget(query: Query): Promise<TargetLease | null> {
  const [row] = await query<ClaimedRow>(
    `update verification_target as target set lease_epoch = lease_epoch + 1, lease_until = clock_timestamp() + ${LEASE}
       from feed join dataset using (dataset_id)
      where feed.feed_id = target.feed_id and target.feed_id = (
        select feed_id from verification_target as due
         where (lease_until is null or lease_until < clock_timestamp())
           and (not_before is null or not_before <= clock_timestamp())
           and exists (select from verification
                        where verification.feed_id = due.feed_id and (change_tx, verification_id) > (cursor_tx, cursor_seq)
                          and change_tx < pg_snapshot_xmin(pg_current_snapshot()))
         order by not_before nulls first, feed_id limit 1 for no key update skip locked)
      returning target.feed_id as "feedId", feed.code as feed, department, dataset.name as dataset, url, secret,
                lease_epoch as epoch, failures, cursor_tx::text as tx, cursor_seq as seq, open_tx::text as "openTx", open_seq as "openSeq"`,
  )
  if (row === undefined) return null
  const { tx, seq, openTx, openSeq, ...lease } = row
  return { ...lease, cursor: { tx, seq }, open: openTx === null ? null : { tx: openTx, seq: openSeq ?? 0 } }
}

/** Writes the end of a delivery down before it leaves, so that a repeat carries the same. Throws LEASE_LOST. */
export async function openTargetDelivery(query: Query, lease: TargetLease, upTo: ChangePlace): Promise<void> {
  const rows = await query(
    `update verification_target set open_tx = $3::xid8, open_seq = $4, lease_until = clock_timestamp() + ${LEASE}
      where feed_id = $1 and lease_epoch = $2 returning 1`,
    [lease.feedId, lease.epoch, upTo.tx, upTo.seq],
  )
  if (rows.length === 0) throw new AppError('LEASE_LOST', `results of ${lease.feed}`)
}

/** Moves the target behind a delivery that was acknowledged, and gives it back. Throws LEASE_LOST. */
export async function settleTarget(query: Query, lease: TargetLease, upTo: ChangePlace): Promise<void> {
  const rows = await query(
    `update verification_target set cursor_tx = $3::xid8, cursor_seq = $4, open_tx = null, open_seq = null, failures = 0,
            fault = null, not_before = null, lease_until = null
      where feed_id = $1 and lease_epoch = $2 returning 1`,
    [lease.feedId, lease.epoch, upTo.tx, upTo.seq],
  )
  if (rows.length === 0) throw new AppError('LEASE_LOST', `results of ${lease.feed}`)
}

/** Puts a target off after a failure; the delivery keeps its end. */
export async function postponeTarget(
  query: Query,
  lease: TargetLease,
  fault: ErrorCode,
  delayMs: number,
): Promise<void> {
  await query(
    `update verification_target set failures = failures + 1, fault = $3, lease_until = null,
            not_before = clock_timestamp() + make_interval(secs => $4::float8 / 1000)
      where feed_id = $1 and lease_epoch = $2`,
    [lease.feedId, lease.epoch, fault, delayMs],
  )
}
