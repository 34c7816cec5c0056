import { AppError, toAppError } from '../errors.ts'
import type { KeyProvider } from './key-encryption-key.ts'
import { makeKeyRing, openDataKey, type KeyRing, type OpenedKey, type WrappedKey } from './key-ring.ts'

/** What a process holds, as it tells the others: the newest sealing key that it opened, and the one that it seals with. */
export interface HeldKeys {
  readonly newest: number
  readonly sealing: number
}

/** A ring that follows the installation's keys while the process runs; whoever holds it sees the change at once. */
export interface LiveKeyRing extends KeyRing {
  readonly held: () => HeldKeys
  /**
   * Takes over the keys as they are now. A key that does not open is left out and thrown once the others are in. Throws KEY_UNAVAILABLE.
   */
  readonly refresh: (wrapped: readonly WrappedKey[]) => Promise<void>
  /** Called when a value names a key that is newer than all that are held. */
  readonly onMiss: (listener: () => void) => void
}

/** What was read before it was sealed again is opened a moment later; no statement, request or page takes this long. */
const KEEP_GONE_MS = 60_000

/** A program that gives the key may be slow or billed by call, so one that does not help is not asked with every refresh. */
const ASK_AGAIN_MS = 30_000

interface Held {
  readonly key: OpenedKey
  readonly isActive: boolean
  /** When it was found gone, by this process's monotonic clock in ms; null while it is there. */
  readonly goneAt: number | null
}

/** Opens data keys by the key-encryption keys of this process; asks the provider again where they do not open one. */
function openKeks(provider: KeyProvider): (key: WrappedKey) => Promise<OpenedKey> {
  let known: readonly Uint8Array[] = []
  let askedAt = -Infinity
  const openByKnown = (key: WrappedKey): OpenedKey | AppError => {
    try {
      return openDataKey(known, key)
    } catch (error) {
      return toAppError(error)
    }
  }
  return async (key) => {
    let opened = openByKnown(key)
    if (opened instanceof AppError && performance.now() - askedAt >= ASK_AGAIN_MS) {
      askedAt = performance.now()
      known = await provider.load()
      opened = openByKnown(key)
    }
    if (!(opened instanceof AppError)) return opened
    throw new AppError('KEY_UNAVAILABLE', `${opened.detail}, which ${provider.name} did not give`, { cause: opened })
  }
}

type OpenKey = ReturnType<typeof openKeks>

/** The keys that are there now, those that went a moment ago, and what failed to open. */
async function follow(
  before: ReadonlyMap<number, Held>,
  wrapped: readonly WrappedKey[],
  openKey: OpenKey,
): Promise<{ readonly held: ReadonlyMap<number, Held>; readonly failure: unknown }> {
  const held = new Map<number, Held>()
  let failure: unknown = null
  const now = performance.now()
  for (const [id, one] of before) {
    const goneAt = one.goneAt ?? now
    if (now - goneAt < KEEP_GONE_MS) held.set(id, { ...one, isActive: false, goneAt })
  }
  for (const key of wrapped) {
    try {
      const opened = before.get(key.id)?.key ?? (await openKey(key))
      held.set(key.id, { key: opened, isActive: key.isActive, goneAt: null })
    } catch (error) {
      failure = error
    }
  }
  return { held, failure }
}

function ringOf(held: ReadonlyMap<number, Held>): KeyRing {
  const inOrder = [...held.values()].toSorted((one, other) => one.key.id - other.key.id)
  const active = new Set(inOrder.filter(({ isActive }) => isActive).map(({ key }) => key.id))
  return makeKeyRing(
    inOrder.map(({ key }) => key),
    active,
  )
}

const newestOf = (held: ReadonlyMap<number, Held>): number =>
  Math.max(0, ...[...held.values()].filter(({ key }) => key.purpose === 'seal').map(({ key }) => key.id))

/** Opens every data key. Throws KEY_UNAVAILABLE when one does not open or there is none to seal with. */
export async function openLiveKeyRing(provider: KeyProvider, wrapped: readonly WrappedKey[]): Promise<LiveKeyRing> {
  const openKey = openKeks(provider)
  const first = await follow(new Map(), wrapped, openKey)
  if (first.failure !== null) throw first.failure
  let held = first.held
  let ring = ringOf(held)
  let hear = (): void => undefined
  return {
    get sealing() {
      return ring.sealing
    },
    sealKey: (id) => {
      if (id <= newestOf(held)) return ring.sealKey(id)
      hear()
      throw new AppError('KEY_NEWER', `sealing key ${id}`)
    },
    token: (purpose, value) => ring.token(purpose, value),
    personTokens: (subjects) => ring.personTokens(subjects),
    held: () => ({ newest: newestOf(held), sealing: ring.sealing.id }),
    refresh: async (now) => {
      const followed = await follow(held, now, openKey)
      ring = ringOf(followed.held)
      held = followed.held
      if (followed.failure !== null) throw followed.failure
    },
    onMiss: (listener) => {
      hear = listener
    },
  }
}
