import type { KeyRing } from '../security/key-ring.ts'
import { seal } from '../security/seal.ts'
import type { WebhookKey } from '../security/webhook-signature.ts'
import type { Query, Transaction } from '../store/database.ts'
import { addSecret, insertSubscription, type NewSubscription } from '../store/subscriptions.ts'

/** A sealed secret is bound to its consumer: it opens for no subscription of another one. */
export const secretBinding = (consumer: string): string => `webhook-secret|${consumer}`

interface SecretPlace {
  readonly subscriptionId: number
  readonly consumer: string
  /** For how long the secret before goes on signing beside it. */
  readonly overlapHours: number
}

/** Keeps a secret of a subscription, sealed. */
export async function keepSecret(
  query: Query,
  keys: KeyRing,
  { subscriptionId, consumer, overlapHours }: SecretPlace,
  { kind, secret, publicKey }: WebhookKey,
): Promise<void> {
  const sealed = seal(keys.sealing, secretBinding(consumer), secret)
  await addSecret(query, { subscriptionId, kind, sealed, publicKey, overlapHours })
}

export interface SubscribeRequest extends NewSubscription {
  readonly consumer: string
  readonly secrets: readonly WebhookKey[]
  readonly actor: string
}

/** Makes a subscription with its secrets and writes it down. Throws AGREEMENT_INVALID, REQUEST_INVALID. */
export async function subscribe(
  { query, audit }: Transaction,
  keys: KeyRing,
  request: SubscribeRequest,
): Promise<number> {
  const { actor, consumer, dataset, secrets } = request
  const subscriptionId = await insertSubscription(query, request)
  for (const secret of secrets) await keepSecret(query, keys, { subscriptionId, consumer, overlapHours: 0 }, secret)
  const object = `subscription/${subscriptionId}`
  const details = { consumer, signatures: secrets.map(({ kind }) => kind).join(' ') }
  await audit({ type: 'subscription.made', actor, outcome: 'ok', dataset, object, details })
  return subscriptionId
}
