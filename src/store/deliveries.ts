import { AppError, type ErrorCode } from '../errors.ts'
import type { ChangePlace } from './changes.ts'
import { IN_FORCE } from './agreements.ts'
import type { Query } from './database.ts'

export interface SubscriptionLease {
  readonly subscriptionId: number
  readonly epoch: number
  readonly cursor: ChangePlace
  readonly failures: number
}

/** A batch that was made and is not acknowledged yet. A retry sends what is left of the same range. */
export interface Delivery {
  readonly deliveryId: number
  readonly from: ChangePlace
  readonly to: ChangePlace
}

/** A request to a consumer may take 15 s; the lease outlives it. */
const LEASE = `interval '25 seconds'`

/** A subscription begins at the first change. */
export async function insertSubscription(query: Query, agreementId: number): Promise<void> {
  await query('insert into subscription (agreement_id) values ($1)', [agreementId])
}

/** Takes the subscription when nobody holds it and it is due. null: somebody else delivers, or it waits. */
export async function claimSubscription(query: Query, subscriptionId: number): Promise<SubscriptionLease | null> {
  const [row] = await query<{ epoch: number; tx: string; seq: number; failures: number }>(
    `update subscription set lease_epoch = lease_epoch + 1, lease_until = clock_timestamp() + ${LEASE}
      where subscription_id = $1
        and (lease_until is null or lease_until < clock_timestamp())
        and (not_before is null or not_before <= clock_timestamp())
      returning lease_epoch as epoch, cursor_tx::text as tx, cursor_seq as seq, failures`,
    [subscriptionId],
  )
  if (row === undefined) return null
  return { subscriptionId, epoch: row.epoch, cursor: { tx: row.tx, seq: row.seq }, failures: row.failures }
}

export async function releaseSubscription(query: Query, lease: SubscriptionLease): Promise<void> {
  await query('update subscription set lease_until = null where subscription_id = $1 and lease_epoch = $2', [
    lease.subscriptionId,
    lease.epoch,
  ])
}

/** Extends the lease before a delivery leaves. Throws LEASE_LOST. */
async function keepSubscription(query: Query, lease: SubscriptionLease): Promise<void> {
  const rows = await query(
    `update subscription set lease_until = clock_timestamp() + ${LEASE}
      where subscription_id = $1 and lease_epoch = $2 returning subscription_id`,
    [lease.subscriptionId, lease.epoch],
  )
  if (rows.length === 0) throw new AppError('LEASE_LOST', `subscription ${lease.subscriptionId}`)
}

export async function findOpenDelivery(query: Query, subscriptionId: number): Promise<Delivery | null> {
  const [row] = await query<{ deliveryId: number; fromTx: string; fromSeq: number; toTx: string; toSeq: number }>(
    `select delivery_id as "deliveryId", from_tx::text as "fromTx", from_seq as "fromSeq", to_tx::text as "toTx", to_seq as "toSeq"
       from delivery where subscription_id = $1 and state = 'open'`,
    [subscriptionId],
  )
  if (row === undefined) return null
  const { deliveryId, fromTx, fromSeq, toTx, toSeq } = row
  return { deliveryId, from: { tx: fromTx, seq: fromSeq }, to: { tx: toTx, seq: toSeq } }
}

export interface DeliveryToSend {
  readonly from: ChangePlace
  readonly to: ChangePlace
  readonly webhookId: string
  readonly records: number
}

/** Writes the attempt down before anything leaves: a new open delivery, or one more attempt of the open one. Throws LEASE_LOST. */
export async function recordAttempt(query: Query, lease: SubscriptionLease, delivery: DeliveryToSend): Promise<void> {
  await keepSubscription(query, lease)
  await query(
    `insert into delivery (subscription_id, webhook_id, from_tx, from_seq, to_tx, to_seq, records, attempts)
       values ($1, $2, $3::xid8, $4, $5::xid8, $6, $7, 1)
       on conflict (subscription_id) where state = 'open' do update
         set webhook_id = excluded.webhook_id, records = excluded.records, attempts = delivery.attempts + 1`,
    [
      lease.subscriptionId,
      delivery.webhookId,
      delivery.from.tx,
      delivery.from.seq,
      delivery.to.tx,
      delivery.to.seq,
      delivery.records,
    ],
  )
}

/** Closes the open delivery and moves the subscription's cursor behind it. Throws LEASE_LOST. */
export async function acknowledgeDelivery(query: Query, lease: SubscriptionLease, to: ChangePlace): Promise<void> {
  const rows = await query(
    `update subscription set cursor_tx = $3::xid8, cursor_seq = $4, failures = 0, not_before = null,
            lease_until = clock_timestamp() + ${LEASE}
      where subscription_id = $1 and lease_epoch = $2 returning subscription_id`,
    [lease.subscriptionId, lease.epoch, to.tx, to.seq],
  )
  if (rows.length === 0) throw new AppError('LEASE_LOST', `subscription ${lease.subscriptionId}`)
  await query(
    `update delivery set state = 'acknowledged', acknowledged_at = clock_timestamp() where subscription_id = $1 and state = 'open'`,
    [lease.subscriptionId],
  )
}

/** Puts the subscription off after a failed attempt; the open delivery keeps its range. */
export async function postponeSubscription(
  query: Query,
  lease: SubscriptionLease,
  reason: ErrorCode,
  delayMs: number,
): Promise<void> {
  await query(
    `update subscription set failures = failures + 1, lease_until = null,
            not_before = clock_timestamp() + make_interval(secs => $3::float8 / 1000)
      where subscription_id = $1 and lease_epoch = $2`,
    [lease.subscriptionId, lease.epoch, delayMs],
  )
  await query(`update delivery set reason = $2 where subscription_id = $1 and state = 'open'`, [
    lease.subscriptionId,
    reason,
  ])
}

/**
 * Begins the subscription of an agreement anew: its terms changed, so what was sent has to be sent in the new forms. Whoever delivers
 * at this moment loses the lease.
 */
export async function restartSubscription(query: Query, agreementId: number): Promise<void> {
  await query(
    `with restarted as (
       update subscription set cursor_tx = '0', cursor_seq = 0, lease_epoch = lease_epoch + 1, lease_until = null
        where agreement_id = $1 returning subscription_id)
     update delivery set state = 'superseded' from restarted
      where delivery.subscription_id = restarted.subscription_id and state = 'open'`,
    [agreementId],
  )
}

/** Moves the cursor of a subscription past changes that are none of its concern. */
export async function skipChanges(query: Query, lease: SubscriptionLease, to: ChangePlace): Promise<void> {
  await query(
    'update subscription set cursor_tx = $3::xid8, cursor_seq = $4 where subscription_id = $1 and lease_epoch = $2',
    [lease.subscriptionId, lease.epoch, to.tx, to.seq],
  )
}

/** Subscriptions with something to deliver that nobody holds and that are due: what the reconciler enqueues. */
export async function listIdleSubscriptions(
  query: Query,
): Promise<readonly { readonly subscriptionId: number; readonly epoch: number }[]> {
  return query(
    `select subscription_id as "subscriptionId", lease_epoch as epoch
       from subscription join agreement using (agreement_id) join consumer using (consumer_id)
      where (lease_until is null or lease_until < clock_timestamp())
        and (not_before is null or not_before <= clock_timestamp())
        and ${IN_FORCE}
        and exists (select from record where record.dataset_id = agreement.dataset_id and (change_tx, change_seq) > (cursor_tx, cursor_seq)
                       and change_tx < pg_snapshot_xmin(pg_current_snapshot()))`,
  )
}

/** Subscriptions that take changes of a feed's dataset. */
export async function listSubscriptionsOfDataset(
  query: Query,
  dataset: string,
): Promise<readonly { readonly subscriptionId: number; readonly epoch: number }[]> {
  return query(
    `select subscription_id as "subscriptionId", lease_epoch as epoch
       from subscription join agreement using (agreement_id) join dataset using (dataset_id) where dataset.name = $1`,
    [dataset],
  )
}

export interface DeliveryTotals {
  readonly dataset: string
  readonly delivered: number
  readonly acknowledged: number
}

/** Records sent and acknowledged by dataset, over all consumers. */
export async function sumDeliveries(query: Query): Promise<readonly DeliveryTotals[]> {
  return query(
    `select dataset.name as dataset, coalesce(sum(records), 0)::int8 as delivered,
            coalesce(sum(records) filter (where delivery.state = 'acknowledged'), 0)::int8 as acknowledged
       from dataset left join agreement using (dataset_id) left join subscription using (agreement_id)
            left join delivery using (subscription_id)
      group by dataset.name order by dataset.name`,
  )
}

/** Subscriptions that are not at the end of their change feed, or whose last delivery is not acknowledged. */
export async function countUndelivered(query: Query): Promise<number> {
  const [row] = await query<{ behind: number }>(
    `select count(*) as behind from subscription join agreement using (agreement_id)
      where exists (select from delivery where delivery.subscription_id = subscription.subscription_id and state = 'open')
         or exists (select from record where record.dataset_id = agreement.dataset_id and (change_tx, change_seq) > (cursor_tx, cursor_seq))`,
  )
  return row?.behind ?? 0
}
