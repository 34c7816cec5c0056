import { MERGED_FEED, type Selection } from './changes.ts'
import type { Transaction } from './database.ts'

/** One living record as it is reconciled. `division` is the first six digits of its area code, `day` that of its last change. */
export interface LivingRecord {
  readonly division: string | null
  /** yyyy-MM-dd in China Standard Time. */
  readonly day: string
  readonly id: string
  readonly version: number
}

/** Which part of a dataset is reconciled; null: all of it. */
export interface DatasetPart {
  readonly division: string | null
  readonly day: string | null
}

const FETCH_ROWS = 5000

/** Takes the one reconciliation that an agreement may have at a time, over all replicas: it reads everything. Holds until the transaction ends. */
export async function takeDigesting({ query }: Transaction, agreementId: number): Promise<boolean> {
  const [row] = await query<{ isTaken: boolean }>('select pg_try_advisory_xact_lock(725006, $1) as "isTaken"', [
    agreementId,
  ])
  return row?.isTaken ?? false
}

/**
 * The living records of a selection as of one moment, ordered by division, day and id by bytes, some thousands at a time. They have to be read to their
 * end, in the transaction that is given.
 */
export async function* streamLiving(
  { query }: Transaction,
  { datasetId, area }: Selection,
  { division, day }: DatasetPart,
): AsyncGenerator<readonly LivingRecord[]> {
  await query(
    `declare living no scroll cursor for select * from (
       select nullif(left(area_code, 6), '') as division, to_char(changed_at at time zone 'Asia/Shanghai', 'YYYY-MM-DD') as day,
              coalesce(feed.code, '${MERGED_FEED.code}') || '/' || source_record_id as id, version
         from record left join feed using (feed_id)
        where record.dataset_id = $1 and masked is not null and ($2::text[] is null or area_code like any($2))
          and ($3::text is null or area_code like $3 || '%') and ($4::date is null or (changed_at at time zone 'Asia/Shanghai')::date = $4)) as found
      order by division collate "C", day collate "C", id collate "C"`,
    [datasetId, area?.map((prefix) => `${prefix}%`) ?? null, division, day],
  )
  for (;;) {
    const rows = await query<LivingRecord>(`fetch ${FETCH_ROWS} from living`)
    yield rows
    if (rows.length < FETCH_ROWS) return
  }
}
