import { createCipheriv, randomBytes } from 'node:crypto'
import { AppError } from '../errors.ts'
import { open, seal, type SealKey } from './seal.ts'
import { hmac, hmacText, prepareHmacKey, suites, type HmacKey, type Suite } from './suites.ts'

/**
 * One key per purpose. `seal` keys rotate; the token keys do not, because a token that changed would no longer link.
 *   subject  one person across departments      digest   change detection
 *   display  tokens in the masked view           audit    persons in audit entries
 *   credential  client secrets and access tokens at rest      share  tokens that a consumer receives
 */
export const keyPurposes = ['seal', 'subject', 'digest', 'display', 'audit', 'credential', 'share'] as const
export type KeyPurpose = (typeof keyPurposes)[number]
export type TokenPurpose = Exclude<KeyPurpose, 'seal'>

/** A data key as it rests in the database: 32 random bytes sealed under the key-encryption key. */
export interface WrappedKey {
  readonly id: number
  readonly purpose: KeyPurpose
  readonly suite: Suite['name']
  readonly wrapped: Uint8Array
}

export interface KeyRing {
  /** The key that new values are sealed with: the newest one. */
  readonly sealing: SealKey
  /** The key that an old value names. Throws KEY_UNAVAILABLE. */
  readonly sealKey: (id: number) => SealKey
  /** A keyed token of 16 bytes, in hexadecimal. Unkeyed hashes of identifiers are banned: 3.2 × 10⁸ plausible ID numbers are eleven minutes of work. */
  readonly token: (purpose: TokenPurpose, value: string) => string
  /**
   * The tokens by which the audit log names persons, 16 bytes each, one behind the other, from the tokens that records hold (32 hexadecimal
   * digits; null names nobody). A record's token is enciphered as one block under a key of the log's own: the two tell nothing of one another
   * without it, and a page of 500 is one call of a cipher: 36 µs against 870 µs for a keyed digest of each.
   */
  readonly personTokens: (subjects: readonly (string | null)[]) => Buffer
}

const SEED_BYTES = 32
const TOKEN_BYTES = 16

/** Sub-keys come from the seed by HMAC with a label (the expand step of RFC 5869, one block). */
function derive(suite: Suite, seed: Uint8Array, label: string): Buffer {
  return hmac(prepareHmacKey(suite.hash, seed), `gridbridge/${label}\u0001`)
}

function sealKeyFrom(id: number, suite: Suite, seed: Uint8Array): SealKey {
  return {
    id,
    suite,
    encryption: derive(suite, seed, 'encryption').subarray(0, suite.cipherKeyBytes),
    authentication: prepareHmacKey(suite.hash, derive(suite, seed, 'authentication')),
  }
}

/** The key-encryption key lives outside the database; its id 0 never names a data key. Wrapping always uses `standard`. */
function wrappingKey(keyEncryptionKey: Uint8Array): SealKey {
  return sealKeyFrom(0, suites.standard, keyEncryptionKey)
}

const boundText = (purpose: KeyPurpose, id: number, suite: string): string => `data-key|${purpose}|${id}|${suite}`

export function createWrappedKey(
  keyEncryptionKey: Uint8Array,
  id: number,
  purpose: KeyPurpose,
  suite: Suite['name'],
): WrappedKey {
  const seed = randomBytes(SEED_BYTES).toString('base64')
  return { id, purpose, suite, wrapped: seal(wrappingKey(keyEncryptionKey), boundText(purpose, id, suite), seed) }
}

function unwrap(keyEncryptionKey: Uint8Array, key: WrappedKey): Buffer {
  const bound = boundText(key.purpose, key.id, key.suite)
  try {
    return Buffer.from(
      open(() => wrappingKey(keyEncryptionKey), bound, key.wrapped),
      'base64',
    )
  } catch (error) {
    throw new AppError('KEY_UNAVAILABLE', `data key ${key.id} does not open with this key-encryption key`, {
      cause: error,
    })
  }
}

/** A keyed permutation of single random blocks. */
function permutationFrom({ permutation, cipherKeyBytes }: Suite, seed: Buffer): (blocks: Buffer) => Buffer {
  const key = seed.subarray(0, cipherKeyBytes)
  return (blocks) => {
    const cipher = createCipheriv(permutation, key, null).setAutoPadding(false)
    return Buffer.concat([cipher.update(blocks), cipher.final()])
  }
}

/** Opens every data key. Throws KEY_UNAVAILABLE when the key-encryption key is another one or a purpose has no key. */
export function openKeyRing(keyEncryptionKey: Uint8Array, wrapped: readonly WrappedKey[]): KeyRing {
  const sealKeys = new Map<number, SealKey>()
  const tokenKeys = new Map<KeyPurpose, HmacKey>()
  let permute: ReturnType<typeof permutationFrom> | null = null
  for (const key of wrapped.toSorted((one, other) => one.id - other.id)) {
    const seed = unwrap(keyEncryptionKey, key)
    const suite = suites[key.suite]
    if (key.purpose === 'seal') sealKeys.set(key.id, sealKeyFrom(key.id, suite, seed))
    else tokenKeys.set(key.purpose, prepareHmacKey(suite.hash, derive(suite, seed, key.purpose)))
    if (key.purpose === 'audit') permute = permutationFrom(suite, derive(suite, seed, 'audit-persons'))
  }
  const missing = (what: string): AppError => new AppError('KEY_UNAVAILABLE', `${what}; run gridbridge migrate`)
  const sealing = [...sealKeys.values()].at(-1)
  if (sealing === undefined) throw missing('there is no sealing key')
  return {
    sealing,
    sealKey: (id) => {
      const key = sealKeys.get(id)
      if (key === undefined) throw missing(`there is no sealing key ${id}`)
      return key
    },
    token: (purpose, value) => {
      const key = tokenKeys.get(purpose)
      if (key === undefined) throw missing(`there is no key for ${purpose}`)
      return hmacText(key, 'hex', value).slice(0, 2 * TOKEN_BYTES)
    },
    personTokens: (subjects) => {
      if (permute === null) throw missing('there is no key for audit')
      return permute(Buffer.from(subjects.join(''), 'hex'))
    },
  }
}
