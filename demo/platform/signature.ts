import { createHmac, timingSafeEqual } from 'node:crypto'

/** Clock difference a delivery may have, as Standard Webhooks recommends. */
const TOLERANCE_SECONDS = 300

/** The headers of one delivery as they came. */
export interface WebhookHeaders {
  readonly id: string
  readonly timestamp: string
  /** One or more `v1,<base64>` separated by spaces, so that a key can be changed without a gap. */
  readonly signatures: string
}

/** The bytes of a `whsec_<base64>` secret. Throws when it is not one. */
export function readSecret(text: string): Buffer {
  const bytes = Buffer.from(text.replace(/^whsec_/, ''), 'base64')
  if (!text.startsWith('whsec_') || bytes.length < 16)
    throw new RangeError('--secret: whsec_ and at least 16 bytes of base64 are wanted')
  return bytes
}

/** The `v1` signature of Standard Webhooks over id, timestamp (seconds) and the raw body. */
function signWebhook(secret: Buffer, id: string, timestamp: string, body: Uint8Array): string {
  const mac = createHmac('sha256', secret).update(`${id}.${timestamp}.`).update(body).digest('base64')
  return `v1,${mac}`
}

/** True when one of the signatures is right and the timestamp is within five minutes of `now`. */
export function verifyWebhook(secret: Buffer, headers: WebhookHeaders, body: Uint8Array, now: Date): boolean {
  const seconds = Number(headers.timestamp)
  if (headers.id === '' || !Number.isSafeInteger(seconds)) return false
  if (Math.abs(now.getTime() / 1000 - seconds) > TOLERANCE_SECONDS) return false
  const wanted = Buffer.from(signWebhook(secret, headers.id, headers.timestamp, body))
  return headers.signatures.split(' ').some((given) => {
    const bytes = Buffer.from(given)
    return bytes.length === wanted.length && timingSafeEqual(bytes, wanted)
  })
}
