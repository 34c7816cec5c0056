import { randomUUID } from 'node:crypto'
import type { LiveKeyRing } from '../security/live-key-ring.ts'
import { readDataKeys } from '../store/data-keys.ts'
import type { Query } from '../store/database.ts'
import { forgetHolder, tellHeldKeys, type KeyHolder } from '../store/key-holders.ts'
import { repeat } from './repeat.ts'

const EVERY_MS = 2000

export const makeHolder = (process: string): KeyHolder => ({ holder: randomUUID(), process })

/**
 * Lets a process follow the keys of its installation until it is stopped: every two seconds, and at once where a value names a key that it
 * does not know. It tells what it holds, because a new key is used only when every process can open it.
 */
export function startKeyRefresh(
  query: Query,
  keys: LiveKeyRing,
  holder: KeyHolder,
  onError: (error: unknown) => void,
  everyMs = EVERY_MS,
): () => Promise<void> {
  const follow = async (): Promise<void> => {
    try {
      await keys.refresh(await readDataKeys(query))
    } finally {
      await tellHeldKeys(query, holder, keys.held())
    }
  }
  let missed: Promise<void> | null = null
  keys.onMiss(() => {
    missed ??= follow()
      .catch(onError)
      .finally(() => (missed = null))
  })
  const stop = repeat(follow, { everyMs, onError })
  return async () => {
    await stop()
    await missed
    await forgetHolder(query, holder).catch(() => undefined)
  }
}
