import { setTimeout as wait } from 'node:timers/promises'
import { wholeCityOf } from '../feeds/agreement-rules.ts'
import type { Clocks } from '../feeds/jurisdiction.ts'
import type { Dataset } from '../feeds/datasets.ts'
import { addWorkingDays } from '../feeds/working-days.ts'
import { rowToken } from '../ingest/protect.ts'
import type { KeyRing } from '../security/key-ring.ts'
import type { Database, Transaction } from '../store/database.ts'
import { blockErased, dropErasedEvidence, dropErasedRejections } from '../store/erasures.ts'
import { countReceivers, issueRecall } from '../store/recall-notices.ts'
import {
  countWithdrawn,
  endRecall,
  findRecall,
  nextRecalled,
  takeDueRecall,
  withdrawRecords,
  type Recall,
} from '../store/recalls.ts'
import { lockFeedRows } from '../store/save-page.ts'
import { repeat } from './repeat.ts'

export interface RecallWork {
  readonly database: Database
  readonly datasets: ReadonlyMap<string, Dataset>
  readonly keys: KeyRing
  readonly clocks: Clocks
}

/** Records of one transaction, as in disposal. */
const PAGE = 2000
const EVERY_MS = 2000

const factOf = ({ feed, dataset, recallId }: Recall) =>
  ({ actor: 'system:worker', outcome: 'ok', feed, dataset, object: `recall/${recallId}` }) as const

/** Keeps the records out from now on, and removes what else is kept of them. */
async function erase({ query }: Transaction, recall: Recall, ids: readonly string[], keys: KeyRing): Promise<void> {
  const tokens = ids.map((id) => rowToken(id, { feed: recall.feed, keys }))
  await blockErased(query, recall.feedId, recall.recallId, tokens)
  await dropErasedRejections(query, recall.feedId, tokens)
  await dropErasedEvidence(query, recall.feedId, ids)
}

async function withdrawPage(
  transaction: Transaction,
  { datasets, keys }: RecallWork,
  recall: Recall,
  ids: readonly string[],
): Promise<void> {
  const { query, audit } = transaction
  const dataset = datasets.get(recall.dataset)
  await countReceivers(query, recall, ids, dataset === undefined ? '' : wholeCityOf(dataset))
  const removed = await withdrawRecords(query, recall, ids)
  if (recall.kind === 'erasure') await erase(transaction, recall, ids, keys)
  await countWithdrawn(query, recall.recallId, removed)
  if (removed > 0)
    await audit({ ...factOf(recall), type: 'records.removed', count: removed, details: { kind: recall.kind } })
}

async function finish(transaction: Transaction, { clocks }: RecallWork, recallId: number): Promise<void> {
  const { due, isAssumed } = addWorkingDays(new Date(), clocks.recallAcknowledgementDays)
  await endRecall(transaction.query, recallId, due, isAssumed)
  const recall = await findRecall(transaction.query, recallId)
  const consumers = await issueRecall(transaction, recall)
  const details = { kind: recall.kind, consumers, due: due.toISOString() }
  await transaction.audit({ ...factOf(recall), type: 'recall.done', count: recall.removed, details })
}

/**
 * Withdraws the next page of a recall in one transaction with who may have received it, its counts and its audit entry; when nothing
 * is left, tells the consumers. A crash repeats nothing and skips nothing. A run or batch that is still being read is waited for.
 * Returns false where nothing is due, or another process has it.
 */
export async function recallNext(work: RecallWork, most = PAGE): Promise<boolean> {
  return work.database.transaction(async (transaction) => {
    const recall = await takeDueRecall(transaction.query)
    if (recall === null) return false
    await lockFeedRows(transaction.query, recall)
    const ids = await nextRecalled(transaction.query, recall, most)
    if (ids.length > 0) await withdrawPage(transaction, work, recall, ids)
    else await finish(transaction, work, recall.recallId)
    return true
  })
}

/** Carries recalls out until it is stopped. Safe in any number of processes. */
export function startRecalls(
  work: RecallWork,
  onError: (error: unknown) => void,
  everyMs = EVERY_MS,
): () => Promise<void> {
  const pass = async (isStopped: () => boolean): Promise<void> => {
    while (!isStopped() && (await recallNext(work))) await wait(1)
  }
  return repeat(pass, { everyMs, onError })
}
