/** Keeps a copy of a dataset in sync. Here it is a Map; in earnest it is a table of yours, and its cursor is saved with its rows. */
import { setTimeout as wait } from 'node:timers/promises'
import { ApiError, type ApiClient, type Change, type Dataset, type Page } from '../tools/api-client/client.ts'

export interface Copy {
  /** By id; what was deleted stays as its tombstone, whose `record` is null. */
  readonly changes: Map<string, Change>
  /** Where to go on, in the snapshot or, once that was read to its end, in the change feed; empty at the beginning. */
  cursor: string
  isWhole: boolean
}

/** Asks, and asks again where the service wants to be asked later. Null: the cursor leads nowhere any more. */
async function ask<Answer>(call: () => Promise<Answer>): Promise<Answer | null> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (error instanceof ApiError && error.code === 'CURSOR_EXPIRED') return null
      if (!(error instanceof ApiError && error.retry && [429, 503].includes(error.status))) throw error
      await wait(error.retryAfterMs ?? 5000)
    }
  }
}

/** Brings the copy up to date: a snapshot at first and when the cursor ran out, afterwards what has changed. */
export async function syncDataset(api: ApiClient, dataset: Dataset, copy: Copy): Promise<void> {
  const [changes, snapshot] = ['/api/v1/datasets/{dataset}/changes', '/api/v1/datasets/{dataset}/snapshot'] as const
  for (let hasMore = true; hasMore;) {
    const init = { params: { path: { dataset }, query: { cursor: copy.cursor, limit: 1000 } } }
    const page: Page | null = await ask(() => (copy.isWhole ? api.get(changes, init) : api.get(snapshot, init)))
    if (page === null) copy.changes.clear()
    for (const change of page?.changes ?? [])
      if (change.version > (copy.changes.get(change.id)?.version ?? 0)) copy.changes.set(change.id, change)
    hasMore = page === null || page.hasMore || !copy.isWhole
    copy.isWhole = page !== null && (copy.isWhole || !page.hasMore)
    copy.cursor = page?.feedCursor ?? page?.cursor ?? ''
  }
}
