import { hash } from 'node:crypto'
import { canonicalJson } from '../audit/entry.ts'
import { AppError } from '../errors.ts'
import type { Withdrawal } from '../record.ts'
import { actorOf, type Account } from '../store/accounts.ts'
import type { Database, Query } from '../store/database.ts'
import { liftErased } from '../store/erasures.ts'
import type { Feed } from '../store/feeds.ts'
import { findRecallNotice, keepReceipt, type RecallNotice } from '../store/recall-notices.ts'
import {
  answerRecall,
  countNamed,
  countSaved,
  findBatchRange,
  findRecall,
  findRunRange,
  insertRecall,
  markLifted,
  type NewRecall,
  type Recall,
  type RecallScope,
  type SavedRange,
} from '../store/recalls.ts'
import type { Reporter } from './corrections.ts'

interface RecallContext {
  readonly database: Database
}

/** What a department asks to have withdrawn, and why. */
export interface RecallRequest {
  readonly scope: RecallScope
  readonly kind: Withdrawal
  readonly reason: string
}

/** Records that one reviewer may withdraw alone. */
const MOST_ALONE = 1000

type Measured = Pick<NewRecall, 'runId' | 'batchId' | 'recordIds' | 'askedFor'> & { readonly isOver: boolean }

const NAMES_NOTHING = { runId: null, batchId: null, recordIds: [] } as const

async function measureRange(
  query: Query,
  feed: Feed,
  range: SavedRange,
): Promise<Pick<Measured, 'askedFor' | 'isOver'>> {
  return { askedFor: await countSaved(query, feed.feedId, range), isOver: range.isOver }
}

/** What a recall is about, and how many records that is now. Throws RUN_UNKNOWN, BATCH_UNKNOWN, RECORD_UNKNOWN. */
async function measure(query: Query, feed: Feed, scope: RecallScope, kind: Withdrawal): Promise<Measured> {
  if ('runId' in scope) {
    const range = await findRunRange(query, feed.feedId, scope.runId)
    if (range === null) throw new AppError('RUN_UNKNOWN', `run ${scope.runId}`)
    return { ...NAMES_NOTHING, ...(await measureRange(query, feed, range)), runId: scope.runId }
  }
  if ('batchNo' in scope) {
    const range = await findBatchRange(query, feed.feedId, scope.batchNo)
    if (range === null) throw new AppError('BATCH_UNKNOWN', scope.batchNo)
    return { ...NAMES_NOTHING, ...(await measureRange(query, feed, range)), batchId: range.batchId }
  }
  const recordIds = [...new Set(scope.recordIds)]
  const known = await countNamed(query, feed.feedId, recordIds, kind)
  if (known < recordIds.length)
    throw new AppError(
      'RECORD_UNKNOWN',
      `${recordIds.length - known} of ${recordIds.length} are no records of the feed`,
    )
  return { ...NAMES_NOTHING, recordIds, askedFor: recordIds.length, isOver: true }
}

/**
 * Asks for a recall. One of at most 1,000 records is carried out at once; an erasure, more records, and what is still being read wait
 * for a second person. Throws RUN_UNKNOWN, BATCH_UNKNOWN, RECORD_UNKNOWN.
 */
export async function askRecall(
  { database }: RecallContext,
  account: Account,
  feed: Feed,
  { scope, kind, reason }: RecallRequest,
): Promise<Recall> {
  return database.transaction(async ({ query, audit }) => {
    const { isOver, ...measured } = await measure(query, feed, scope, kind)
    const needsApproval = kind === 'erasure' || measured.askedFor > MOST_ALONE || !isOver
    const asked = { ...measured, feedId: feed.feedId, kind, reason, needsApproval, askedBy: account.accountId }
    const recallId = await insertRecall(query, asked)
    await audit({
      type: 'recall.asked',
      actor: actorOf(account),
      outcome: 'ok',
      feed: feed.code,
      dataset: feed.dataset,
      object: `recall/${recallId}`,
      count: measured.askedFor,
      details: { kind, run: measured.runId, needsApproval },
    })
    return findRecall(query, recallId)
  })
}

/** What a second person, or later a reviewer, does with a recall. */
export type RecallMove = 'approve' | 'refuse' | 'lift'

type Effect = (query: Query, recall: Recall, account: Account, reason: string | null) => Promise<void>

function assertSecondPerson({ askedById }: Recall, { accountId, name }: Account): void {
  if (askedById === accountId) throw new AppError('SECOND_PERSON', `${name} asked for this recall`)
}

function wantReason(reason: string | null): string {
  if (reason === null || reason.trim() === '') throw new AppError('REQUEST_INVALID', 'body/reason wanted')
  return reason
}

const effects: Readonly<Record<RecallMove, Effect>> = {
  approve: async (query, recall, account) => {
    assertSecondPerson(recall, account)
    await answerRecall(query, recall.recallId, { state: 'approved', by: account.accountId, reason: null })
  },
  refuse: async (query, recall, account, reason) => {
    assertSecondPerson(recall, account)
    const answer = { state: 'refused', by: account.accountId, reason: wantReason(reason) } as const
    await answerRecall(query, recall.recallId, answer)
  },
  lift: async (query, recall, account, reason) => {
    wantReason(reason)
    await markLifted(query, recall.recallId, account.accountId)
    await liftErased(query, recall.recallId)
  },
}

/** Moves a recall of the feed. Throws RECALL_UNKNOWN, RECALL_STATE, SECOND_PERSON, REQUEST_INVALID. */
export async function moveRecall(
  { database }: RecallContext,
  account: Account,
  feed: Feed,
  {
    recallId,
    action,
    reason,
  }: { readonly recallId: number; readonly action: RecallMove; readonly reason: string | null },
): Promise<Recall> {
  return database.transaction(async ({ query, audit }) => {
    const recall = await findRecall(query, recallId, feed.feedId)
    await effects[action](query, recall, account, reason)
    const fact = { actor: actorOf(account), outcome: 'ok', feed: feed.code, dataset: feed.dataset } as const
    await audit({ ...fact, type: 'recall.moved', object: `recall/${recallId}`, details: { action } })
    return findRecall(query, recallId)
  })
}

/** The digest that proves a receipt: SHA-256 over its canonical JSON (RFC 8785). */
const digestReceipt = (receipt: {
  readonly recallId: number
  readonly consumer: string
  readonly removed: number
  readonly receipt: string
}): string => hash('sha256', canonicalJson(receipt))

/**
 * Takes a consumer's receipt. The same again is answered as before. The audit entry holds its digest, so that what was said can be
 * proven later. Throws RECALL_UNKNOWN, RECALL_CONFLICT for another receipt, REQUEST_INVALID for more records than were recalled.
 */
export async function acknowledgeRecall(
  { database }: RecallContext,
  { consumerId, name }: Reporter,
  recallId: number,
  given: { readonly removed: number; readonly receipt: string },
): Promise<RecallNotice> {
  return database.transaction(async ({ query, audit }) => {
    const notice = await findRecallNotice(query, recallId, consumerId)
    if (given.removed > notice.records)
      throw new AppError('REQUEST_INVALID', `body/removed: ${notice.records} records were recalled`)
    const digest = digestReceipt({ recallId, consumer: name, ...given })
    const isFirst = await keepReceipt(query, recallId, consumerId, { ...given, digest })
    const kept = await findRecallNotice(query, recallId, consumerId)
    if (kept.digest !== digest) throw new AppError('RECALL_CONFLICT', `recall ${recallId}`)
    if (!isFirst) return kept
    await audit({
      type: 'recall.acknowledged',
      actor: `consumer:${name}`,
      outcome: 'ok',
      feed: notice.feed,
      dataset: notice.dataset,
      object: `recall/${recallId}`,
      count: given.removed,
      outputDigest: digest,
      details: { records: notice.records },
    })
    return kept
  })
}
