/** Keeps a copy of a dataset in sync. Here it is a Map; in earnest it is a table of yours, and its cursor is saved with its rows. */
import { setTimeout as wait } from 'node:timers/promises'
import { ApiError, type ApiClient, type Change, type Dataset } from '../tools/api-client/client.ts'

export interface Copy {
  /** By id; what was deleted stays as its tombstone, whose `record` is null. */
  readonly changes: Map<string, Change>
  /** Where to go on; empty at the beginning. */
  cursor: string
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

/** Brings the copy up to date: everything at first and when the cursor ran out, afterwards what has changed. */
export async function syncDataset(api: ApiClient, dataset: Dataset, copy: Copy): Promise<void> {
  for (let hasMore = true; hasMore;) {
    const params = { path: { dataset }, query: { cursor: copy.cursor, limit: 1000 } }
    const page = await ask(() => api.get('/api/v1/datasets/{dataset}/changes', { params }))
    if (page === null) copy.changes.clear()
    for (const change of page?.changes ?? [])
      if (change.version > (copy.changes.get(change.id)?.version ?? 0)) copy.changes.set(change.id, change)
    copy.cursor = page?.cursor ?? ''
    hasMore = page?.hasMore ?? true
  }
}
