import type { Query } from './database.ts'

/** What a department is told of a batch. `valid` and `rejected` add up to `rows` once its rows were read. */
export interface Receipt {
  readonly batchNo: string
  /** SM3 of the body in lower-case hex. */
  readonly digest: string
  readonly rows: number
  readonly state: 'received' | 'read'
  readonly valid: number
  readonly rejected: number
  readonly receivedAt: Date
  readonly readAt: Date | null
}

/** Where some rows of a batch stand. */
export interface ChunkPlace {
  readonly batchId: number
  readonly place: number
}

/** Some rows of a batch, sealed. Chunks are read in the order in which their batches were received. */
export interface PushChunk extends ChunkPlace {
  readonly batchNo: string
  readonly sealed: Uint8Array
}

const RECEIPT = `batch_no as "batchNo", digest, rows, case when read_at is null then 'received' else 'read' end as state,
  valid, rejected, received_at as "receivedAt", read_at as "readAt"`

/** One batch of a feed is received at a time, so that the order of their ids is the order of their commits. */
export async function lockBatches(query: Query, feedId: number): Promise<void> {
  await query('select pg_advisory_xact_lock(725003, $1)', [feedId])
}

/** The receipt of a batch; null where none has this number. */
export async function findReceipt(query: Query, feedId: number, batchNo: string): Promise<Receipt | null> {
  const [receipt] = await query<Receipt>(`select ${RECEIPT} from push_batch where feed_id = $1 and batch_no = $2`, [
    feedId,
    batchNo,
  ])
  return receipt ?? null
}

export interface BatchToKeep {
  readonly batchNo: string
  readonly digest: string
  readonly rows: number
  /** Sealed rows, in order. */
  readonly chunks: readonly Uint8Array[]
}

/** Keeps a batch. One without rows has been read at once. */
export async function insertBatch(query: Query, feedId: number, batch: BatchToKeep): Promise<void> {
  await query(
    `with batch as (
       insert into push_batch (feed_id, batch_no, digest, rows, read_at)
       values ($1, $2, $3, $4, case when $4 = 0 then clock_timestamp() end) returning batch_id)
     insert into push_chunk (batch_id, place, sealed)
     select batch_id, place, sealed from batch, unnest($5::bytea[]) with ordinality as chunk (sealed, place)`,
    [feedId, batch.batchNo, batch.digest, batch.rows, batch.chunks],
  )
}

/** The first chunk of a feed after another one (null: the first of all); null where there is none. */
export async function findNextChunk(query: Query, feedId: number, after: ChunkPlace | null): Promise<PushChunk | null> {
  const [chunk] = await query<PushChunk>(
    `select batch_id as "batchId", place, batch_no as "batchNo", sealed from push_chunk join push_batch using (batch_id)
      where feed_id = $1 and (batch_id, place) > ($2, $3) order by batch_id, place limit 1`,
    [feedId, after?.batchId ?? 0, after?.place ?? 0],
  )
  return chunk ?? null
}

/** Whether rows of a feed's batches wait for a run. */
export async function hasChunks(query: Query, feedId: number): Promise<boolean> {
  const [row] = await query<{ waits: boolean }>(
    'select exists (select from push_chunk join push_batch using (batch_id) where feed_id = $1) as waits',
    [feedId],
  )
  return row?.waits === true
}

/** Takes the rows of a chunk away and adds to its receipt, in the transaction that saves them: the run that ends it is the only one that had them. */
export async function takeChunk(
  query: Query,
  { batchId, place }: ChunkPlace,
  counts: { readonly valid: number; readonly rejected: number },
): Promise<void> {
  await query(
    `with gone as (delete from push_chunk where batch_id = $1 and place = $2 returning batch_id)
     update push_batch set valid = valid + $3, rejected = rejected + $4,
            first_tx = coalesce(first_tx, pg_current_xact_id()), last_tx = pg_current_xact_id(),
            read_at = case when (select count(*) from push_chunk where batch_id = $1) <= 1 then clock_timestamp() end
       from gone where push_batch.batch_id = gone.batch_id`,
    [batchId, place, counts.valid, counts.rejected],
  )
}
