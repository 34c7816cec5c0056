import { hash } from 'node:crypto'
import type { FeedShare } from '../store/agreement-use.ts'
import { findAgreement, type Agreement } from '../store/agreements.ts'
import { readChanges, readChangesBetween, readHorizon, type Change, type ChangePlace } from '../store/changes.ts'
import { findOpenDelivery, skipChanges, type DeliveryToSend, type SubscriptionLease } from '../store/deliveries.ts'
import { findDueReplay } from '../store/replays.ts'
import { assertMayCopy, datasetOfAgreement, sharesOf, type SharingContext } from './pull.ts'
import { selectionOf, share } from './share.ts'

/** A range on its way out: what is shared of it under which agreement, and the one body that carries it. */
export interface Batch extends DeliveryToSend {
  readonly agreement: Agreement
  /** How much of each feed it holds. */
  readonly shares: readonly FeedShare[]
  /** How the audit log names the persons of it. */
  readonly subjects: Buffer
  readonly body: string
  /** SHA-256 of the body, in hexadecimal. */
  readonly digest: string
  /** Of a replay: nothing is left of it behind this batch. */
  readonly isLast: boolean
}

/** Where the next batch comes from. */
export interface Turn {
  /** The last place of the feed that was acknowledged or is on its way. */
  readonly cursor: ChangePlace
  /** A worker that died may have left a delivery open. */
  readonly isFirst: boolean
  /** Feed and replay take turns, so that neither waits for more than one batch of the other. */
  readonly next: 'feed' | 'replay'
  /** A replay's next batch begins where its last one ended, which is known when that one is settled. */
  readonly isReplayWaiting: boolean
  /** A batch is on the wire, so the cursor in the ledger is behind the one here. */
  readonly isAhead: boolean
}

/** Some half a megabyte: receivers' own limits begin at one. */
const BATCH_RECORDS = 1000

interface Range {
  readonly from: ChangePlace
  readonly to: ChangePlace
  readonly replayId: number | null
  readonly isLast: boolean
}

/** The agreement as it is now. Throws AGREEMENT_MISSING and its like, QUERY_ONLY. */
async function grantedNow({ database }: SharingContext, lease: SubscriptionLease): Promise<Agreement> {
  const agreement = await findAgreement(database.query, lease.consumerId, lease.dataset)
  assertMayCopy(agreement)
  return agreement
}

/**
 * The body is a function of the shared records alone and the id a function of the body, so a repeated attempt carries the
 * same id exactly when it carries the same bytes.
 */
function makeBatch(
  context: SharingContext,
  lease: SubscriptionLease,
  agreement: Agreement,
  changes: readonly Change[],
  range: Range,
): Batch {
  const dataset = datasetOfAgreement(context, agreement)
  const shared = share(changes, agreement, { dataset, keys: context.keys, today: new Date() })
  const body = JSON.stringify({ type: 'dataset.changes', dataset: agreement.dataset, changes: shared })
  const digest = hash('sha256', body)
  const { from, replayId } = range
  const origin = `${lease.subscriptionId}|${from.tx}.${from.seq}|${replayId ?? 'feed'}`
  const webhookId = `msg_${hash('sha256', `${origin}|${digest}`).slice(0, 40)}`
  const subjects = context.keys.personTokens(changes.map(({ subject }) => subject))
  return { ...range, agreement, shares: sharesOf(changes), subjects, records: shared.length, body, digest, webhookId }
}

/** The feed's open range again, or its next one. Null: nothing to deliver. */
async function nextOfFeed(context: SharingContext, lease: SubscriptionLease, turn: Turn): Promise<Batch | null> {
  const { query } = context.database
  const agreement = await grantedNow(context, lease)
  const selection = selectionOf(agreement, datasetOfAgreement(context, agreement))
  const unanswered = turn.isFirst ? await findOpenDelivery(query, lease.subscriptionId, null) : null
  const ends = { replayId: null, isLast: false }
  if (unanswered !== null) {
    const left = await readChangesBetween(query, selection, unanswered.from, unanswered.to)
    return makeBatch(context, lease, agreement, left, { ...unanswered, ...ends })
  }
  const horizon = selection.area === null ? null : await readHorizon(query)
  const changes = await readChanges(query, selection, turn.cursor, BATCH_RECORDS)
  const last = changes.at(-1)
  if (last !== undefined) {
    const to = { tx: last.tx, seq: last.seq }
    return makeBatch(context, lease, agreement, changes, { from: turn.cursor, to, ...ends })
  }
  const isSkipped = horizon !== null && !turn.isAhead && BigInt(horizon.tx) > BigInt(turn.cursor.tx)
  if (isSkipped) await skipChanges(query, lease, horizon)
  return null
}

/**
 * What comes next of the oldest replay that is due. It sends what lies at places that the feed has passed, in its newest version;
 * what changed later is still ahead in the feed, so no version can follow a newer one.
 */
async function nextOfReplay(context: SharingContext, lease: SubscriptionLease, turn: Turn): Promise<Batch | null> {
  const { query } = context.database
  const replay = turn.isReplayWaiting ? null : await findDueReplay(query, lease.subscriptionId)
  if (replay === null) return null
  const agreement = await grantedNow(context, lease)
  const selection = selectionOf(agreement, datasetOfAgreement(context, agreement))
  const open = await findOpenDelivery(query, lease.subscriptionId, replay.replayId)
  const { from, to: end } = open ?? { from: replay.place, to: replay.to }
  const narrowing = { fromTime: replay.fromTime, toTime: replay.toTime, limit: BATCH_RECORDS + 1 }
  const found = await readChangesBetween(query, selection, from, end, narrowing)
  const changes = found.slice(0, BATCH_RECORDS)
  const last = changes.at(-1)
  const isWhole = found.length <= BATCH_RECORDS || last === undefined
  const to = isWhole ? end : { tx: last.tx, seq: last.seq }
  const isLast = isWhole && isSame(end, replay.to)
  return makeBatch(context, lease, agreement, changes, { from, to, replayId: replay.replayId, isLast })
}

const isSame = (one: ChangePlace, other: ChangePlace): boolean => one.tx === other.tx && one.seq === other.seq

const sources = { feed: nextOfFeed, replay: nextOfReplay } as const

/** The next batch of the turn, or where that has none, of the other side. Throws AGREEMENT_MISSING and its like. */
export async function nextBatch(context: SharingContext, lease: SubscriptionLease, turn: Turn): Promise<Batch | null> {
  const other = turn.next === 'feed' ? 'replay' : 'feed'
  return (await sources[turn.next](context, lease, turn)) ?? sources[other](context, lease, turn)
}

/** Whose turn it is while this batch is on the wire. */
export function turnAfter(batch: Batch, turn: Turn): Turn {
  const isFeed = batch.replayId === null
  return {
    cursor: isFeed ? batch.to : turn.cursor,
    isFirst: isFeed ? false : turn.isFirst,
    next: isFeed ? 'replay' : 'feed',
    isReplayWaiting: !isFeed,
    isAhead: true,
  }
}
