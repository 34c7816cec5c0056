import { AppError } from '../errors.ts'
import { IN_FORCE } from './agreements.ts'
import type { ChangePlace } from './changes.ts'
import type { Query } from './database.ts'
import type { SubscriptionState } from './subscriptions.ts'

/** A subscription in the hands of one worker. */
export interface SubscriptionLease {
  readonly subscriptionId: number
  readonly epoch: number
  readonly consumer: string
  readonly consumerId: number
  readonly dataset: string
  readonly datasetId: number
  readonly endpoint: string
  readonly demandsReceipt: boolean
  readonly state: SubscriptionState
  readonly cursor: ChangePlace
  readonly failures: number
}

/** A batch that was made and is not acknowledged yet. A retry sends what is left of the same range. */
export interface OpenDelivery {
  readonly from: ChangePlace
  readonly to: ChangePlace
}

/** A request to a consumer may take 15 s; the lease outlives it. */
const LEASE = `interval '25 seconds'`

/** Nothing leaves from a subscription that is paused or stopped, or whose consumer is. */
const MAY_SEND = `state in ('active', 'broken') and consumer.stopped_at is null`

const IS_FREE = `(lease_until is null or lease_until < clock_timestamp()) and (not_before is null or not_before <= clock_timestamp())`

/** There is a change behind the cursor that can be read, or a replay that is due. */
const HAS_CHANGES = `(exists (select from record where record.dataset_id = subscription.dataset_id and (change_tx, change_seq) > (cursor_tx, cursor_seq)
      and change_tx < pg_snapshot_xmin(pg_current_snapshot()))
   or exists (select from replay where replay.subscription_id = subscription.subscription_id and replay.state = 'active'
      and (replay.not_before is null or replay.not_before <= clock_timestamp())))`

/** Takes the subscription when nobody holds it, it is due and may send. null: somebody else delivers, or it waits. */
export async function claimSubscription(query: Query, subscriptionId: number): Promise<SubscriptionLease | null> {
  const [row] = await query<Omit<SubscriptionLease, 'cursor'> & ChangePlace>(
    `update subscription set lease_epoch = lease_epoch + 1, lease_until = clock_timestamp() + ${LEASE}
       from consumer, dataset
      where subscription_id = $1 and consumer.consumer_id = subscription.consumer_id
        and dataset.dataset_id = subscription.dataset_id and ${IS_FREE} and ${MAY_SEND}
      returning subscription_id as "subscriptionId", lease_epoch as epoch, consumer.name as consumer,
                subscription.consumer_id as "consumerId", dataset.name as dataset, subscription.dataset_id as "datasetId",
                endpoint, demands_receipt as "demandsReceipt", state, cursor_tx::text as tx, cursor_seq as seq, failures`,
    [subscriptionId],
  )
  if (row === undefined) return null
  const { tx, seq, ...lease } = row
  return { ...lease, cursor: { tx, seq } }
}

/** Gives the subscription back. Returns whether there is something to deliver that came meanwhile. */
export async function releaseSubscription(query: Query, lease: SubscriptionLease): Promise<boolean> {
  const [row] = await query<{ isBehind: boolean }>(
    `update subscription set lease_until = null where subscription_id = $1 and lease_epoch = $2
      returning ${HAS_CHANGES} and state in ('active', 'broken') as "isBehind"`,
    [lease.subscriptionId, lease.epoch],
  )
  return row?.isBehind ?? false
}

/** Gives the subscription back for a while, without calling it a failure: the agreement does not let anything leave now. */
export async function restSubscription(query: Query, lease: SubscriptionLease, seconds: number): Promise<void> {
  await query(
    `update subscription set lease_until = null, not_before = clock_timestamp() + make_interval(secs => $3)
      where subscription_id = $1 and lease_epoch = $2`,
    [lease.subscriptionId, lease.epoch, seconds],
  )
}

/** Extends the lease before a delivery leaves. False: nothing may leave any more. Throws LEASE_LOST. */
export async function keepSubscription(query: Query, lease: SubscriptionLease): Promise<boolean> {
  const [row] = await query<{ maySend: boolean }>(
    `update subscription set lease_until = clock_timestamp() + ${LEASE} from consumer
      where subscription_id = $1 and lease_epoch = $2 and consumer.consumer_id = subscription.consumer_id
      returning ${MAY_SEND} as "maySend"`,
    [lease.subscriptionId, lease.epoch],
  )
  if (row === undefined) throw new AppError('LEASE_LOST', `subscription ${lease.subscriptionId}`)
  return row.maySend
}

/** The range that was sent and not acknowledged: of the feed itself (`replayId` null) or of a replay. */
export async function findOpenDelivery(
  query: Query,
  subscriptionId: number,
  replayId: number | null,
): Promise<OpenDelivery | null> {
  const [row] = await query<{ fromTx: string; fromSeq: number; toTx: string; toSeq: number }>(
    `select from_tx::text as "fromTx", from_seq as "fromSeq", to_tx::text as "toTx", to_seq as "toSeq"
       from delivery where subscription_id = $1 and coalesce(replay_id, 0) = coalesce($2, 0) and state = 'open'`,
    [subscriptionId, replayId],
  )
  if (row === undefined) return null
  return { from: { tx: row.fromTx, seq: row.fromSeq }, to: { tx: row.toTx, seq: row.toSeq } }
}

export interface DeliveryToSend {
  readonly from: ChangePlace
  readonly to: ChangePlace
  readonly webhookId: string
  readonly records: number
  /** Null: the feed itself. */
  readonly replayId: number | null
}

/** Writes the attempt down before anything leaves: a new open delivery, or one more attempt of the open one. */
export async function recordAttempt(query: Query, subscriptionId: number, delivery: DeliveryToSend): Promise<void> {
  await query(
    `insert into delivery (subscription_id, webhook_id, from_tx, from_seq, to_tx, to_seq, records, replay_id, attempts)
       values ($1, $2, $3::xid8, $4, $5::xid8, $6, $7, $8, 1)
       on conflict (subscription_id, coalesce(replay_id, 0)) where state = 'open' do update
         set webhook_id = excluded.webhook_id, records = excluded.records, attempts = delivery.attempts + 1`,
    [
      subscriptionId,
      delivery.webhookId,
      delivery.from.tx,
      delivery.from.seq,
      delivery.to.tx,
      delivery.to.seq,
      delivery.records,
      delivery.replayId,
    ],
  )
}

/** What came of closing a delivery. */
export interface Closed {
  readonly deliveryId: number | null
  /** Whether more may leave. */
  readonly maySend: boolean
  /** The agreement in force, as audit entries name it; null: there is none. */
  readonly agreement: string | null
}

/**
 * Closes the open delivery as acknowledged, or lays it aside as dead, and forgets the failures; the cursor moves behind a range of the
 * feed, for one of a replay it stays. One statement, because each round trip counts. Throws LEASE_LOST.
 */
export async function closeDelivery(
  query: Query,
  lease: SubscriptionLease,
  { to, replayId }: Pick<DeliveryToSend, 'to' | 'replayId'>,
  state: 'acknowledged' | 'dead',
): Promise<Closed> {
  const isFeed = replayId === null
  const [row] = await query<Closed>(
    `with closed as (
       update delivery set state = $6, acknowledged_at = case when $6 = 'acknowledged' then clock_timestamp() end
        where subscription_id = $1 and coalesce(replay_id, 0) = coalesce($5, 0) and state = 'open' returning delivery_id)
     update subscription set cursor_tx = coalesce($3::xid8, cursor_tx), cursor_seq = coalesce($4, cursor_seq),
            failures = 0, fault = null, failing_since = null, not_before = null,
            state = case when state = 'broken' then 'active' else state end,
            dead_in_row = case when $6 = 'dead' then dead_in_row + 1 else 0 end,
            acknowledged_at = case when $6 = 'dead' then acknowledged_at else clock_timestamp() end,
            lease_until = clock_timestamp() + ${LEASE}
       from consumer
      where subscription_id = $1 and lease_epoch = $2 and consumer.consumer_id = subscription.consumer_id
      returning (select delivery_id from closed) as "deliveryId", ${MAY_SEND} as "maySend",
                (select agreement_id || '@' || version from agreement
                  where agreement.consumer_id = subscription.consumer_id and agreement.dataset_id = subscription.dataset_id
                    and ${IN_FORCE}) as agreement`,
    [lease.subscriptionId, lease.epoch, isFeed ? to.tx : null, isFeed ? to.seq : null, replayId, state],
  )
  if (row === undefined) throw new AppError('LEASE_LOST', `subscription ${lease.subscriptionId}`)
  return row
}

export interface Failure {
  /** A code of ours. */
  readonly code: string
  /** What the receiver answered; null where it did not. */
  readonly status: number | null
  readonly isRefusal: boolean
  readonly replayId: number | null
}

/** Notes with the open delivery why it failed. Returns how often it was refused; 0 where nothing is open. */
export async function noteFailure(
  query: Query,
  { subscriptionId }: SubscriptionLease,
  failure: Failure,
): Promise<number> {
  const [row] = await query<{ refusals: number }>(
    `update delivery set reason = $3, status = $4, refusals = refusals + $5
      where subscription_id = $1 and coalesce(replay_id, 0) = coalesce($2, 0) and state = 'open' returning refusals`,
    [subscriptionId, failure.replayId, failure.code, failure.status, failure.isRefusal ? 1 : 0],
  )
  return row?.refusals ?? 0
}

export interface Postponed {
  readonly failures: number
  /** For how long everything has failed, in seconds; 0 where the receiver is not to blame. */
  readonly failingSeconds: number
}

/** Puts the subscription off after a failed attempt; the open delivery keeps its range. null: it is somebody else's by now. */
export async function postponeSubscription(
  query: Query,
  lease: SubscriptionLease,
  fault: string,
  delayMs: number,
  isOutage: boolean,
): Promise<Postponed | null> {
  const [row] = await query<Postponed>(
    `update subscription set failures = failures + 1, fault = $3, lease_until = null,
            failing_since = case when $5 then coalesce(failing_since, clock_timestamp()) else failing_since end,
            not_before = clock_timestamp() + make_interval(secs => $4::float8 / 1000)
      where subscription_id = $1 and lease_epoch = $2
      returning failures, coalesce(extract(epoch from clock_timestamp() - failing_since), 0)::float8 as "failingSeconds"`,
    [lease.subscriptionId, lease.epoch, fault, delayMs, isOutage],
  )
  return row ?? null
}

/**
 * Begins the subscriptions of an agreement anew: its terms changed, so what was sent has to be sent in the new forms. Whoever delivers
 * at this moment loses the lease.
 */
export async function restartSubscriptions(query: Query, agreementId: number): Promise<void> {
  await query(
    `with restarted as (
       update subscription set cursor_tx = start_tx, cursor_seq = start_seq, started_tx = pg_snapshot_xmin(pg_current_snapshot()),
              lease_epoch = lease_epoch + 1, lease_until = null
         from agreement
        where agreement_id = $1 and agreement.consumer_id = subscription.consumer_id and agreement.dataset_id = subscription.dataset_id
        returning subscription_id)
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

export interface IdleSubscription {
  readonly subscriptionId: number
  readonly epoch: number
}

/** Subscriptions with something to deliver that nobody holds and that are due: what the reconciler enqueues. */
export async function listIdleSubscriptions(query: Query): Promise<readonly IdleSubscription[]> {
  return query(
    `select subscription_id as "subscriptionId", lease_epoch as epoch
       from subscription join agreement using (consumer_id, dataset_id) join consumer using (consumer_id)
      where ${IS_FREE} and ${MAY_SEND} and ${IN_FORCE} and ${HAS_CHANGES}`,
  )
}

/** Subscriptions to a dataset that somebody may take now. */
export async function listFreeSubscriptions(query: Query, dataset: string): Promise<readonly IdleSubscription[]> {
  return query(
    `select subscription_id as "subscriptionId", lease_epoch as epoch
       from subscription join consumer using (consumer_id) join dataset using (dataset_id)
      where dataset.name = $1 and ${IS_FREE} and ${MAY_SEND}`,
    [dataset],
  )
}

/** The subscription as a job names it. */
export async function findLeaseEpoch(query: Query, subscriptionId: number): Promise<number> {
  const [row] = await query<{ epoch: number }>(
    'select lease_epoch as epoch from subscription where subscription_id = $1',
    [subscriptionId],
  )
  return row?.epoch ?? 0
}
