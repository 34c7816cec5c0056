import { AppError } from '../errors.ts'
import type { Withdrawal } from '../record.ts'
import { clearObjectAlert, raiseObjectAlert } from './alerts.ts'
import type { ChangePlace } from './changes.ts'
import type { Query, Transaction } from './database.ts'
import { appendNotice } from './notices.ts'
import type { Recall } from './recalls.ts'

/** What one consumer is told of a recall, and its receipt. */
export interface RecallNotice {
  readonly recallId: number
  readonly consumer: string
  readonly feed: string
  readonly dataset: string
  readonly kind: Withdrawal
  readonly reason: string
  /** Records that the consumer may have received. */
  readonly records: number
  readonly doneAt: Date
  readonly dueAt: Date
  readonly acknowledgedAt: Date | null
  /** Records that the consumer says it removed. */
  readonly removed: number | null
  readonly receipt: string | null
  /** SHA-256 of recall, consumer, removed and receipt, as the audit log has it. */
  readonly digest: string | null
}

const NOTICES = `
  select recall_id as "recallId", consumer.name as consumer, feed.code as feed, dataset.name as dataset, kind, recall.reason, records,
         done_at as "doneAt", due_at as "dueAt", acknowledged_at as "acknowledgedAt", recall_notice.removed, receipt, digest,
         change_tx::text as tx, recall_id as seq
    from recall_notice join recall using (recall_id) join consumer using (consumer_id) join feed using (feed_id)
         join dataset using (dataset_id)`

/**
 * Every area that a consumer ever had of a dataset, under any version of its agreement: what it was sent then it may still hold,
 * whether or not the agreement is in force today.
 */
const HELD = `
  select consumer_id, dataset_id, area from agreement
  union
  select consumer_id, dataset_id, array(select jsonb_array_elements_text(terms->'area'))
    from agreement_version join agreement using (agreement_id)`

/**
 * Counts for every consumer the records of a page that it may have received, before they are withdrawn: by themselves, or as part of
 * a merged person. A consumer is told of what lay in its area at some time, and of nothing else. `wholeCity` is the area without bounds.
 */
export async function countReceivers(
  query: Query,
  { recallId, feedId, kind }: Pick<Recall, 'recallId' | 'feedId' | 'kind'>,
  ids: readonly string[],
  wholeCity: string,
): Promise<void> {
  await query(
    `with held as (${HELD})
     insert into recall_notice as kept (recall_id, consumer_id, records)
     select $1, held.consumer_id, count(distinct record.source_record_id)
       from record
       left join person_member as member on member.feed_id = record.feed_id and member.source_record_id = record.source_record_id
       left join record as person on person.feed_id = 0 and person.source_record_id = encode(member.person, 'hex')
       cross join lateral (values (record.dataset_id, record.past_areas || record.area_code),
                                  (person.dataset_id, person.past_areas || person.area_code)) as shown (dataset_id, areas)
       join held on held.dataset_id = shown.dataset_id
      where record.feed_id = $2 and record.source_record_id = any($3) and (record.masked is not null or $4 = 'erasure')
        and exists (select from unnest(held.area) as prefix
                     where prefix = $5 or exists (select from unnest(shown.areas) as area where area like prefix || '%'))
      group by held.consumer_id
     on conflict (recall_id, consumer_id) do update set records = kept.records + excluded.records`,
    [recallId, feedId, ids, kind, wholeCity],
  )
}

/** Tells every consumer of a recall that was carried out. Returns how many. */
export async function issueRecall({ query }: Transaction, recall: Recall): Promise<number> {
  const receivers = await query<{ consumerId: number; records: number }>(
    `update recall_notice set change_tx = pg_current_xact_id() where recall_id = $1
      returning consumer_id as "consumerId", records`,
    [recall.recallId],
  )
  const { recallId, dataset, kind, reason, dueAt } = recall
  for (const { consumerId, records } of receivers)
    await appendNotice(query, consumerId, 'recall.issued', { recallId, dataset, kind, reason, records, dueAt })
  return receivers.length
}

/** A consumer's recalls in the order in which they last changed, never past a transaction still running: see `readChanges`. */
export async function readRecallNotices(
  query: Query,
  consumerId: number,
  after: ChangePlace,
  limit: number,
): Promise<readonly (RecallNotice & ChangePlace)[]> {
  return query<RecallNotice & ChangePlace>(
    `${NOTICES} where recall_notice.consumer_id = $1 and (change_tx, recall_id) > ($2::xid8, $3)
        and change_tx < pg_snapshot_xmin(pg_current_snapshot())
      order by change_tx, recall_id limit $4`,
    [consumerId, after.tx, after.seq, limit],
  )
}

/** What every consumer was told of a recall, and its receipt. */
export async function listRecallNotices(query: Query, recallId: number): Promise<readonly RecallNotice[]> {
  return query<RecallNotice>(`${NOTICES} where recall_id = $1 order by consumer.name`, [recallId])
}

/** Throws RECALL_UNKNOWN where the consumer was told of no such recall. */
export async function findRecallNotice(query: Query, recallId: number, consumerId: number): Promise<RecallNotice> {
  const [notice] = await query<RecallNotice>(
    `${NOTICES} where recall_id = $1 and recall_notice.consumer_id = $2 and recall.state = 'done'`,
    [recallId, consumerId],
  )
  if (notice === undefined) throw new AppError('RECALL_UNKNOWN', `recall ${recallId}`)
  return notice
}

export interface Acknowledgement {
  readonly removed: number
  readonly receipt: string
  readonly digest: string
}

const objectOf = (recallId: number): string => `recall/${recallId}`

/** Keeps a consumer's receipt, the first one. Returns false where there is one; with the last one of a recall its alert ends. */
export async function keepReceipt(
  query: Query,
  recallId: number,
  consumerId: number,
  { removed, receipt, digest }: Acknowledgement,
): Promise<boolean> {
  const rows = await query(
    `update recall_notice set acknowledged_at = clock_timestamp(), removed = $3, receipt = $4, digest = $5,
            change_tx = pg_current_xact_id()
      where recall_id = $1 and consumer_id = $2 and acknowledged_at is null returning 1`,
    [recallId, consumerId, removed, receipt, digest],
  )
  const open = await query('select from recall_notice where recall_id = $1 and acknowledged_at is null limit 1', [
    recallId,
  ])
  if (open.length === 0) await clearObjectAlert(query, objectOf(recallId), 'recall-overdue')
  return rows.length === 1
}

/** Tells once of every recall that some consumer has not acknowledged in time. Returns how many. */
export async function raiseOverdueRecalls(transaction: Transaction): Promise<number> {
  const late = await transaction.query<{ recallId: number; feed: string; department: string; consumers: number }>(
    `update recall set overdue_at = clock_timestamp() from feed,
            (select recall_id, count(*) as consumers from recall_notice where acknowledged_at is null group by recall_id) as waiting
      where feed.feed_id = recall.feed_id and waiting.recall_id = recall.recall_id and overdue_at is null
        and recall.state = 'done' and due_at < clock_timestamp()
      returning recall.recall_id as "recallId", code as feed, department, consumers`,
  )
  for (const { recallId, feed, department, consumers } of late) {
    const alert = { object: objectOf(recallId), department, details: { feed, consumers } }
    await raiseObjectAlert(transaction, { ...alert, kind: 'recall-overdue' })
  }
  return late.length
}
