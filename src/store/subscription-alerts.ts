import { clearObjectAlert, raiseObjectAlert } from './alerts.ts'
import type { Transaction } from './database.ts'

/** What asks for a person about a subscription. */
export type SubscriptionAlert = 'delivery-dead' | 'receipt-wrong' | 'subscription-broken' | 'subscription-paused'

/** What an alert is about. */
export interface AlertedSubscription {
  readonly subscriptionId: number
  readonly consumer: string
  readonly dataset: string
}

const objectOf = (subscriptionId: number): string => `subscription/${subscriptionId}`

/** Raises an alert about a subscription; one that is open already is left as it is. `details`: codes and counts only. */
export async function raiseSubscriptionAlert(
  transaction: Transaction,
  kind: SubscriptionAlert,
  { subscriptionId, consumer, dataset }: AlertedSubscription,
  details: Readonly<Record<string, string | number>> = {},
): Promise<void> {
  const about = { object: objectOf(subscriptionId), department: null, details: { consumer, dataset, ...details } }
  await raiseObjectAlert(transaction, { kind, ...about })
}

/** Closes the open alerts of these kinds about a subscription: their cause is gone. */
export async function clearSubscriptionAlerts(
  { query }: Transaction,
  kinds: readonly SubscriptionAlert[],
  subscriptionId: number,
): Promise<void> {
  for (const kind of kinds) await clearObjectAlert(query, objectOf(subscriptionId), kind)
}
