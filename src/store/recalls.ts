import { AppError } from '../errors.ts'
import type { Withdrawal } from '../record.ts'
import type { Query } from './database.ts'

/** Where a recall stands. Small ones are approved as they are asked for. */
export const recallStates = ['asked', 'approved', 'refused', 'done'] as const
export type RecallState = (typeof recallStates)[number]

/** A department's word that records are to be withdrawn, and how far that has come. */
export interface Recall {
  readonly recallId: number
  readonly feedId: number
  readonly feed: string
  readonly department: string
  readonly dataset: string
  readonly datasetId: number
  readonly kind: Withdrawal
  /** The run or the posted batch that is withdrawn; both null: single records. */
  readonly runId: number | null
  readonly batchNo: string | null
  readonly reason: string
  readonly state: RecallState
  /** Records that it was about when it was asked for. */
  readonly askedFor: number
  readonly needsApproval: boolean
  readonly askedById: number
  readonly askedBy: string
  readonly askedAt: Date
  readonly answeredBy: string | null
  readonly answeredAt: Date | null
  readonly answerReason: string | null
  /** Records that were withdrawn so far. */
  readonly removed: number
  readonly doneAt: Date | null
  /** Until when consumers acknowledge; null before it is done. */
  readonly dueAt: Date | null
  readonly dueAssumed: boolean
  readonly overdueAt: Date | null
  readonly liftedAt: Date | null
}

const RECALLS = `
  select recall_id as "recallId", recall.feed_id as "feedId", feed.code as feed, feed.department, dataset.name as dataset,
         feed.dataset_id as "datasetId", kind, recall.run_id as "runId", batch_no as "batchNo", recall.reason, recall.state,
         asked_for as "askedFor", needs_approval as "needsApproval", asked_by as "askedById", asker.name as "askedBy",
         asked_at as "askedAt", answerer.name as "answeredBy", answered_at as "answeredAt", answer_reason as "answerReason",
         removed, done_at as "doneAt", due_at as "dueAt", due_assumed as "dueAssumed", overdue_at as "overdueAt",
         lifted_at as "liftedAt"
    from recall join feed using (feed_id) join dataset using (dataset_id)
         join account as asker on asker.account_id = asked_by left join account as answerer on answerer.account_id = answered_by
         left join push_batch using (batch_id)`

/** What is asked to be withdrawn: exactly one of the three. */
export type RecallScope =
  | { readonly runId: number }
  | { readonly batchNo: string }
  | { readonly recordIds: readonly string[] }

export interface NewRecall {
  readonly feedId: number
  readonly kind: Withdrawal
  readonly runId: number | null
  readonly batchId: number | null
  readonly recordIds: readonly string[]
  readonly reason: string
  readonly askedFor: number
  readonly needsApproval: boolean
  readonly askedBy: number
}

export async function insertRecall(query: Query, recall: NewRecall): Promise<number> {
  const [row] = await query<{ recallId: number }>(
    `with asked as (
       insert into recall (feed_id, kind, run_id, batch_id, reason, state, asked_for, needs_approval, asked_by)
         values ($1, $2, $3, $4, $5, case when $7 then 'asked' else 'approved' end, $6, $7, $8) returning recall_id),
     named as (
       insert into recall_record (recall_id, source_record_id) select recall_id, id from asked, unnest($9::text[]) as id)
     select recall_id as "recallId" from asked`,
    [
      recall.feedId,
      recall.kind,
      recall.runId,
      recall.batchId,
      recall.reason,
      recall.askedFor,
      recall.needsApproval,
      recall.askedBy,
      recall.recordIds,
    ],
  )
  if (row === undefined) throw new AppError('INTERNAL', 'the recall was not kept')
  return row.recallId
}

/** Throws RECALL_UNKNOWN, also for one of another feed where a feed is given. */
export async function findRecall(query: Query, recallId: number, feedId: number | null = null): Promise<Recall> {
  const [recall] = await query<Recall>(`${RECALLS} where recall_id = $1 and ($2::int is null or recall.feed_id = $2)`, [
    recallId,
    feedId,
  ])
  if (recall === undefined) throw new AppError('RECALL_UNKNOWN', `recall ${recallId}`)
  return recall
}

/** Recalls of a feed after one of them, the oldest first. */
export async function listRecalls(
  query: Query,
  feedId: number,
  after: number,
  limit: number,
): Promise<readonly Recall[]> {
  return query<Recall>(`${RECALLS} where recall.feed_id = $1 and recall_id > $2 order by recall_id limit $3`, [
    feedId,
    after,
    limit,
  ])
}

/** A second person's answer. Throws RECALL_STATE where nobody waits for one. */
export async function answerRecall(
  query: Query,
  recallId: number,
  answer: { readonly state: 'approved' | 'refused'; readonly by: number; readonly reason: string | null },
): Promise<void> {
  const rows = await query(
    `update recall set state = $2, answered_by = $3, answered_at = clock_timestamp(), answer_reason = $4
      where recall_id = $1 and state = 'asked' returning 1`,
    [recallId, answer.state, answer.by, answer.reason],
  )
  if (rows.length === 0) throw new AppError('RECALL_STATE', 'it does not wait for an answer')
}

/** Marks an erasure as lifted. Throws RECALL_STATE where it is none that is done, or lifted already. */
export async function markLifted(query: Query, recallId: number, by: number): Promise<void> {
  const rows = await query(
    `update recall set lifted_at = clock_timestamp(), lifted_by = $2
      where recall_id = $1 and kind = 'erasure' and state = 'done' and lifted_at is null returning 1`,
    [recallId, by],
  )
  if (rows.length === 0) throw new AppError('RECALL_STATE', 'only an erasure that was carried out can be lifted')
}

/** $1 feed, $2 and $3 the first and the last transaction; rows that a department corrected meanwhile are of another run. */
const OF_TRANSACTIONS = `
    from record where record.feed_id = $1 and record.dataset_id = (select dataset_id from feed where feed.feed_id = $1)
     and masked is not null and change_tx between $2::xid8 and $3::xid8
     and ($2::xid8 = $3::xid8 or not exists (
       select from run as apart where apart.feed_id = $1 and apart.kind = 'resubmission' and change_tx between apart.first_tx and apart.last_tx))`

/** The transactions in which a run or a posted batch was saved; null where it saved nothing. */
export interface SavedRange {
  readonly first: string | null
  readonly last: string | null
  /** Whether nothing more of it can come. */
  readonly isOver: boolean
}

/** Null where the feed has no such run. */
export async function findRunRange(query: Query, feedId: number, runId: number): Promise<SavedRange | null> {
  const [range] = await query<SavedRange>(
    `select first_tx::text as first, last_tx::text as last, state in ('done', 'stopped') as "isOver"
       from run where feed_id = $1 and run_id = $2`,
    [feedId, runId],
  )
  return range ?? null
}

/** Null where the feed has no batch of this number. */
export async function findBatchRange(
  query: Query,
  feedId: number,
  batchNo: string,
): Promise<(SavedRange & { readonly batchId: number }) | null> {
  const [range] = await query<SavedRange & { readonly batchId: number }>(
    `select batch_id as "batchId", first_tx::text as first, last_tx::text as last, read_at is not null as "isOver"
       from push_batch where feed_id = $1 and batch_no = $2`,
    [feedId, batchNo],
  )
  return range ?? null
}

/** Living records whose newest version came in within a range. */
export async function countSaved(query: Query, feedId: number, { first, last }: SavedRange): Promise<number> {
  const [row] = await query<{ records: number }>(`select count(*) as records ${OF_TRANSACTIONS}`, [feedId, first, last])
  return row?.records ?? 0
}

/** How many of these records there are; for an erasure those that are gone count as well. */
export async function countNamed(
  query: Query,
  feedId: number,
  ids: readonly string[],
  kind: Withdrawal,
): Promise<number> {
  const [row] = await query<{ records: number }>(
    `select count(*) as records from record
      where feed_id = $1 and source_record_id = any($2) and (masked is not null or $3 = 'erasure')`,
    [feedId, ids, kind],
  )
  return row?.records ?? 0
}

/** A recall that has something to do, held until this transaction ends; null where there is none that nobody else holds. */
export async function takeDueRecall(query: Query): Promise<Recall | null> {
  const [due] = await query<Recall>(
    `${RECALLS} where recall.state = 'approved'
        and (recall.run_id is null or exists (select from run where run.run_id = recall.run_id and run.state in ('done', 'stopped')))
        and (batch_id is null or read_at is not null)
      order by recall_id limit 1 for no key update of recall skip locked`,
  )
  return due ?? null
}

/** The next records of a recall, at most `most`. Those of a run or batch leave it by being withdrawn; named ones are ticked off. */
export async function nextRecalled(query: Query, recall: Recall, most: number): Promise<readonly string[]> {
  const { recallId, feedId, runId, batchNo } = recall
  if (runId === null && batchNo === null) {
    const named = await query<{ id: string }>(
      `update recall_record set is_done = true
        where recall_id = $1 and source_record_id = any(array(
          select source_record_id from recall_record where recall_id = $1 and not is_done order by source_record_id limit $2))
        returning source_record_id as id`,
      [recallId, most],
    )
    return named.map(({ id }) => id)
  }
  const range =
    runId === null ? await findBatchRange(query, feedId, batchNo ?? '') : await findRunRange(query, feedId, runId)
  const saved = await query<{ id: string }>(
    `select source_record_id as id ${OF_TRANSACTIONS} order by change_tx, change_seq limit $4`,
    [feedId, range?.first ?? null, range?.last ?? null, most],
  )
  return saved.map(({ id }) => id)
}

/**
 * Turns records into tombstones that say why, at the end of the change feed: nothing of the person stays but the key. For an
 * erasure, tombstones that did not say so come once more. Returns how many.
 */
export async function withdrawRecords(
  query: Query,
  { feedId, kind }: Pick<Recall, 'feedId' | 'kind'>,
  ids: readonly string[],
): Promise<number> {
  const rows = await query(
    `update record set version = version + 1, change_tx = pg_current_xact_id(), change_seq = place, changed_at = now(),
            subject = null, digest = null, masked = null, sealed = null, withdrawn = $3
       from unnest($2::text[]) with ordinality as gone (id, place)
      where feed_id = $1 and source_record_id = gone.id
        and (masked is not null or ($3 = 'erasure' and coalesce(withdrawn, '') <> $3))
      returning 1`,
    [feedId, ids, kind],
  )
  return rows.length
}

export async function countWithdrawn(query: Query, recallId: number, removed: number): Promise<void> {
  await query('update recall set removed = removed + $2 where recall_id = $1', [recallId, removed])
}

/** Nothing is left to withdraw; from now on its consumers acknowledge. */
export async function endRecall(query: Query, recallId: number, dueAt: Date, dueAssumed: boolean): Promise<void> {
  await query(
    `update recall set state = 'done', done_at = clock_timestamp(), due_at = $2, due_assumed = $3 where recall_id = $1`,
    [recallId, dueAt, dueAssumed],
  )
}
