import type { AuditEvent } from '../audit/events.ts'
import { AppError, toAppError } from '../errors.ts'
import { countUse } from '../store/agreement-use.ts'
import { agreementName } from '../store/agreements.ts'
import type { AuditedEvent } from '../store/append-statement.ts'
import { isPassedOn } from '../store/audit-log.ts'
import type { Database, Query, Transaction } from '../store/database.ts'
import {
  closeDelivery,
  keepSubscription,
  noteFailure,
  postponeSubscription,
  recordAttempt,
  type Closed,
  type Postponed,
  type SubscriptionLease,
} from '../store/deliveries.ts'
import { advanceReplay, postponeReplay } from '../store/replays.ts'
import { clearSubscriptionAlerts, raiseSubscriptionAlert } from '../store/subscription-alerts.ts'
import { countDeadInRow, moveSubscription } from '../store/subscriptions.ts'
import type { Batch } from './push-batch.ts'
import type { PostFailure } from './push-post.ts'
import { backoffMs } from './backoff.ts'

interface SettleContext {
  readonly database: Database
  readonly auditDeadlineMs: number
}

const actorOf = ({ consumer }: SubscriptionLease): string => `consumer:${consumer}`

const fact = (lease: SubscriptionLease, { agreement, webhookId, records, replayId }: Batch) => ({
  actor: actorOf(lease),
  dataset: lease.dataset,
  agreement: agreementName(agreement),
  purpose: agreement.purpose,
  object: webhookId,
  count: records,
  ...(replayId === null ? {} : { details: { replay: replayId } }),
})

const sentEvent = (lease: SubscriptionLease, batch: Batch): readonly AuditedEvent[] =>
  batch.records === 0
    ? []
    : [
        {
          ...fact(lease, batch),
          type: 'delivery.sent',
          outcome: 'ok',
          outputDigest: batch.digest,
          subjects: batch.subjects,
          feeds: batch.shares.map(({ feed }) => feed),
        },
      ]

const acknowledgedEvent = (lease: SubscriptionLease, batch: Batch): readonly AuditEvent[] =>
  batch.records === 0 ? [] : [{ ...fact(lease, batch), type: 'delivery.acknowledged', outcome: 'ok' }]

/** Writes the attempt down; nothing has left yet. */
async function writeAttempt(query: Query, lease: SubscriptionLease, batch: Batch): Promise<void> {
  await recordAttempt(query, lease.subscriptionId, batch)
  if (batch.records > 0) await countUse(query, batch.agreement, batch.shares)
}

async function writeEvents({ audit }: Transaction, events: readonly AuditedEvent[]): Promise<void> {
  if (events.length > 0) await audit(...events)
}

/** Work whose audit entry must be committed before a byte leaves. Throws AUDIT_UNAVAILABLE after the deadline, AUDIT_UNSIGNED, FROZEN. */
async function beforeItLeaves<Result>(
  { database, auditDeadlineMs }: SettleContext,
  batch: Batch,
  work: (transaction: Transaction) => Promise<Result>,
): Promise<Result> {
  return database.transaction(work, auditDeadlineMs).catch((error: unknown) => {
    const failure = toAppError(error)
    throw isPassedOn(failure) ? failure : new AppError('AUDIT_UNAVAILABLE', batch.webhookId, { cause: failure })
  })
}

/**
 * Commits the attempt and its audit entry before a byte leaves. Throws AUDIT_UNAVAILABLE after the deadline, LEASE_LOST, and
 * SUBSCRIPTION_STATE when the subscription or its consumer was paused or stopped meanwhile.
 */
export async function announce(context: SettleContext, lease: SubscriptionLease, batch: Batch): Promise<Batch> {
  await beforeItLeaves(context, batch, async (transaction) => {
    const maySend = await keepSubscription(transaction.query, lease)
    if (!maySend) throw new AppError('SUBSCRIPTION_STATE', `subscription ${lease.subscriptionId} waits`)
    await writeAttempt(transaction.query, lease, batch)
    await writeEvents(transaction, sentEvent(lease, batch))
  })
  return batch
}

/**
 * Whether the batch may be announced together with the acknowledgement: it was made under the agreement as it is now. Where that limits
 * the records of a day, a batch is announced by itself, for the limit must not take the acknowledgement with it.
 */
const mayFollow = ({ maySend, agreement }: Closed, batch: Batch): boolean =>
  maySend && batch.agreement.recordsPerDay === null && agreement === agreementName(batch.agreement)

export interface Acknowledgement {
  readonly batch: Batch
  /** What was made ready meanwhile. */
  readonly following: Batch | null
  /** The first acknowledgement of a slice: what failed before does so no more. */
  readonly isRecovery: boolean
}

/**
 * Closes the batch, moves the cursor behind it and announces the following one, in one transaction: of two, half of the time
 * went into the second commit. Returns the following batch when it was announced.
 */
export async function acknowledge(
  context: SettleContext,
  lease: SubscriptionLease,
  acknowledgement: Acknowledgement,
): Promise<Batch | null> {
  try {
    return await close(context, lease, acknowledgement)
  } catch (error) {
    // What was taken is taken: a freeze stops what follows, and must not have the batch sent again.
    if (acknowledgement.following === null || toAppError(error).code !== 'FROZEN') throw error
    return close(context, lease, { ...acknowledgement, following: null })
  }
}

async function close(
  context: SettleContext,
  lease: SubscriptionLease,
  { batch, following, isRecovery }: Acknowledgement,
): Promise<Batch | null> {
  // What was delivered is acknowledged also while nothing may follow, else it would be sent again.
  const { isBehind } = await context.database.signing()
  return beforeItLeaves(context, batch, async (transaction) => {
    const closed = await closeDelivery(transaction.query, lease, batch, 'acknowledged')
    const announced = following !== null && !isBehind && mayFollow(closed, following) ? following : null
    if (announced !== null) await writeAttempt(transaction.query, lease, announced)
    const sent = announced === null ? [] : sentEvent(lease, announced)
    await writeEvents(transaction, [...acknowledgedEvent(lease, batch), ...sent])
    await moveReplay(transaction, lease, batch, batch.records)
    if (isRecovery && lease.failures > 0)
      await clearSubscriptionAlerts(transaction, ['subscription-broken', 'receipt-wrong'], lease.subscriptionId)
    return announced
  })
}

/** A replay goes on behind its batch, and is over behind the last one. */
async function moveReplay(
  { query, audit }: Transaction,
  lease: SubscriptionLease,
  { replayId, to, isLast }: Batch,
  sent: number,
): Promise<void> {
  if (replayId === null) return
  const wasActive = await advanceReplay(query, replayId, to, sent, isLast)
  if (!isLast || !wasActive) return
  const object = `replay/${replayId}`
  await audit({ type: 'replay.finished', actor: actorOf(lease), outcome: 'ok', dataset: lease.dataset, object })
}

/** After so many refusals the same bytes will not be taken any more. */
const MOST_REFUSALS = 5
/** So many refused ones in a row are no fault of their contents. */
const MOST_DEAD_IN_ROW = 10
/** Failures after which the receiver is asked once per back-off only, and a person hears of it. */
const BREAKS_AFTER = 5
/** For how long an unavailable receiver is asked again before somebody has to say so: a day. */
const GIVES_UP_AFTER_SECONDS = 86_400

/**
 * What becomes of a batch that was not acknowledged. One that was refused too often is laid aside as dead, and one of a replay
 * holds up the replay only: then the feed goes on (null). Otherwise the subscription is put off.
 */
export async function layAside(
  context: SettleContext,
  lease: SubscriptionLease,
  batch: Batch,
  failure: PostFailure,
): Promise<'postponed' | null> {
  const isRefusal = failure.code === 'DELIVERY_REFUSED'
  const { replayId } = batch
  return context.database.transaction(async (transaction) => {
    const refusals = await noteFailure(transaction.query, lease, { ...failure, isRefusal, replayId })
    if (isRefusal && refusals >= MOST_REFUSALS) {
      await bury(transaction, lease, batch, failure)
      return null
    }
    if (isRefusal && replayId !== null) {
      await postponeReplay(transaction.query, replayId, backoffMs(refusals))
      await writeFailure(transaction, lease, failure, 0)
      return null
    }
    await putOff(transaction, lease, failure)
    return 'postponed'
  })
}

async function bury(
  transaction: Transaction,
  lease: SubscriptionLease,
  batch: Batch,
  failure: PostFailure,
): Promise<void> {
  const { query, audit } = transaction
  const { deliveryId } = await closeDelivery(query, lease, batch, 'dead')
  await moveReplay(transaction, lease, batch, 0)
  const details = { delivery: deliveryId ?? 0, status: failure.status ?? 0 }
  await audit({ ...fact(lease, batch), type: 'delivery.dead', outcome: 'failed', details })
  await raiseSubscriptionAlert(transaction, 'delivery-dead', lease, details)
  const inRow = await countDeadInRow(query, lease.subscriptionId)
  if (inRow >= MOST_DEAD_IN_ROW) await giveUp(transaction, lease, failure.code)
}

/** Nothing is lost by this: what was not acknowledged comes first when somebody lets the subscription go on. */
async function giveUp(transaction: Transaction, lease: SubscriptionLease, reason: string): Promise<void> {
  const change = { to: 'paused', from: ['active', 'broken'], reason } as const
  if (!(await moveSubscription(transaction.query, lease.subscriptionId, change))) return
  await raiseSubscriptionAlert(transaction, 'subscription-paused', lease, { reason })
}

/** What the receiver is to blame for; everything else is our own trouble. */
const outageCodes: ReadonlySet<string> = new Set([
  'CONSUMER_UNAVAILABLE',
  'DELIVERY_CONFLICT',
  'RECEIPT_WRONG',
  'EGRESS_FORBIDDEN',
])

interface Trouble {
  readonly code: string
  readonly retryAfterMs?: number
}

async function putOff(
  transaction: Transaction,
  lease: SubscriptionLease,
  { code, retryAfterMs = 0 }: Trouble,
): Promise<void> {
  const delayMs = Math.max(backoffMs(lease.failures), retryAfterMs)
  const isOutage = outageCodes.has(code)
  const postponed = await postponeSubscription(transaction.query, lease, code, delayMs, isOutage)
  await writeFailure(transaction, lease, { code }, delayMs)
  if (postponed === null) return
  if (code === 'RECEIPT_WRONG') await raiseSubscriptionAlert(transaction, 'receipt-wrong', lease)
  if (isOutage) await breakCircuit(transaction, lease, code, postponed)
}

async function breakCircuit(
  transaction: Transaction,
  lease: SubscriptionLease,
  reason: string,
  { failures, failingSeconds }: Postponed,
): Promise<void> {
  if (failingSeconds >= GIVES_UP_AFTER_SECONDS) return giveUp(transaction, lease, reason)
  if (failures < BREAKS_AFTER) return
  const change = { to: 'broken', from: ['active'], reason } as const
  if (await moveSubscription(transaction.query, lease.subscriptionId, change))
    await raiseSubscriptionAlert(transaction, 'subscription-broken', lease, { reason, failures })
}

async function writeFailure(
  { audit }: Transaction,
  lease: SubscriptionLease,
  { code }: Trouble,
  delayMs: number,
): Promise<void> {
  const { dataset } = lease
  const details = { reason: code, delayMs: Math.round(delayMs) }
  await audit({ type: 'delivery.failed', actor: actorOf(lease), outcome: 'failed', dataset, details })
}

/** Puts the subscription off for a reason that came before or after the request: our own database, a key, a lost lease. */
export async function postpone(
  { database }: SettleContext,
  lease: SubscriptionLease,
  error: AppError,
): Promise<'postponed'> {
  await database.transaction(async (transaction) => {
    await noteFailure(transaction.query, lease, { code: error.code, status: null, isRefusal: false, replayId: null })
    await putOff(transaction, lease, error)
  })
  return 'postponed'
}
