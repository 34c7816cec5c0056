import type { ChangePlace } from './changes.ts'
import { prepared, type Query } from './database.ts'

const IS_KEPT = prepared(
  `select greatest($2::xid8, $4::xid8) <= pg_snapshot_xmin(pg_current_snapshot())
          and not exists (select from tombstone_floor as floor where floor.dataset_id = $1
                             and ($2::xid8, $3::integer) < (floor.tx, floor.seq) and $4::xid8 < floor.tx) as "isKept"`,
)

/**
 * Whether the feed of a dataset can be read on from a place without missing a tombstone. It cannot where tombstones behind it are gone,
 * unless the reader began after all of those (`since`); and where it lies ahead of everything, because the database is a restored one.
 */
export async function isPlaceKept(
  query: Query,
  datasetId: number,
  { tx, seq, since }: ChangePlace & { readonly since?: string | undefined },
): Promise<boolean> {
  const [row] = await query<{ isKept: boolean }>(IS_KEPT, [datasetId, tx, seq, since ?? '0'])
  return row?.isKept ?? false
}

/**
 * The transaction up to which a reader that begins now has everything of a dataset: that of its newest change, or of its newest tombstone
 * that is gone. Unlike the horizon it stays while the dataset stays.
 */
export async function readNewest(query: Query, datasetId: number): Promise<string> {
  const [row] = await query<{ tx: string }>(
    `select greatest('0'::xid8, (select tx from tombstone_floor where dataset_id = $1),
       (select change_tx from record where dataset_id = $1 and change_tx < pg_snapshot_xmin(pg_current_snapshot())
         order by change_tx desc, change_seq desc limit 1))::text as tx`,
    [datasetId],
  )
  return row?.tx ?? '0'
}

/** Whether anything of a dataset lies behind a place and before a horizon. */
export async function hasChangesBetween(
  query: Query,
  datasetId: number,
  after: ChangePlace,
  end: ChangePlace,
): Promise<boolean> {
  const rows = await query(
    `select from record
      where dataset_id = $1 and (change_tx, change_seq) > ($2::xid8, $3) and change_tx < $4::xid8 limit 1`,
    [datasetId, after.tx, after.seq, end.tx],
  )
  return rows.length > 0
}

export interface PurgedTombstones {
  readonly dataset: string
  readonly tombstones: number
}

/**
 * Removes at most `most` tombstones that are older than `days`, and remembers for each dataset up to where they are gone and which versions
 * they had. The only way in which a row of `record` is deleted.
 */
export async function purgeTombstones(query: Query, days: number, most: number): Promise<readonly PurgedTombstones[]> {
  return query('select dataset_name as dataset, tombstones from purge_tombstones($1, $2)', [days, most])
}

export interface RestartedSubscription {
  readonly consumer: string
  readonly dataset: string
  readonly subscriptionId: number
}

/** Begins the subscriptions anew that have not come as far as the tombstones that are gone. Whoever delivers loses the lease. */
export async function restartStrayed(query: Query): Promise<readonly RestartedSubscription[]> {
  return query(
    `with restarted as (
       update subscription set cursor_tx = start_tx, cursor_seq = start_seq, started_tx = pg_snapshot_xmin(pg_current_snapshot()),
              lease_epoch = lease_epoch + 1, lease_until = null
         from tombstone_floor as floor
        where floor.dataset_id = subscription.dataset_id
          and (cursor_tx, cursor_seq) < (floor.tx, floor.seq) and started_tx <= floor.tx
       returning subscription_id, subscription.consumer_id, subscription.dataset_id),
     given_up as (
       update delivery set state = 'superseded' from restarted
        where delivery.subscription_id = restarted.subscription_id and state = 'open')
     select consumer.name as consumer, dataset.name as dataset, subscription_id as "subscriptionId"
       from restarted join consumer using (consumer_id) join dataset using (dataset_id)
      order by subscription_id`,
  )
}
