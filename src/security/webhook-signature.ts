import { createHmac, randomBytes } from 'node:crypto'
import { AppError } from '../errors.ts'

/** Standard Webhooks 1.0: the secret is `whsec_` and Base64, the signed text `id.timestamp.body`. */
const SECRET_PREFIX = 'whsec_'

export interface WebhookMessage {
  /** The idempotency key: the same id always carries the same body. */
  readonly id: string
  /** Seconds since the epoch. */
  readonly timestamp: number
  readonly body: string
}

export function createWebhookSecret(): string {
  return SECRET_PREFIX + randomBytes(32).toString('base64')
}

function signature(secret: string, message: WebhookMessage): string {
  if (!secret.startsWith(SECRET_PREFIX))
    throw new AppError('KEY_UNAVAILABLE', `a webhook secret begins with ${SECRET_PREFIX}`)
  const key = Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64')
  const text = `${message.id}.${message.timestamp}.${message.body}`
  return createHmac('sha256', key).update(text).digest('base64')
}

/** The three headers of Standard Webhooks with a `v1` (HMAC-SHA-256) signature. */
export function webhookHeaders(secret: string, message: WebhookMessage): Readonly<Record<string, string>> {
  return {
    'webhook-id': message.id,
    'webhook-timestamp': String(message.timestamp),
    'webhook-signature': `v1,${signature(secret, message)}`,
  }
}
