import { AppError } from '../errors.ts'
import type { SignatureKind } from '../security/webhook-signature.ts'
import type { ChangePlace } from './changes.ts'
import type { Query } from './database.ts'

/** `broken`: the receiver failed again and again and is asked once per back-off. `stopped` is for good. */
export const subscriptionStates = ['active', 'paused', 'broken', 'stopped'] as const
export type SubscriptionState = (typeof subscriptionStates)[number]

export interface Subscription {
  readonly subscriptionId: number
  readonly consumer: string
  readonly consumerId: number
  readonly dataset: string
  readonly datasetId: number
  readonly endpoint: string
  readonly state: SubscriptionState
  readonly stateReason: string | null
  readonly stateSince: Date
  readonly demandsReceipt: boolean
  readonly createdAt: Date
  readonly acknowledgedAt: Date | null
  /** Failed attempts since the last acknowledgement, the code of the last one, since when, and until when it is left alone. */
  readonly failures: number
  readonly fault: string | null
  readonly failingSince: Date | null
  readonly restsUntil: Date | null
  readonly deadLetters: number
  /** Changes behind the cursor, counted up to MOST_COUNTED. */
  readonly pending: number
}

/** Counting what is pending stops here: the exact number of millions helps nobody and takes seconds. */
export const MOST_COUNTED = 10_000

const SUBSCRIPTION = `
  select subscription_id as "subscriptionId", consumer.name as consumer, subscription.consumer_id as "consumerId",
         dataset.name as dataset, subscription.dataset_id as "datasetId", endpoint, state, state_reason as "stateReason",
         state_since as "stateSince", demands_receipt as "demandsReceipt", subscription.created_at as "createdAt",
         acknowledged_at as "acknowledgedAt", failures, fault, failing_since as "failingSince", not_before as "restsUntil",
         (select count(*) from delivery where delivery.subscription_id = subscription.subscription_id and delivery.state = 'dead') as "deadLetters",
         (select count(*) from (select from record
            where record.dataset_id = subscription.dataset_id and (change_tx, change_seq) > (cursor_tx, cursor_seq)
            limit ${MOST_COUNTED}) as ahead) as pending
    from subscription join consumer using (consumer_id) join dataset using (dataset_id)`

export interface SubscriptionFilter {
  /** Null: of every consumer. */
  readonly consumer: string | null
  readonly dataset: string | null
  /** Number of the last one on the page before. */
  readonly after: number
  readonly limit: number
}

/** Subscriptions in the order in which they were made. */
export async function listSubscriptions(query: Query, filter: SubscriptionFilter): Promise<readonly Subscription[]> {
  return query<Subscription>(
    `${SUBSCRIPTION} where ($1::text is null or consumer.name = $1) and ($2::text is null or dataset.name = $2)
        and subscription_id > $3 order by subscription_id limit $4`,
    [filter.consumer, filter.dataset, filter.after, filter.limit],
  )
}

/** Throws SUBSCRIPTION_UNKNOWN where there is none, also for one of another consumer. */
export async function findSubscription(
  query: Query,
  subscriptionId: number,
  consumer: string | null,
): Promise<Subscription> {
  const [subscription] = await query<Subscription>(
    `${SUBSCRIPTION} where subscription_id = $1 and ($2::text is null or consumer.name = $2)`,
    [subscriptionId, consumer],
  )
  if (subscription === undefined) throw new AppError('SUBSCRIPTION_UNKNOWN', `subscription ${subscriptionId}`)
  return subscription
}

export interface NewSubscription {
  readonly consumerId: number
  readonly dataset: string
  readonly endpoint: string
  readonly demandsReceipt: boolean
  /** Null: from the first change on. */
  readonly after: ChangePlace | null
}

/** More of them than any consumer has endpoints. */
const MOST_SUBSCRIPTIONS = 100

/** Makes a subscription. Throws AGREEMENT_INVALID for a dataset that does not exist, REQUEST_INVALID when there are too many. */
export async function insertSubscription(query: Query, made: NewSubscription): Promise<number> {
  const [held] = await query<{ count: number }>(
    `select count(*) from subscription where consumer_id = $1 and state <> 'stopped'`,
    [made.consumerId],
  )
  if ((held?.count ?? 0) >= MOST_SUBSCRIPTIONS)
    throw new AppError('REQUEST_INVALID', `there are ${MOST_SUBSCRIPTIONS} subscriptions; stop one of them first`)
  const [row] = await query<{ subscriptionId: number }>(
    `insert into subscription (consumer_id, dataset_id, endpoint, demands_receipt, start_tx, start_seq, cursor_tx, cursor_seq)
       select $1, dataset_id, $3, $4, $5::xid8, $6, $5::xid8, $6 from dataset where name = $2
       returning subscription_id as "subscriptionId"`,
    [made.consumerId, made.dataset, made.endpoint, made.demandsReceipt, made.after?.tx ?? '0', made.after?.seq ?? 0],
  )
  if (row === undefined) throw new AppError('AGREEMENT_INVALID', `there is no dataset ${made.dataset}`)
  return row.subscriptionId
}

export interface StateChange {
  readonly to: SubscriptionState
  readonly from: readonly SubscriptionState[]
  readonly reason: string | null
}

/** Moves a subscription to another state. False: it is in none from which that is possible, and nothing was changed. */
export async function moveSubscription(query: Query, subscriptionId: number, change: StateChange): Promise<boolean> {
  const rows = await query(
    `update subscription set state = $2, state_reason = $4, state_since = clock_timestamp(),
            failures = case when $2 = 'active' then 0 else failures end,
            failing_since = case when $2 = 'active' then null else failing_since end,
            not_before = case when $2 = 'active' then null else not_before end,
            dead_in_row = case when $2 = 'active' then 0 else dead_in_row end
      where subscription_id = $1 and state = any($3::text[]) returning subscription_id`,
    [subscriptionId, change.to, change.from, change.reason],
  )
  return rows.length > 0
}

/** How many deliveries died one after the other, with none acknowledged between them. */
export async function countDeadInRow(query: Query, subscriptionId: number): Promise<number> {
  const [row] = await query<{ dead: number }>(
    'select dead_in_row as dead from subscription where subscription_id = $1',
    [subscriptionId],
  )
  return row?.dead ?? 0
}

/** Ends what a stopped subscription had under way: its secrets go, and what was open is open no more. */
export async function endSubscription(query: Query, subscriptionId: number): Promise<void> {
  await query('delete from subscription_secret where subscription_id = $1', [subscriptionId])
  await query(`update delivery set state = 'cancelled' where subscription_id = $1 and state = 'open'`, [subscriptionId])
  await query(
    `update replay set state = 'cancelled', ended_at = clock_timestamp() where subscription_id = $1 and state = 'active'`,
    [subscriptionId],
  )
}

/** A secret that signs, as it may be shown. */
export interface SubscriptionSecret {
  readonly secretId: number
  readonly kind: SignatureKind
  readonly publicKey: string | null
  readonly createdAt: Date
  readonly retiresAt: Date | null
}

/** The secrets that sign now, the oldest first. */
export async function listSecrets(query: Query, subscriptionId: number): Promise<readonly SubscriptionSecret[]> {
  return query<SubscriptionSecret>(
    `select secret_id as "secretId", kind, public_key as "publicKey", created_at as "createdAt", retires_at as "retiresAt"
       from subscription_secret
      where subscription_id = $1 and (retires_at is null or retires_at > clock_timestamp()) order by secret_id`,
    [subscriptionId],
  )
}

/** The same secrets, sealed, for the one who signs. */
export async function readSecrets(query: Query, subscriptionId: number): Promise<readonly Buffer[]> {
  const rows = await query<{ sealed: Buffer }>(
    `select sealed from subscription_secret
      where subscription_id = $1 and (retires_at is null or retires_at > clock_timestamp()) order by secret_id`,
    [subscriptionId],
  )
  return rows.map(({ sealed }) => sealed)
}

export interface NewSecret {
  readonly subscriptionId: number
  readonly kind: SignatureKind
  readonly sealed: Uint8Array
  readonly publicKey: string | null
  /** For how long the one before goes on signing beside it. */
  readonly overlapHours: number
}

/** Adds a secret. The one of its kind before it signs on for a while; what was retiring already is removed: two are live. */
export async function addSecret(query: Query, secret: NewSecret): Promise<void> {
  const { subscriptionId, kind } = secret
  await query('delete from subscription_secret where subscription_id = $1 and kind = $2 and retires_at is not null', [
    subscriptionId,
    kind,
  ])
  await query(
    `update subscription_secret set retires_at = clock_timestamp() + make_interval(hours => $3)
      where subscription_id = $1 and kind = $2`,
    [subscriptionId, kind, secret.overlapHours],
  )
  await query('insert into subscription_secret (subscription_id, kind, sealed, public_key) values ($1, $2, $3, $4)', [
    subscriptionId,
    kind,
    secret.sealed,
    secret.publicKey,
  ])
}

/** Subscriptions by state, for what watches the service. */
export async function countSubscriptions(query: Query): Promise<Readonly<Record<string, number>>> {
  const rows = await query<{ state: string; count: number }>('select state, count(*) from subscription group by state')
  return Object.fromEntries(rows.map(({ state, count }) => [state, count]))
}
