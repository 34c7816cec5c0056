import { hash } from 'node:crypto'
import { readChanges, readChangesBetween, type Change, type ChangePlace } from '../store/changes.ts'
import { findAgreement, type Agreement } from '../store/consumers.ts'
import type { Query } from '../store/database.ts'
import { findOpenDelivery, type DeliveryToSend, type SubscriptionLease } from '../store/deliveries.ts'
import { findDueReplay, readReplay } from '../store/replays.ts'
import { share } from './share.ts'

/** A range on its way out: what is shared of it under which agreement, and the one body that carries it. */
export interface Batch extends DeliveryToSend {
  readonly agreement: Agreement
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
  readonly replayWaits: boolean
}

const BATCH_RECORDS = 500

interface Range {
  readonly from: ChangePlace
  readonly to: ChangePlace
  readonly replayId: number | null
  readonly isLast: boolean
}

/**
 * The body is a function of the shared records alone and the id a function of the body, so a repeated attempt carries the
 * same id exactly when it carries the same bytes.
 */
function makeBatch(lease: SubscriptionLease, agreement: Agreement, changes: readonly Change[], range: Range): Batch {
  const shared = share(changes, agreement)
  const body = JSON.stringify({ type: 'dataset.changes', dataset: agreement.dataset, changes: shared })
  const digest = hash('sha256', body)
  const { from, replayId } = range
  const origin = replayId === null ? '' : `|replay ${replayId}`
  const webhookId = `msg_${hash('sha256', `${lease.subscriptionId}|${from.tx}.${from.seq}|${digest}${origin}`).slice(0, 40)}`
  return { ...range, agreement, records: shared.length, body, digest, webhookId }
}

/** The feed's open range again, or its next one. Null: nothing to deliver. */
async function nextOfFeed(query: Query, lease: SubscriptionLease, turn: Turn): Promise<Batch | null> {
  const unanswered = turn.isFirst ? await findOpenDelivery(query, lease.subscriptionId, null) : null
  const changes =
    unanswered === null
      ? await readChanges(query, lease.datasetId, turn.cursor, BATCH_RECORDS)
      : await readChangesBetween(query, lease.datasetId, unanswered.from, unanswered.to)
  const last = changes.at(-1)
  const range = unanswered ?? (last === undefined ? null : { from: turn.cursor, to: { tx: last.tx, seq: last.seq } })
  if (range === null) return null
  const agreement = await findAgreement(query, lease.consumerId, lease.dataset)
  return makeBatch(lease, agreement, changes, { ...range, replayId: null, isLast: false })
}

/**
 * What comes next of the oldest replay that is due. It sends what lies at places that the feed has passed, in its newest version;
 * what changed later is still ahead in the feed, so no version can follow a newer one.
 */
async function nextOfReplay(query: Query, lease: SubscriptionLease, turn: Turn): Promise<Batch | null> {
  const replay = turn.replayWaits ? null : await findDueReplay(query, lease.subscriptionId)
  if (replay === null) return null
  const open = await findOpenDelivery(query, lease.subscriptionId, replay.replayId)
  const from = open?.from ?? replay.place
  const found = await readReplay(
    query,
    lease.datasetId,
    { ...replay, from, to: open?.to ?? replay.to },
    BATCH_RECORDS + 1,
  )
  const changes = found.slice(0, BATCH_RECORDS)
  const last = changes.at(-1)
  const isLast = found.length <= BATCH_RECORDS && (open === null || isSame(open.to, replay.to))
  const to = open?.to ?? (isLast || last === undefined ? replay.to : { tx: last.tx, seq: last.seq })
  const agreement = await findAgreement(query, lease.consumerId, lease.dataset)
  return makeBatch(lease, agreement, changes, { from, to, replayId: replay.replayId, isLast })
}

const isSame = (one: ChangePlace, other: ChangePlace): boolean => one.tx === other.tx && one.seq === other.seq

const sources = { feed: nextOfFeed, replay: nextOfReplay } as const

/** The next batch of the turn, or where that has none, of the other side. Throws AGREEMENT_MISSING and its like. */
export async function nextBatch(query: Query, lease: SubscriptionLease, turn: Turn): Promise<Batch | null> {
  const other = turn.next === 'feed' ? 'replay' : 'feed'
  return (await sources[turn.next](query, lease, turn)) ?? sources[other](query, lease, turn)
}

/** Whose turn it is while this batch is on the wire. */
export function turnAfter(batch: Batch, turn: Turn): Turn {
  const isFeed = batch.replayId === null
  return {
    cursor: isFeed ? batch.to : turn.cursor,
    isFirst: isFeed ? false : turn.isFirst,
    next: isFeed ? 'replay' : 'feed',
    replayWaits: !isFeed,
  }
}
