import type { ChangePlace } from './changes.ts'
import type { Query } from './database.ts'

/** What a consumer can be told beside data. */
export type NoticeType =
  | 'correction.accepted'
  | 'correction.answered'
  | 'correction.synced'
  | 'correction.closed'
  | 'recall.issued'

/** One thing that a consumer is told: ids, codes, counts and times. It never changes, so that it may be sent again as it was. */
export interface Notice extends ChangePlace {
  readonly type: NoticeType
  readonly at: Date
  readonly data: Readonly<Record<string, unknown>>
}

/** Tells a consumer, in the transaction of what it is told of. */
export async function appendNotice(
  query: Query,
  consumerId: number,
  type: NoticeType,
  data: Notice['data'],
): Promise<void> {
  await query('insert into notice (consumer_id, type, data) values ($1, $2, $3)', [
    consumerId,
    type,
    JSON.stringify(data),
  ])
}

/** What a consumer was told after a place, in commit order, never past a transaction still running: see `readChanges`. */
export async function readNotices(
  query: Query,
  consumerId: number,
  after: ChangePlace,
  limit: number,
): Promise<readonly Notice[]> {
  return query<Notice>(
    `select change_tx::text as tx, notice_id as seq, type, noted_at as at, data from notice
      where consumer_id = $1 and (change_tx, notice_id) > ($2::xid8, $3)
        and change_tx < pg_snapshot_xmin(pg_current_snapshot())
      order by change_tx, notice_id limit $4`,
    [consumerId, after.tx, after.seq, limit],
  )
}
