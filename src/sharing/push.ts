import { setTimeout as wait } from 'node:timers/promises'
import { toAppError, type ErrorCode } from '../errors.ts'
import type { EgressGuard } from '../security/egress.ts'
import {
  claimSubscription,
  releaseSubscription,
  restSubscription,
  type SubscriptionLease,
} from '../store/deliveries.ts'
import { hasUnsettledChanges } from '../store/delivery-totals.ts'
import type { SharingContext } from './pull.ts'
import { nextBatch, turnAfter, type Batch, type Turn } from './push-batch.ts'
import { openEndpoint, post, type Endpoint } from './push-post.ts'
import { acknowledge, announce, layAside, postpone } from './push-settle.ts'

export interface PushContext extends SharingContext {
  readonly egress: EgressGuard
  /** When this time slice should end, in milliseconds since the epoch. */
  readonly sliceEndsAt: number
}

/** One slice of one subscription. */
interface Slice extends PushContext {
  readonly lease: SubscriptionLease
  readonly endpoint: Endpoint
}

/**
 * `idle`: nothing is left. `more`: the slice ended before that. `postponed`: the receiver failed. `held`: nothing may leave
 * now, by the agreement or because somebody paused or stopped it. `busy`: another worker delivers, or it waits.
 */
export type PushOutcome = 'idle' | 'more' | 'postponed' | 'held' | 'busy'

const CONNECT_MS = 3000

/** These say that nothing may leave now, which is nobody's failure: how soon it is looked at again, in seconds. */
const holds: Partial<Readonly<Record<ErrorCode, number>>> = {
  AGREEMENT_MISSING: 5,
  AGREEMENT_SUSPENDED: 5,
  PURPOSE_WITHDRAWN: 5,
  CONSUMER_STOPPED: 5,
  FROZEN: 5,
  SUBSCRIPTION_STATE: 5,
  QUERY_ONLY: 60,
  QUOTA_SPENT: 60,
  AUDIT_UNSIGNED: 2,
}

/**
 * Delivers what lies after the subscription's cursor, and replays beside it, batch by batch. While one batch is on the wire the
 * next is read, shared and written as JSON. A consumer that fails is put off and holds up nobody else.
 */
export async function pushChanges(context: PushContext, subscriptionId: number): Promise<PushOutcome> {
  const { database, keys, egress } = context
  const lease = await claimSubscription(database.query, subscriptionId)
  if (lease === null) return 'busy'
  const agent = egress.agent(CONNECT_MS)
  try {
    const endpoint = await openEndpoint(database.query, keys, egress, agent, lease)
    const outcome = await deliverBatches({ ...context, lease, endpoint })
    if (outcome === 'postponed') return outcome
    const isBehind = await releaseSubscription(database.query, lease)
    return isBehind ? 'more' : outcome
  } catch (error) {
    const failure = toAppError(error)
    const restSeconds = holds[failure.code]
    if (restSeconds === undefined) return await postpone(context, lease, failure)
    await restSubscription(database.query, lease, restSeconds)
    return 'held'
  } finally {
    await agent.destroy()
  }
}

const isOver = ({ sliceEndsAt }: Slice): boolean => Date.now() >= sliceEndsAt

const nothingOnTheWire = { isReplayWaiting: false, isAhead: false } as const

async function deliverBatches(slice: Slice): Promise<'idle' | 'more' | 'postponed'> {
  let turn: Turn = { cursor: slice.lease.cursor, isFirst: true, next: 'feed', ...nothingOnTheWire }
  let batch = await announceNext(slice, turn)
  while (batch !== null) {
    const next = turnAfter(batch, turn)
    const [failure, following] = await Promise.all([deliver(slice, batch), prefetch(slice, next)])
    const settled =
      failure === null
        ? await acknowledge(slice, slice.lease, { batch, following, isRecovery: turn.isFirst })
        : await layAside(slice, slice.lease, batch, failure)
    if (settled === 'postponed') return settled
    turn = { ...next, ...nothingOnTheWire }
    batch = settled ?? (await announceNext(slice, turn))
  }
  return isOver(slice) ? 'more' : 'idle'
}

/** A range whose records have all moved on is closed without a request. */
const deliver = ({ endpoint }: Slice, batch: Batch): ReturnType<typeof post> =>
  batch.records === 0 ? Promise.resolve(null) : post(endpoint, batch)

/** The batch behind the one on the wire. What fails here fails again, and is told, when it is looked for anew. */
async function prefetch(slice: Slice, turn: Turn): Promise<Batch | null> {
  if (isOver(slice)) return null
  return nextBatch(slice, slice.lease, turn).catch(() => null)
}

/** How long changes are waited for that are committed and cannot be read yet, because an older transaction is under way. */
const LINGER_MS = 2000
const LOOK_AGAIN_MS = 20

/** Makes the next batch and writes its attempt down. Null: nothing is left, or the slice is over. */
async function announceNext(slice: Slice, turn: Turn): Promise<Batch | null> {
  const { database, lease } = slice
  const waitsUntil = Date.now() + LINGER_MS
  while (!isOver(slice)) {
    const batch = await nextBatch(slice, lease, turn)
    if (batch !== null) return announce(slice, lease, batch)
    const isUnsettled = await hasUnsettledChanges(database.query, lease.datasetId, turn.cursor)
    if (!isUnsettled || Date.now() > waitsUntil) return null
    await wait(LOOK_AGAIN_MS)
  }
  return null
}
