import { hash } from 'node:crypto'
import { fetch, type Agent } from 'undici'
import { AppError, toAppError } from '../errors.ts'
import type { EgressGuard } from '../security/egress.ts'
import { open } from '../security/seal.ts'
import { webhookHeaders, type WebhookMessage } from '../security/webhook-signature.ts'
import { countUse } from '../store/agreement-use.ts'
import { agreementName, findAgreementOfSubscription, type Agreement } from '../store/agreements.ts'
import { readChanges, readChangesBetween, readHorizon, type Change, type ChangePlace } from '../store/changes.ts'
import { findConsumer } from '../store/consumers.ts'
import type { Database } from '../store/database.ts'
import {
  acknowledgeDelivery,
  claimSubscription,
  findOpenDelivery,
  postponeSubscription,
  recordAttempt,
  releaseSubscription,
  skipChanges,
  type Delivery,
  type SubscriptionLease,
} from '../store/deliveries.ts'
import { assertMayCopy, datasetOfAgreement, sharesOf, type SharingContext } from './pull.ts'
import { selectionOf, share } from './share.ts'

export interface PushContext extends SharingContext {
  readonly egress: EgressGuard
  /** When this time slice should end, in milliseconds since the epoch. */
  readonly sliceEndsAt: number
}

interface Endpoint {
  readonly url: URL
  readonly secret: string
  readonly agent: Agent
}

/** A range of the change feed on its way out: what is shared of it, and the one body that carries it. */
interface Batch {
  readonly from: ChangePlace
  readonly to: ChangePlace
  /** What of it is read; empty where every record moved on since. */
  readonly changes: readonly Change[]
  readonly records: number
  readonly body: string
  readonly webhookId: string
}

const BATCH_RECORDS = 500
const CONNECT_MS = 3000
const REQUEST_MS = 15_000

const RETRY_CAP_MS = 5 * 60_000

/** Doubling from one second to five minutes, with jitter of half, so that consumers are not all asked again at once. */
function backoffMs(failures: number): number {
  const longest = Math.min(RETRY_CAP_MS, 1000 * 2 ** Math.min(failures, 20))
  return longest / 2 + Math.random() * (longest / 2)
}

/**
 * Delivers what lies after the subscription's cursor, batch by batch, until nothing is left (`idle`) or the slice ends
 * (`more`). A consumer that fails is put off (`postponed`) and holds up nobody else. `busy`: another worker delivers.
 */
export async function pushChanges(
  context: PushContext,
  subscriptionId: number,
): Promise<'idle' | 'more' | 'postponed' | 'busy'> {
  const { database } = context
  const lease = await claimSubscription(database.query, subscriptionId)
  if (lease === null) return 'busy'
  const agreement = await findAgreementOfSubscription(database.query, subscriptionId)
  assertMayCopy(agreement)
  const agent = context.egress.agent(CONNECT_MS)
  try {
    const endpoint = await openEndpoint(context, agreement, agent)
    const outcome = await deliverBatches(context, lease, agreement, endpoint)
    await releaseSubscription(database.query, lease)
    return outcome
  } catch (error) {
    await postpone(database, lease, agreement, toAppError(error))
    return 'postponed'
  } finally {
    await agent.destroy()
  }
}

async function deliverBatches(
  context: PushContext,
  lease: SubscriptionLease,
  agreement: Agreement,
  endpoint: Endpoint,
): Promise<'idle' | 'more'> {
  let cursor = lease.cursor
  while (Date.now() < context.sliceEndsAt) {
    const batch = await nextBatch(context, lease, agreement, cursor)
    if (batch === null) return 'idle'
    await announce(context, lease, agreement, batch)
    if (batch.records > 0) await post(endpoint, batch)
    await settle(context.database, lease, agreement, batch)
    cursor = batch.to
  }
  return 'more'
}

async function openEndpoint(
  { database, keys, egress }: PushContext,
  agreement: Agreement,
  agent: Agent,
): Promise<Endpoint> {
  const consumer = await findConsumer(database.query, agreement.consumer)
  if (consumer.webhookUrl === null || consumer.webhookSecret === null) {
    throw new AppError('CONSUMER_UNAVAILABLE', `${agreement.consumer} has no webhook`)
  }
  const secret = open(keys.sealKey, `webhook-secret|${consumer.name}`, consumer.webhookSecret)
  return { url: egress.assertUrl(consumer.webhookUrl), secret, agent }
}

/** The open delivery's range again, or the next range. null: nothing to deliver. */
async function nextBatch(
  context: PushContext,
  lease: SubscriptionLease,
  agreement: Agreement,
  cursor: ChangePlace,
): Promise<Batch | null> {
  const { query } = context.database
  const selection = selectionOf(agreement, datasetOfAgreement(context, agreement))
  const unanswered = await findOpenDelivery(query, lease.subscriptionId)
  if (unanswered !== null) {
    const left = await readChangesBetween(query, selection, unanswered.from, unanswered.to)
    return makeBatch(context, agreement, lease, left, unanswered)
  }
  const horizon = await readHorizon(query)
  const changes = await readChanges(query, selection, cursor, BATCH_RECORDS)
  const last = changes.at(-1)
  if (last !== undefined) return makeBatch(context, agreement, lease, changes, { from: cursor, to: last })
  if (selection.area !== null && BigInt(horizon.tx) > BigInt(cursor.tx)) await skipChanges(query, lease, horizon)
  return null
}

/**
 * The body is a function of the shared records alone and the id a function of the body, so a repeated attempt carries the
 * same id exactly when it carries the same bytes.
 */
function makeBatch(
  context: PushContext,
  agreement: Agreement,
  lease: SubscriptionLease,
  changes: readonly Change[],
  { from, to }: Pick<Delivery, 'from' | 'to'>,
): Batch {
  const dataset = datasetOfAgreement(context, agreement)
  const shared = share(changes, agreement, { dataset, keys: context.keys, today: new Date() })
  const body = JSON.stringify({ type: 'dataset.changes', dataset: agreement.dataset, changes: shared })
  const webhookId = `msg_${hash('sha256', `${lease.subscriptionId}|${from.tx}.${from.seq}|${body}`).slice(0, 40)}`
  return { from, to: { tx: to.tx, seq: to.seq }, changes, records: shared.length, body, webhookId }
}

const fact = (agreement: Agreement, batch: Batch) =>
  ({
    actor: `consumer:${agreement.consumer}`,
    dataset: agreement.dataset,
    agreement: agreementName(agreement),
    purpose: agreement.purpose,
    object: batch.webhookId,
    count: batch.records,
  }) as const

/** The attempt and its audit entry are committed before a byte leaves. Throws AUDIT_UNAVAILABLE after the deadline. */
async function announce(
  context: PushContext,
  lease: SubscriptionLease,
  agreement: Agreement,
  batch: Batch,
): Promise<void> {
  const work = context.database.transaction(async ({ query, audit }) => {
    await recordAttempt(query, lease, batch)
    if (batch.records === 0) return
    await countUse(query, agreement, sharesOf(batch.changes))
    await audit({
      ...fact(agreement, batch),
      type: 'delivery.sent',
      outcome: 'ok',
      outputDigest: hash('sha256', batch.body),
    })
  }, context.auditDeadlineMs)
  await work.catch((error: unknown) => {
    const failure = toAppError(error)
    throw failure.status < 500 ? failure : new AppError('AUDIT_UNAVAILABLE', batch.webhookId, { cause: failure })
  })
}

async function post(endpoint: Endpoint, batch: Batch): Promise<void> {
  const message = { id: batch.webhookId, timestamp: Math.floor(Date.now() / 1000), body: batch.body }
  const status = await send(endpoint, message).catch((error: unknown) => {
    throw error instanceof AppError ? error : new AppError('CONSUMER_UNAVAILABLE', 'no answer', { cause: error })
  })
  if (status === 409) throw new AppError('DELIVERY_CONFLICT', batch.webhookId)
  if (status < 200 || status > 299) throw new AppError('CONSUMER_UNAVAILABLE', `status ${status}`)
}

async function send(endpoint: Endpoint, message: WebhookMessage): Promise<number> {
  const response = await fetch(endpoint.url, {
    method: 'POST',
    body: message.body,
    headers: { 'content-type': 'application/json', ...webhookHeaders(endpoint.secret, message) },
    redirect: 'manual',
    dispatcher: endpoint.agent,
    signal: AbortSignal.timeout(REQUEST_MS),
  })
  await response.body?.cancel()
  return response.status
}

async function settle(database: Database, lease: SubscriptionLease, agreement: Agreement, batch: Batch): Promise<void> {
  await database.transaction(async ({ query, audit }) => {
    await acknowledgeDelivery(query, lease, batch.to)
    if (batch.records > 0) await audit({ ...fact(agreement, batch), type: 'delivery.acknowledged', outcome: 'ok' })
  })
}

async function postpone(
  database: Database,
  lease: SubscriptionLease,
  agreement: Agreement,
  error: AppError,
): Promise<void> {
  const delayMs = backoffMs(lease.failures)
  await database.transaction(async ({ query, audit }) => {
    await postponeSubscription(query, lease, error.code, delayMs)
    await audit({
      type: 'delivery.failed',
      actor: `consumer:${agreement.consumer}`,
      outcome: 'failed',
      dataset: agreement.dataset,
      agreement: agreementName(agreement),
      details: { reason: error.code, delayMs: Math.round(delayMs) },
    })
  })
}
