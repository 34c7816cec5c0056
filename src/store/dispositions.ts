import type { Disposition } from '../feeds/life.ts'
import type { Query } from './database.ts'

/** How far a disposition has come. */
export interface DispositionState {
  readonly choice: Disposition
  readonly records: number
  readonly rejections: number
  readonly batches: number
  /** Null while there is something left to remove. */
  readonly doneAt: Date | null
}

/** A retired feed of which something is left to remove. */
export interface DueDisposition {
  readonly feedId: number
  readonly feed: string
  readonly dataset: string
  readonly choice: Exclude<Disposition, 'keep'>
}

/** Writes down what becomes of the data; where it is kept, nothing is left to do. The feed must be locked and retired. */
export async function chooseDisposition(query: Query, feedId: number, choice: Disposition): Promise<void> {
  await query(
    `update feed set disposition = $2, disposed_at = case $2 when 'keep' then clock_timestamp() end where feed_id = $1`,
    [feedId, choice],
  )
}

/** Null: the feed was not retired, or had no data to decide about. */
export async function findDisposition(query: Query, feedId: number): Promise<DispositionState | null> {
  const [state] = await query<DispositionState>(
    `select disposition as choice, coalesce((disposed->>'records')::bigint, 0) as records,
            coalesce((disposed->>'rejections')::bigint, 0) as rejections,
            coalesce((disposed->>'batches')::bigint, 0) as batches, disposed_at as "doneAt"
       from feed where feed_id = $1 and disposition is not null`,
    [feedId],
  )
  return state ?? null
}

/** A feed that has something to remove, held until this transaction ends; null where there is none that nobody else holds. */
export async function takeDueDisposition(query: Query): Promise<DueDisposition | null> {
  const [due] = await query<DueDisposition>(
    `select feed_id as "feedId", code as feed, dataset.name as dataset, disposition as choice
       from feed join dataset using (dataset_id) where disposition is not null and disposed_at is null
      order by feed_id limit 1 for no key update of feed skip locked`,
  )
  return due ?? null
}

/**
 * Turns the next records of a feed into tombstones at the end of the change feed, at most `most`. Returns how many it looked at
 * and how many of them lived; 0 looked at: none is left.
 */
export async function buryNext(
  query: Query,
  feedId: number,
  most: number,
): Promise<{ readonly seen: number; readonly buried: number }> {
  const [page] = await query<{ seen: number; buried: number }>(
    `with page as (
       select source_record_id, row_number() over (order by source_record_id) as place
         from (select source_record_id from record
                where feed_id = $1 and source_record_id > (select disposed_to from feed where feed_id = $1)
                order by source_record_id limit $2) as next),
     gone as (
       update record set version = version + 1, change_tx = pg_current_xact_id(), change_seq = place,
              subject = null, digest = null, masked = null, sealed = null, changed_at = now()
         from page where feed_id = $1 and record.source_record_id = page.source_record_id and masked is not null returning 1),
     moved as (
       update feed set disposed_to = upto from (select max(source_record_id) as upto from page) as last
        where feed_id = $1 and upto is not null)
     select (select count(*) from page) as seen, (select count(*) from gone) as buried`,
    [feedId, most],
  )
  return page ?? { seen: 0, buried: 0 }
}

/** Removes refused rows that wait, and what links them to a record; that they were there, and why, stays counted. */
export async function dropRejections(query: Query, feedId: number, most: number): Promise<number> {
  const rows = await query(
    `update rejection set state = 'expired', settled_at = clock_timestamp(), sealed = null, source_token = null
      where rejection_id = any(array(select rejection_id from rejection where feed_id = $1 and state = 'open'
                                      order by rejection_id limit $2)) returning 1`,
    [feedId, most],
  )
  return rows.length
}

/** Removes posted rows that no run has read; the receipts stay. */
export async function dropChunks(query: Query, feedId: number, most: number): Promise<number> {
  const rows = await query(
    `delete from push_chunk using (
       select batch_id, place from push_chunk join push_batch using (batch_id) where feed_id = $1 limit $2) as unread
      where push_chunk.batch_id = unread.batch_id and push_chunk.place = unread.place returning 1`,
    [feedId, most],
  )
  return rows.length
}

/** Adds to what was removed. */
export async function countDisposed(
  query: Query,
  feedId: number,
  counts: Readonly<Record<string, number>>,
): Promise<void> {
  await query('update feed set disposed = add_counts(disposed, $2) where feed_id = $1', [
    feedId,
    JSON.stringify(counts),
  ])
}

/** Nothing is left; what the feed remembered of its source goes as well. */
export async function endDisposition(query: Query, feedId: number): Promise<void> {
  await query(
    `update feed set disposed_at = clock_timestamp(), cursor = null, compare_cursor = null, shape = '{}' where feed_id = $1`,
    [feedId],
  )
}
