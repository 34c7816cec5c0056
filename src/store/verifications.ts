import type { ChangePlace } from './changes.ts'
import type { Query } from './database.ts'

/** What was found at the place (Luzhou regulation Art. 14(2)). */
export const verificationResults = {
  CONFIRMED: { zh: '属实', en: 'as the record says' },
  CHANGED: { zh: '有变化', en: 'not as the record says' },
  NOT_FOUND: { zh: '查无', en: 'nobody and nothing there' },
  MOVED_OUT: { zh: '已搬离', en: 'was there and has left' },
} as const
export type VerificationResult = keyof typeof verificationResults

/** One record of a department that was verified. */
export interface NewVerification {
  readonly agreement: string
  readonly feedId: number
  readonly recordId: string
  /** The record as the consumer names it. */
  readonly id: string
  readonly version: number
  readonly result: VerificationResult
  readonly evidenceAt: Date
  readonly reference: string
  /** Keyed digest of what was reported, in hexadecimal. */
  readonly content: string
  readonly implausible: boolean
}

/** A verification as its department is told of it. It never changes, so that it may be sent again as it was. */
export interface Verification extends ChangePlace {
  readonly consumer: string
  readonly recordId: string
  readonly version: number
  readonly result: VerificationResult
  readonly evidenceAt: Date
  readonly receivedAt: Date
  readonly reference: string
  readonly implausible: boolean
}

/** The verifications of one consumer take turns, so that none overlooks what another is about to keep. */
export async function lockVerifications(query: Query, consumerId: number): Promise<void> {
  await query('select pg_advisory_xact_lock(725005, $1)', [consumerId])
}

/** Content by reference of what a consumer reported before. */
export async function findVerified(
  query: Query,
  consumerId: number,
  references: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const rows = await query<{ reference: string; content: string }>(
    `select distinct reference, encode(content, 'hex') as content from verification
      where consumer_id = $1 and reference = any($2)`,
    [consumerId, references],
  )
  return new Map(rows.map(({ reference, content }) => [reference, content]))
}

/** How many results with each of these evidence times a consumer sent within the last seconds, by the time in milliseconds. */
export async function countRecent(
  query: Query,
  consumerId: number,
  times: readonly Date[],
  seconds: number,
): Promise<ReadonlyMap<number, number>> {
  const rows = await query<{ at: Date; results: number }>(
    `select evidence_at as at, count(distinct reference) as results from verification
      where consumer_id = $1 and evidence_at = any($2) and received_at > clock_timestamp() - make_interval(secs => $3)
      group by evidence_at`,
    [consumerId, times, seconds],
  )
  return new Map(rows.map(({ at, results }) => [at.getTime(), results]))
}

/** Keeps verifications. The consumer's must be locked and new. */
export async function insertVerifications(
  query: Query,
  consumerId: number,
  verifications: readonly NewVerification[],
): Promise<void> {
  if (verifications.length === 0) return
  await query(
    `insert into verification (consumer_id, agreement, feed_id, source_record_id, verified_id, version, result, evidence_at,
                               reference, content, implausible)
     select $1, agreement, feed_id, record_id, id, version, result, evidence_at, reference, decode(content, 'hex'), implausible
       from unnest($2::text[], $3::int[], $4::text[], $5::text[], $6::int[], $7::text[], $8::timestamptz[], $9::text[],
                   $10::text[], $11::boolean[])
            as given (agreement, feed_id, record_id, id, version, result, evidence_at, reference, content, implausible)`,
    [
      consumerId,
      verifications.map((one) => one.agreement),
      verifications.map((one) => one.feedId),
      verifications.map((one) => one.recordId),
      verifications.map((one) => one.id),
      verifications.map((one) => one.version),
      verifications.map((one) => one.result),
      verifications.map((one) => one.evidenceAt),
      verifications.map((one) => one.reference),
      verifications.map((one) => one.content),
      verifications.map((one) => one.implausible),
    ],
  )
}

const VERIFICATIONS = `
  select consumer.name as consumer, source_record_id as "recordId", version, result, evidence_at as "evidenceAt",
         received_at as "receivedAt", reference, implausible, change_tx::text as tx, verification_id as seq
    from verification join consumer using (consumer_id) where feed_id = $1 and (change_tx, verification_id) > ($2::xid8, $3)`

/** Verifications of a feed's records after a place, in commit order, never past a transaction still running: see `readChanges`. */
export async function readVerifications(
  query: Query,
  feedId: number,
  after: ChangePlace,
  limit: number,
): Promise<readonly Verification[]> {
  return query<Verification>(
    `${VERIFICATIONS} and change_tx < pg_snapshot_xmin(pg_current_snapshot())
      order by change_tx, verification_id limit $4`,
    [feedId, after.tx, after.seq, limit],
  )
}

/** The range that was read before, once more. */
export async function readVerificationsBetween(
  query: Query,
  feedId: number,
  after: ChangePlace,
  upTo: ChangePlace,
): Promise<readonly Verification[]> {
  return query<Verification>(
    `${VERIFICATIONS} and (change_tx, verification_id) <= ($4::xid8, $5) order by change_tx, verification_id`,
    [feedId, after.tx, after.seq, upTo.tx, upTo.seq],
  )
}
