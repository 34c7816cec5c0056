import { request, type Agent } from 'undici'
import { AppError } from '../errors.ts'
import type { EgressGuard } from '../security/egress.ts'
import type { KeyRing } from '../security/key-ring.ts'
import { open } from '../security/seal.ts'
import { webhookHeaders } from '../security/webhook-signature.ts'
import type { Query } from '../store/database.ts'
import type { SubscriptionLease } from '../store/deliveries.ts'
import { readSecrets } from '../store/subscriptions.ts'
import { secretBinding } from './subscribe.ts'
import type { Batch } from './push-batch.ts'
import { isReceiptWrong, MOST_RECEIPT_BYTES } from './receipts.ts'

/** Where a subscription is delivered to, and what signs. */
export interface Endpoint {
  readonly url: URL
  readonly secrets: readonly string[]
  readonly agent: Agent
  readonly demandsReceipt: boolean
}

/** Why a delivery was not acknowledged. */
export interface PostFailure {
  readonly code:
    | 'CONSUMER_UNAVAILABLE'
    | 'DELIVERY_REFUSED'
    | 'DELIVERY_CONFLICT'
    | 'RECEIPT_WRONG'
    | 'EGRESS_FORBIDDEN'
  /** What the receiver answered; null where it did not. */
  readonly status: number | null
  /** How long it asks to be left alone. */
  readonly retryAfterMs: number
}

const REQUEST_MS = 15_000

/** Checked again at each opening: what may be called can have changed since the subscription was made. */
export async function openEndpoint(
  query: Query,
  keys: KeyRing,
  egress: EgressGuard,
  agent: Agent,
  lease: SubscriptionLease,
): Promise<Endpoint> {
  const sealed = await readSecrets(query, lease.subscriptionId)
  const secrets = sealed.map((one) => open(keys.sealKey, secretBinding(lease.consumer), one))
  if (secrets.length === 0) throw new AppError('KEY_UNAVAILABLE', `subscription ${lease.subscriptionId} has no secret`)
  return { url: egress.assertUrl(lease.endpoint), secrets, agent, demandsReceipt: lease.demandsReceipt }
}

interface HttpAnswer {
  readonly status: number
  readonly retryAfter: string | null
  readonly text: string
}

/** Posts one batch. Null: it was acknowledged. */
export async function post(endpoint: Endpoint, batch: Batch): Promise<PostFailure | null> {
  const answer = await send(endpoint, batch).catch((error: unknown) => unanswered(error))
  return 'code' in answer ? answer : judge(answer, endpoint, batch)
}

async function send(endpoint: Endpoint, batch: Batch): Promise<HttpAnswer> {
  const message = { id: batch.webhookId, timestamp: Math.floor(Date.now() / 1000), body: batch.body }
  const { statusCode, headers, body } = await request(endpoint.url, {
    method: 'POST',
    body: batch.body,
    headers: { 'content-type': 'application/json', ...webhookHeaders(endpoint.secrets, message) },
    dispatcher: endpoint.agent,
    signal: AbortSignal.timeout(REQUEST_MS),
  })
  const retryAfter = headers['retry-after']
  return {
    status: statusCode,
    retryAfter: typeof retryAfter === 'string' ? retryAfter : null,
    text: await readShort(body),
  }
}

/** The answer's text; nothing of one that is longer than a receipt. */
async function readShort(body: AsyncIterable<Buffer> & { readonly destroy: () => unknown }): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > MOST_RECEIPT_BYTES) {
      body.destroy()
      return ''
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** A refusal of the egress guard is the error itself or in its chain of causes. */
function unanswered(error: unknown): PostFailure {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (cause instanceof AppError) {
      if (cause.code !== 'EGRESS_FORBIDDEN') throw cause
      return { code: cause.code, status: null, retryAfterMs: 0 }
    }
  return { code: 'CONSUMER_UNAVAILABLE', status: null, retryAfterMs: 0 }
}

/** Answers that say "not now" among those that say "not this" (RFC 9110 §15.5, RFC 8470, RFC 6585). */
const notNow: ReadonlySet<number> = new Set([408, 425, 429])

/** Longest time that a receiver may ask for. */
const MOST_RETRY_AFTER_MS = 3_600_000

/** Seconds or a date (RFC 9110 §10.2.3), in milliseconds from `now`; 0 for what is neither. */
export function readRetryAfter(text: string | null, now: Date): number {
  const seconds = /^\d{1,9}$/.test(text ?? '') ? Number(text) : (Date.parse(text ?? '') - now.getTime()) / 1000
  return Number.isNaN(seconds) ? 0 : Math.min(MOST_RETRY_AFTER_MS, Math.max(0, seconds * 1000))
}

function judge({ status, retryAfter, text }: HttpAnswer, endpoint: Endpoint, batch: Batch): PostFailure | null {
  if (status >= 200 && status <= 299) {
    const sent = { id: batch.webhookId, received: batch.records, digest: batch.digest }
    if (!isReceiptWrong(text, sent, endpoint.demandsReceipt)) return null
    return { code: 'RECEIPT_WRONG', status, retryAfterMs: 0 }
  }
  if (status === 409) return { code: 'DELIVERY_CONFLICT', status, retryAfterMs: 0 }
  const isRefused = status >= 400 && status <= 499 && !notNow.has(status)
  const retryAfterMs = isRefused ? 0 : readRetryAfter(retryAfter, new Date())
  return { code: isRefused ? 'DELIVERY_REFUSED' : 'CONSUMER_UNAVAILABLE', status, retryAfterMs }
}
