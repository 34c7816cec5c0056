import type { KeyRing } from '../../security/key-ring.ts'
import { open } from '../../security/seal.ts'
import type { Database } from '../../store/database.ts'
import type { Feed } from '../../store/feeds.ts'
import { findNextChunk, type PushChunk } from '../../store/push-batches.ts'
import type { Source } from './source.ts'

export interface PushSourceOptions {
  readonly database: Database
  readonly keys: KeyRing
  readonly feed: Pick<Feed, 'feedId' | 'code'>
}

/** What a chunk is sealed to: it opens for its own feed, batch and place only. */
export const boundOfChunk = (feed: string, batchNo: string, place: number): string => `push|${feed}|${batchNo}|${place}`

/**
 * Opens the batches that a department posted as pages, the oldest first. A page's rows are taken away in the transaction that saves
 * it: what is there was never saved, and the cursor has nothing to say. Pages throw SEAL_BROKEN, KEY_UNAVAILABLE and DATABASE_UNAVAILABLE.
 */
export function openPushSource({ database, keys, feed }: PushSourceOptions): Source {
  let last: PushChunk | null = null
  return {
    readPage: async () => {
      const chunk = await findNextChunk(database.query, feed.feedId, last)
      if (chunk === null) return { rows: [], cursor: { kind: 'push' }, done: true }
      last = chunk
      const text = open(keys.sealKey, boundOfChunk(feed.code, chunk.batchNo, chunk.place), chunk.sealed)
      const values = JSON.parse(text) as readonly unknown[]
      return {
        rows: values.map((value, row) => ({ row, value })),
        cursor: { kind: 'push' },
        done: false,
        chunk,
      }
    },
    close: () => Promise.resolve(),
  }
}
