import { openBytes, sealBytes, type SealKey } from './seal.ts'
import { toAppError } from '../errors.ts'

/**
 * A value under another key, bound to what it was bound to. Null for one that does not open: sealing it again would make what was
 * spoiled look whole. Throws KEY_UNAVAILABLE.
 */
export function reseal(
  keys: { readonly sealing: SealKey; readonly sealKey: (id: number) => SealKey },
  bound: string,
  sealed: Uint8Array,
): Buffer | null {
  try {
    const clear = openBytes(keys.sealKey, bound, sealed)
    const fresh = sealBytes(keys.sealing, bound, clear)
    clear.fill(0)
    return fresh
  } catch (error) {
    if (toAppError(error).code === 'SEAL_BROKEN') return null
    throw error
  }
}
