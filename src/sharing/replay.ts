import { AppError } from '../errors.ts'
import { FIRST_PLACE, type ChangePlace } from '../store/changes.ts'
import type { Query, Transaction } from '../store/database.ts'
import { requeueDeadLetter, type DeadLetter } from '../store/dead-letters.ts'
import {
  cancelReplay,
  countReplay,
  findReach,
  findReplay,
  insertReplay,
  type ReplayCounts,
  type ReplayRange,
} from '../store/replays.ts'
import type { Subscription } from '../store/subscriptions.ts'
import type { Deed } from './manage-subscription.ts'

/** The range as it is asked for; what is left out is open. */
export interface WantedRange {
  readonly from: ChangePlace | null
  readonly to: ChangePlace | null
  readonly fromTime: Date | null
  readonly toTime: Date | null
}

const isAfter = (one: ChangePlace, other: ChangePlace): boolean =>
  BigInt(one.tx) > BigInt(other.tx) || (one.tx === other.tx && one.seq > other.seq)

/** What is ahead of the feed it brings by itself, so a replay ends at the cursor at the latest. */
async function boundRange(query: Query, { subscriptionId }: Subscription, wanted: WantedRange): Promise<ReplayRange> {
  const { cursor } = await findReach(query, subscriptionId)
  const to = wanted.to === null || isAfter(wanted.to, cursor) ? cursor : wanted.to
  return { from: wanted.from ?? FIRST_PLACE, to, fromTime: wanted.fromTime, toTime: wanted.toTime }
}

/** How many records a replay would send, and how many of them were acknowledged already. Sends nothing. */
export async function previewReplay(
  query: Query,
  subscription: Subscription,
  wanted: WantedRange,
): Promise<ReplayCounts> {
  const range = await boundRange(query, subscription, wanted)
  return countReplay(query, subscription.subscriptionId, subscription.datasetId, range)
}

/** Asks for a replay and writes it down. Returns its number. Throws SUBSCRIPTION_STATE for a subscription that is stopped. */
export async function requestReplay(
  { query, audit }: Transaction,
  subscription: Subscription,
  wanted: WantedRange,
  { actor, reason }: Deed,
  deliveryId: number | null = null,
): Promise<number> {
  const { subscriptionId, dataset, datasetId, consumer, state } = subscription
  if (state === 'stopped') throw new AppError('SUBSCRIPTION_STATE', 'it is stopped')
  const range = await boundRange(query, subscription, wanted)
  const counts = await countReplay(query, subscriptionId, datasetId, range)
  const made = { ...range, ...counts, subscriptionId, deliveryId, requestedBy: actor, reason }
  const replayId = await insertReplay(query, made)
  await audit({
    type: 'replay.requested',
    actor,
    outcome: 'ok',
    dataset,
    object: `replay/${replayId}`,
    count: counts.records,
    details: {
      consumer,
      subscription: subscriptionId,
      delivery: deliveryId,
      reason,
      acknowledged: counts.acknowledged,
    },
  })
  return replayId
}

/** Sends what is left of a dead letter once more, as a replay of its range. Throws SUBSCRIPTION_STATE when somebody did so already. */
export async function requeue(
  transaction: Transaction,
  subscription: Subscription,
  letter: DeadLetter,
  deed: Deed,
): Promise<number> {
  if (!(await requeueDeadLetter(transaction.query, letter.deliveryId)))
    throw new AppError('SUBSCRIPTION_STATE', `delivery ${letter.deliveryId} was requeued already`)
  return requestReplay(transaction, subscription, letter, deed, letter.deliveryId)
}

/** Ends a replay where it is; what it sent stays sent. Throws REPLAY_UNKNOWN, and SUBSCRIPTION_STATE where it had ended. */
export async function abandonReplay(
  { query, audit }: Transaction,
  { subscriptionId, dataset, consumer }: Subscription,
  replayId: number,
  { actor, reason }: Deed,
): Promise<void> {
  const replay = await findReplay(query, subscriptionId, replayId)
  if (!(await cancelReplay(query, replay))) throw new AppError('SUBSCRIPTION_STATE', `the replay is ${replay.state}`)
  const object = `replay/${replayId}`
  await audit({ type: 'replay.cancelled', actor, outcome: 'ok', dataset, object, details: { consumer, reason } })
}
