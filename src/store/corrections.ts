import type { CorrectionKind, CorrectionState } from '../feeds/correction-life.ts'
import { AppError } from '../errors.ts'
import type { ChangePlace } from './changes.ts'
import type { Query } from './database.ts'

/** A consumer's report that a record is wrong, without what it observed. */
export interface Correction {
  readonly correctionId: number
  readonly consumerId: number
  readonly consumer: string
  /** Id and version of the agreement that it was raised under. */
  readonly agreement: string
  readonly dataset: string
  /** The record as the consumer names it. */
  readonly id: string
  readonly seenVersion: number
  readonly kind: CorrectionKind
  /** Null: the record as a whole. */
  readonly field: string | null
  readonly evidenceAt: Date
  /** The consumer's own number of it. */
  readonly reference: string
  readonly feedId: number
  readonly feed: string
  readonly department: string
  /** The department's record that is disputed; for a merged person one of its members. */
  readonly recordId: string
  /** Version of that record when it was disputed, and now. */
  readonly raisedVersion: number
  readonly recordVersion: number
  readonly state: CorrectionState
  readonly reason: string | null
  readonly raisedAt: Date
  readonly dueAt: Date
  readonly dueAssumed: boolean
  readonly acceptedAt: Date | null
  readonly answeredAt: Date | null
  readonly syncedAt: Date | null
  readonly syncedVersion: number | null
  readonly closedAt: Date | null
  /** Since when the answer is late, as it was noticed; null while it is not. */
  readonly overdueAt: Date | null
}

const CORRECTIONS = `
  select correction_id as "correctionId", correction.consumer_id as "consumerId", consumer.name as consumer, agreement,
         dataset.name as dataset, disputed_id as id, seen_version as "seenVersion", kind, field, evidence_at as "evidenceAt", reference,
         correction.feed_id as "feedId", feed.code as feed, feed.department, correction.source_record_id as "recordId",
         raised_version as "raisedVersion", record.version as "recordVersion", correction.state, correction.reason,
         raised_at as "raisedAt", due_at as "dueAt", due_assumed as "dueAssumed", accepted_at as "acceptedAt",
         answered_at as "answeredAt", synced_at as "syncedAt", synced_version as "syncedVersion", closed_at as "closedAt",
         overdue_at as "overdueAt", correction.change_tx::text as tx, correction_id as seq
    from correction join consumer using (consumer_id) join dataset using (dataset_id) join feed using (feed_id)
         join record on record.feed_id = correction.feed_id and record.source_record_id = correction.source_record_id`

export interface NewCorrection {
  readonly consumerId: number
  readonly agreement: string
  readonly datasetId: number
  readonly id: string
  readonly seenVersion: number
  readonly feedId: number
  readonly recordId: string
  readonly raisedVersion: number
  readonly kind: CorrectionKind
  readonly field: string | null
  /** What was observed, sealed; null where nothing was given. */
  readonly evidence: Uint8Array | null
  readonly evidenceAt: Date
  readonly reference: string
  /** Keyed digest of what was reported, in hexadecimal. */
  readonly content: string
  readonly dueAt: Date
  readonly dueAssumed: boolean
}

/** Keeps a correction. Returns its number; null where the consumer has one with this reference already. */
export async function insertCorrection(query: Query, correction: NewCorrection): Promise<number | null> {
  const [row] = await query<{ correctionId: number }>(
    `insert into correction (consumer_id, agreement, dataset_id, disputed_id, seen_version, feed_id, source_record_id, raised_version,
                             kind, field, evidence, evidence_at, reference, content, due_at, due_assumed)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, decode($14, 'hex'), $15, $16)
       on conflict (consumer_id, reference) do nothing returning correction_id as "correctionId"`,
    [
      correction.consumerId,
      correction.agreement,
      correction.datasetId,
      correction.id,
      correction.seenVersion,
      correction.feedId,
      correction.recordId,
      correction.raisedVersion,
      correction.kind,
      correction.field,
      correction.evidence,
      correction.evidenceAt,
      correction.reference,
      correction.content,
      correction.dueAt,
      correction.dueAssumed,
    ],
  )
  return row?.correctionId ?? null
}

/** Number and content of the correction that a consumer gave this reference; null where there is none. */
export async function findReferenced(
  query: Query,
  consumerId: number,
  reference: string,
): Promise<{ readonly correctionId: number; readonly content: string } | null> {
  const [row] = await query<{ correctionId: number; content: string }>(
    `select correction_id as "correctionId", encode(content, 'hex') as content from correction
      where consumer_id = $1 and reference = $2`,
    [consumerId, reference],
  )
  return row ?? null
}

/** Throws CORRECTION_UNKNOWN. */
export async function findCorrection(query: Query, correctionId: number): Promise<Correction> {
  const [correction] = await query<Correction>(`${CORRECTIONS} where correction_id = $1`, [correctionId])
  if (correction === undefined) throw new AppError('CORRECTION_UNKNOWN', `correction ${correctionId}`)
  return correction
}

/** A consumer's corrections in the order in which they last changed, never past a transaction still running: see `readChanges`. */
export async function readCorrections(
  query: Query,
  consumerId: number,
  after: ChangePlace,
  limit: number,
): Promise<readonly (Correction & ChangePlace)[]> {
  return query<Correction & ChangePlace>(
    `${CORRECTIONS} where correction.consumer_id = $1 and (correction.change_tx, correction_id) > ($2::xid8, $3)
        and correction.change_tx < pg_snapshot_xmin(pg_current_snapshot())
      order by correction.change_tx, correction_id limit $4`,
    [consumerId, after.tx, after.seq, limit],
  )
}

export interface CorrectionFilter {
  readonly feedId: number
  /** Null: in every state. */
  readonly state: CorrectionState | null
  /** Number of the last one on the page before. */
  readonly after: number
  readonly limit: number
}

/** Corrections of a feed's records, the oldest first. */
export async function listCorrections(query: Query, filter: CorrectionFilter): Promise<readonly Correction[]> {
  return query<Correction>(
    `${CORRECTIONS} where correction.feed_id = $1 and ($2::text is null or correction.state = $2) and correction_id > $3
      order by correction_id limit $4`,
    [filter.feedId, filter.state, filter.after, filter.limit],
  )
}

/** What was observed, sealed, by correction; those without are left out. */
export async function readEvidence(query: Query, ids: readonly number[]): Promise<ReadonlyMap<number, Uint8Array>> {
  const rows = await query<{ id: number; evidence: Uint8Array }>(
    'select correction_id as id, evidence from correction where correction_id = any($1) and evidence is not null',
    [ids],
  )
  return new Map(rows.map(({ id, evidence }) => [id, evidence]))
}

/** Corrections that ended before a moment and that nobody closed, the oldest first. */
export async function listSettled(
  query: Query,
  before: Date,
): Promise<readonly { readonly correctionId: number; readonly settledAt: Date }[]> {
  return query(
    `select correction_id as "correctionId", coalesce(synced_at, answered_at) as "settledAt" from correction
      where state in ('rejected', 'cannot-find', 'synced') and coalesce(synced_at, answered_at) < $1
      order by correction_id limit 500`,
    [before],
  )
}
