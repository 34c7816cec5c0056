import { setTimeout as wait } from 'node:timers/promises'
import type { AuditEvent } from '../audit/events.ts'
import type { Database, Query, Transaction } from '../store/database.ts'
import {
  buryNext,
  countDisposed,
  dropChunks,
  dropRejections,
  endDisposition,
  findDisposition,
  takeDueDisposition,
  type DueDisposition,
} from '../store/dispositions.ts'
import { repeat } from './repeat.ts'

/** Rows of one transaction: some tens of milliseconds, so that neither a lock nor the change feed waits for long. */
const PAGE = 2000
const EVERY_MS = 2000

/** What one step removed; null: there was nothing left of its kind. */
type Step = (query: Query, feedId: number, most: number) => Promise<number | null>

/** What is removed, in order, and under which name it is counted and audited. */
interface Removal {
  readonly name: 'records' | 'rejections' | 'batches'
  readonly event: AuditEvent['type']
  readonly step: Step
}

const orNull = (removed: number): number | null => (removed === 0 ? null : removed)

const records: Removal = {
  name: 'records',
  event: 'records.removed',
  step: async (query, feedId, most) => {
    const { seen, buried } = await buryNext(query, feedId, most)
    return seen === 0 ? null : buried
  },
}
const rejections: Removal = {
  name: 'rejections',
  event: 'rejections.expired',
  step: async (query, feedId, most) => orNull(await dropRejections(query, feedId, most)),
}
const batches: Removal = {
  name: 'batches',
  event: 'records.removed',
  step: async (query, feedId, most) => orNull(await dropChunks(query, feedId, most)),
}

const removalsOf: Readonly<Record<DueDisposition['choice'], readonly Removal[]>> = {
  tombstone: [records],
  erase: [records, rejections, batches],
}

async function removePage({ query, audit }: Transaction, due: DueDisposition, most: number): Promise<void> {
  const { feedId, feed, dataset, choice } = due
  const fact = { actor: 'system:worker', outcome: 'ok', feed, dataset } as const
  for (const { name, event, step } of removalsOf[choice]) {
    const removed = await step(query, feedId, most)
    if (removed === null) continue
    await countDisposed(query, feedId, { [name]: removed })
    if (removed > 0) await audit({ ...fact, type: event, count: removed, details: { disposition: choice, of: name } })
    return
  }
  await endDisposition(query, feedId)
  const done = await findDisposition(query, feedId)
  const counts = { records: done?.records ?? 0, rejections: done?.rejections ?? 0, batches: done?.batches ?? 0 }
  await audit({ ...fact, type: 'feed.disposed', count: counts.records, details: { disposition: choice, ...counts } })
}

/**
 * Removes the next page of what a retired feed leaves behind, in one transaction with its counts and its audit entry; a crash
 * repeats nothing and skips nothing. Returns false where nothing is due, or another process has it.
 */
export async function disposeNext(database: Database, most = PAGE): Promise<boolean> {
  return database.transaction(async (transaction) => {
    const due = await takeDueDisposition(transaction.query)
    if (due === null) return false
    await removePage(transaction, due, most)
    return true
  })
}

/** Removes what retired feeds leave behind until it is stopped. Safe in any number of processes. */
export function startDisposal(
  database: Database,
  onError: (error: unknown) => void,
  everyMs = EVERY_MS,
): () => Promise<void> {
  const pass = async (isStopped: () => boolean): Promise<void> => {
    while (!isStopped() && (await disposeNext(database))) await wait(1)
  }
  return repeat(pass, { everyMs, onError })
}
