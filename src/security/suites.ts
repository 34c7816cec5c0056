import { hash } from 'node:crypto'

/**
 * The two cryptographic suites. `standard` is AES-256-CTR with HMAC-SHA-256, `gm` is SM4-CTR (GB/T 32907) with HMAC-SM3
 * (GB/T 32905). Both encrypt, then authenticate: SM4-GCM does not exist in Node, and one construction for both is one proof.
 */
export interface Suite {
  readonly id: number
  readonly name: 'standard' | 'gm'
  readonly cipher: 'aes-256-ctr' | 'sm4-ctr'
  /** The bare block cipher: for single blocks that are random already, and for nothing else. */
  readonly permutation: 'aes-256-ecb' | 'sm4-ecb'
  readonly cipherKeyBytes: number
  readonly hash: 'sha256' | 'sm3'
}

export const suites = {
  standard: {
    id: 1,
    name: 'standard',
    cipher: 'aes-256-ctr',
    permutation: 'aes-256-ecb',
    cipherKeyBytes: 32,
    hash: 'sha256',
  },
  gm: { id: 2, name: 'gm', cipher: 'sm4-ctr', permutation: 'sm4-ecb', cipherKeyBytes: 16, hash: 'sm3' },
} as const satisfies Record<string, Suite>

/** Both hashes work on 64-byte blocks (FIPS 180-4, GB/T 32905-2016). */
const BLOCK_BYTES = 64

/** An HMAC key (RFC 2104) with its two pads computed once. */
export interface HmacKey {
  readonly hash: Suite['hash']
  readonly inner: Buffer
  readonly outer: Buffer
}

export function prepareHmacKey(algorithm: Suite['hash'], key: Uint8Array): HmacKey {
  const block = Buffer.alloc(BLOCK_BYTES)
  block.set(key.length > BLOCK_BYTES ? hash(algorithm, key, 'buffer') : key)
  return {
    hash: algorithm,
    inner: block.map((byte) => byte ^ 0x36) as Buffer,
    outer: block.map((byte) => byte ^ 0x5c) as Buffer,
  }
}

/** Grows to the longest input and is used again: a fresh buffer for each record is a tenth of the pipeline's garbage. */
let scratch = Buffer.alloc(4096)

/** Room for `bytes` after a block, shared by all calls: nothing may be kept in it across a call. */
function scratchFor(bytes: number): Buffer {
  if (scratch.length < BLOCK_BYTES + bytes) scratch = Buffer.alloc(2 * (BLOCK_BYTES + bytes))
  return scratch
}

function fillScratch(start: Buffer, parts: readonly (Uint8Array | string)[]): Buffer {
  const most = parts.reduce((sum, part) => sum + (typeof part === 'string' ? 3 * part.length : part.length), 0)
  const room = scratchFor(most)
  start.copy(room)
  let end = BLOCK_BYTES
  for (const part of parts) {
    if (typeof part === 'string') end += room.write(part, end, 'utf8')
    else {
      room.set(part, end)
      end += part.length
    }
  }
  return room.subarray(0, end)
}

/** A digest as text: in hexadecimal, or one character for each byte. */
type DigestText = 'hex' | 'binary'

/**
 * HMAC over texts and bytes one after the other, as text, by two one-shot `crypto.hash` calls: about 1 µs for a record,
 * against 12 µs for `createHmac`, whose cost is the object and not the hashing. It comes as text because a digest that comes as a
 * Buffer costs 0.7 µs where one that comes as text costs 0.2 µs. A text part counts as its UTF-8 bytes.
 */
export function hmacText(key: HmacKey, encoding: DigestText, ...parts: readonly (Uint8Array | string)[]): string {
  const message = fillScratch(key.inner, parts)
  const inner = hash(key.hash, message, 'binary')
  message.fill(0)
  const room = scratchFor(inner.length)
  key.outer.copy(room)
  const end = BLOCK_BYTES + room.write(inner, BLOCK_BYTES, 'latin1')
  const digest = hash(key.hash, room.subarray(0, end), encoding)
  room.fill(0, 0, end)
  return digest
}

/** HMAC (RFC 2104) over texts and bytes one after the other, as bytes. */
export function hmac(key: HmacKey, ...parts: readonly (Uint8Array | string)[]): Buffer {
  return Buffer.from(hmacText(key, 'binary', ...parts), 'latin1')
}
