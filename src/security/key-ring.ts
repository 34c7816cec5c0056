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
  /** The key-encryption key that wrapped it; null where it was wrapped before such keys had names. */
  readonly kek: string | null
  readonly wrapped: Uint8Array
  /** False for a sealing key that was announced and that nothing is sealed with yet. */
  readonly isActive: boolean
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

/** The key-encryption key lives outside the database; its id 0 never names a data key. */
const wrappingKey = (keyEncryptionKey: Uint8Array, suite: Suite): SealKey => sealKeyFrom(0, suite, keyEncryptionKey)

/** The name of a key-encryption key: 64 bits of a keyed digest, which tell nothing about 256 random bits. */
export const nameOfKek = (keyEncryptionKey: Uint8Array): string =>
  derive(suites.standard, keyEncryptionKey, 'name').subarray(0, 8).toString('hex')

const boundText = (purpose: KeyPurpose, id: number, suite: string): string => `data-key|${purpose}|${id}|${suite}`

type NamedKey = Pick<WrappedKey, 'id' | 'purpose' | 'suite'>

function wrap(keyEncryptionKey: Uint8Array, key: NamedKey, seed: Uint8Array, suite: Suite): Buffer {
  const text = Buffer.from(seed).toString('base64')
  return seal(wrappingKey(keyEncryptionKey, suite), boundText(key.purpose, key.id, key.suite), text)
}

/** A new data key, wrapped by the suite that it is for. */
export function createWrappedKey(
  keyEncryptionKey: Uint8Array,
  id: number,
  purpose: KeyPurpose,
  suite: Suite['name'],
): WrappedKey {
  const key = { id, purpose, suite }
  const wrapped = wrap(keyEncryptionKey, key, randomBytes(SEED_BYTES), suites[suite])
  return { ...key, kek: nameOfKek(keyEncryptionKey), wrapped, isActive: true }
}

/** A wrapped key tells in its second byte which suite wrapped it. */
const suiteOfWrap = ({ wrapped }: WrappedKey): Suite => (wrapped[1] === suites.gm.id ? suites.gm : suites.standard)

function unwrap(keyEncryptionKeys: readonly Uint8Array[], key: WrappedKey): Buffer {
  const bound = boundText(key.purpose, key.id, key.suite)
  const fitting = keyEncryptionKeys.filter((one) => key.kek === null || nameOfKek(one) === key.kek)
  const failures: unknown[] = []
  for (const one of fitting) {
    try {
      const seed = open(() => wrappingKey(one, suiteOfWrap(key)), bound, key.wrapped)
      return Buffer.from(seed, 'base64')
    } catch (error) {
      failures.push(error)
    }
  }
  const wanted = key.kek === null ? 'another key-encryption key' : `key-encryption key ${key.kek}`
  throw new AppError('KEY_UNAVAILABLE', `data key ${key.id} needs ${wanted}`, { cause: failures[0] })
}

/** The same data key under another key-encryption key. Throws KEY_UNAVAILABLE where none of those given opens it. */
export function rewrapKey(
  key: WrappedKey,
  keyEncryptionKeys: readonly Uint8Array[],
  next: { readonly keyEncryptionKey: Uint8Array; readonly suite: Suite['name'] },
): WrappedKey {
  const seed = unwrap(keyEncryptionKeys, key)
  const wrapped = wrap(next.keyEncryptionKey, key, seed, suites[next.suite])
  return { ...key, kek: nameOfKek(next.keyEncryptionKey), wrapped }
}

/** Whether a data key rests as it would if it were wrapped now. */
export const isWrappedBy = (key: WrappedKey, kek: string, suite: Suite['name']): boolean =>
  key.kek === kek && suiteOfWrap(key).name === suite

/** A keyed permutation of single random blocks. */
function permutationFrom({ permutation, cipherKeyBytes }: Suite, seed: Buffer): (blocks: Buffer) => Buffer {
  const key = seed.subarray(0, cipherKeyBytes)
  return (blocks) => {
    const cipher = createCipheriv(permutation, key, null).setAutoPadding(false)
    return Buffer.concat([cipher.update(blocks), cipher.final()])
  }
}

/** A data key that was opened: it seals, or it makes tokens. */
export type OpenedKey = NamedKey &
  (
    | { readonly sealKey: SealKey }
    | { readonly tokenKey: HmacKey; readonly permute: ((blocks: Buffer) => Buffer) | null }
  )

/** Throws KEY_UNAVAILABLE when none of the key-encryption keys is the one that wrapped it. */
export function openDataKey(keyEncryptionKeys: readonly Uint8Array[], key: WrappedKey): OpenedKey {
  const seed = unwrap(keyEncryptionKeys, key)
  const suite = suites[key.suite]
  const named = { id: key.id, purpose: key.purpose, suite: key.suite }
  if (key.purpose === 'seal') return { ...named, sealKey: sealKeyFrom(key.id, suite, seed) }
  const permute = key.purpose === 'audit' ? permutationFrom(suite, derive(suite, seed, 'audit-persons')) : null
  return { ...named, tokenKey: prepareHmacKey(suite.hash, derive(suite, seed, key.purpose)), permute }
}

const missing = (what: string): AppError => new AppError('KEY_UNAVAILABLE', `${what}; run gridbridge migrate`)

/**
 * The ring of keys that were opened, oldest first; the newest sealing key of `activeIds` is sealed with. Throws KEY_UNAVAILABLE where
 * there is none.
 */
export function makeKeyRing(keys: readonly OpenedKey[], activeIds: ReadonlySet<number>): KeyRing {
  const sealKeys = new Map<number, SealKey>()
  const tokenKeys = new Map<KeyPurpose, HmacKey>()
  let permute: ((blocks: Buffer) => Buffer) | null = null
  for (const key of keys) {
    if ('sealKey' in key) sealKeys.set(key.id, key.sealKey)
    else {
      tokenKeys.set(key.purpose, key.tokenKey)
      permute = key.permute ?? permute
    }
  }
  const sealing = [...sealKeys.values()].findLast(({ id }) => activeIds.has(id))
  if (sealing === undefined) throw missing('there is no sealing key')
  return {
    sealing,
    sealKey: (id) => {
      const key = sealKeys.get(id)
      if (key === undefined) throw new AppError('KEY_UNAVAILABLE', `there is no sealing key ${id}`)
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

/** Opens every data key. Throws KEY_UNAVAILABLE when the key-encryption key is another one or a purpose has no key. */
export function openKeyRing(keyEncryptionKey: Uint8Array, wrapped: readonly WrappedKey[]): KeyRing {
  const inOrder = wrapped.toSorted((one, other) => one.id - other.id)
  const active = new Set(inOrder.filter(({ isActive }) => isActive).map(({ id }) => id))
  const opened = inOrder.map((key) => openDataKey([keyEncryptionKey], key))
  return makeKeyRing(opened, active)
}
