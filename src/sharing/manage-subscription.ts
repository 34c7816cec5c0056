import { AppError } from '../errors.ts'
import type { KeyRing } from '../security/key-ring.ts'
import { createWebhookKey, type SignatureKind, type WebhookKey } from '../security/webhook-signature.ts'
import { startConsumer, stopConsumer, type Consumer } from '../store/consumers.ts'
import type { Transaction } from '../store/database.ts'
import { clearSubscriptionAlerts } from '../store/subscription-alerts.ts'
import { endSubscription, moveSubscription, type StateChange, type Subscription } from '../store/subscriptions.ts'
import { keepSecret } from './subscribe.ts'

/** What can be done with a subscription, and from which states. */
const steerings = {
  pause: { to: 'paused', from: ['active', 'broken'] },
  resume: { to: 'active', from: ['paused', 'broken'] },
  stop: { to: 'stopped', from: ['active', 'broken', 'paused'] },
} as const satisfies Readonly<Record<string, Omit<StateChange, 'reason'>>>

export type Steering = keyof typeof steerings

/** Who does something, and why, in words that name nobody. */
export interface Deed {
  readonly actor: string
  readonly reason: string
}

/**
 * Pauses, resumes or stops a subscription and writes it down. A worker that is delivering finds it before its next batch. Throws
 * SUBSCRIPTION_STATE.
 */
export async function steerSubscription(
  transaction: Transaction,
  subscription: Subscription,
  steering: Steering,
  { actor, reason }: Deed,
): Promise<void> {
  const { subscriptionId, dataset, consumer, state } = subscription
  const moved = await moveSubscription(transaction.query, subscriptionId, { ...steerings[steering], reason })
  if (!moved) throw new AppError('SUBSCRIPTION_STATE', `it is ${state}; ${steering} is not possible`)
  if (steering === 'stop') await endSubscription(transaction.query, subscriptionId)
  await clearSubscriptionAlerts(transaction, ['subscription-broken', 'subscription-paused'], subscriptionId)
  const object = `subscription/${subscriptionId}`
  const details = { consumer, steering, reason }
  await transaction.audit({ type: 'subscription.steered', actor, outcome: 'ok', dataset, object, details })
}

/**
 * Gives the subscription a new secret of a kind; the one before signs beside it for `overlapHours`. What is returned is shown once.
 * Throws SUBSCRIPTION_STATE for one that is stopped.
 */
export async function rotateSecret(
  { query, audit }: Transaction,
  keys: KeyRing,
  { subscriptionId, dataset, consumer, state }: Subscription,
  {
    kind,
    overlapHours,
    actor,
  }: { readonly kind: SignatureKind; readonly overlapHours: number; readonly actor: string },
): Promise<WebhookKey> {
  if (state === 'stopped') throw new AppError('SUBSCRIPTION_STATE', 'it is stopped')
  const key = createWebhookKey(kind)
  await keepSecret(query, keys, { subscriptionId, consumer, overlapHours }, key)
  const object = `subscription/${subscriptionId}`
  const details = { consumer, kind, overlapHours }
  await audit({ type: 'subscription.rotated', actor, outcome: 'ok', dataset, object, details })
  return key
}

/** Stops everything for a consumer: deliveries wait, its tokens end, pulls are refused. Doing it twice changes nothing. */
export async function stopEverything(
  { query, audit }: Transaction,
  { consumerId, name }: Consumer,
  { actor, reason }: Deed,
): Promise<void> {
  if (!(await stopConsumer(query, consumerId, reason))) return
  await audit({ type: 'consumer.stopped', actor, outcome: 'ok', object: `consumer/${name}`, details: { reason } })
}

/** Serves a stopped consumer again; what waited follows. Doing it twice changes nothing. */
export async function startEverything(
  { query, audit }: Transaction,
  { consumerId, name }: Consumer,
  { actor, reason }: Deed,
): Promise<void> {
  if (!(await startConsumer(query, consumerId))) return
  await audit({ type: 'consumer.started', actor, outcome: 'ok', object: `consumer/${name}`, details: { reason } })
}
