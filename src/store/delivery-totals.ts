import type { ChangePlace } from './changes.ts'
import type { Query } from './database.ts'

export interface DeliveryTotals {
  readonly dataset: string
  readonly delivered: number
  readonly acknowledged: number
}

/** Records sent and acknowledged by dataset, over all consumers, replays apart. */
export async function sumDeliveries(query: Query): Promise<readonly DeliveryTotals[]> {
  return query(
    `select dataset.name as dataset, coalesce(sum(records), 0)::int8 as delivered,
            coalesce(sum(records) filter (where delivery.state = 'acknowledged'), 0)::int8 as acknowledged
       from dataset left join subscription using (dataset_id)
            left join delivery on delivery.subscription_id = subscription.subscription_id and replay_id is null
      group by dataset.name order by dataset.name`,
  )
}

/** Subscriptions that are not at the end of their change feed, or whose last delivery is not acknowledged. */
export async function countUndelivered(query: Query): Promise<number> {
  const [row] = await query<{ behind: number }>(
    `select count(*) as behind from subscription
      where state <> 'stopped'
        and (exists (select from delivery where delivery.subscription_id = subscription.subscription_id and state = 'open')
          or exists (select from record where record.dataset_id = subscription.dataset_id and (change_tx, change_seq) > (cursor_tx, cursor_seq)))`,
  )
  return row?.behind ?? 0
}

/** Whether there are changes behind a place that cannot be read yet, because an older transaction is under way. */
export async function hasUnsettledChanges(query: Query, datasetId: number, after: ChangePlace): Promise<boolean> {
  const rows = await query(
    `select from record where dataset_id = $1 and (change_tx, change_seq) > ($2::xid8, $3)
        and change_tx >= pg_snapshot_xmin(pg_current_snapshot()) limit 1`,
    [datasetId, after.tx, after.seq],
  )
  return rows.length > 0
}

/** The last place that can be read of a dataset: where a subscription that wants nothing older begins. */
export async function findLastPlace(query: Query, datasetId: number): Promise<ChangePlace | null> {
  const [row] = await query<ChangePlace>(
    `select change_tx::text as tx, change_seq as seq from record
      where dataset_id = $1 and change_tx < pg_snapshot_xmin(pg_current_snapshot())
      order by change_tx desc, change_seq desc limit 1`,
    [datasetId],
  )
  return row ?? null
}
