import { hash } from 'node:crypto'
import { sm2 } from 'sm-crypto-v2'
import { AppError } from '../errors.ts'

/**
 * SM2 digital signatures over SM3 (GB/T 32918.2-2016, curve of GB/T 32918.5-2017) with the default identity. Node's own cannot
 * be used: a fresh key signs plain ECDSA, an imported one SM2 with an empty identity. The library that computes is lenient (it
 * takes bytes behind a DER signature and numbers out of range), so everything that goes in is checked here first.
 */

/** The default identity of GB/T 35276-2017 §10. */
const IDENTITY = '1234567812345678'

/** Order of the base point, GB/T 32918.5-2017 §2. */
const ORDER = 0xfffffffe_ffffffff_ffffffff_ffffffff_7203df6b_21c6052b_53bbf409_39d54123n

export const PRIVATE_BYTES = 32
/** 0x04, x and y: uncompressed is the only form that is taken. */
export const PUBLIC_BYTES = 65
/** r and s one after the other. */
const SIGNATURE_BYTES = 64

export interface Sm2KeyPair {
  readonly privateKey: Buffer
  readonly publicKey: Buffer
}

const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const toNumber = (bytes: Uint8Array): bigint => BigInt(`0x${toHex(bytes)}`)

/** A private key is 1 to n-2: with n-1 its inverse of 1+d does not exist. */
const isPrivateKey = (bytes: Uint8Array): boolean =>
  bytes.length === PRIVATE_BYTES && toNumber(bytes) > 0n && toNumber(bytes) < ORDER - 1n

/** Nothing of what the library throws leaves: its texts name numbers of the key. */
function quietly<Result>(work: () => Result): Result | null {
  try {
    return work()
  } catch {
    return null
  }
}

/** Whether these are the bytes of a point of the curve, uncompressed. */
function isPublicKey(bytes: Uint8Array): boolean {
  if (bytes.length !== PUBLIC_BYTES || bytes[0] !== 0x04) return false
  return quietly(() => sm2.verifyPublicKey(toHex(bytes))) === true
}

export function createSm2KeyPair(): Sm2KeyPair {
  const privateKey = Buffer.from(sm2.generateKeyPairHex().privateKey, 'hex')
  return isPrivateKey(privateKey) ? { privateKey, publicKey: sm2PublicKey(privateKey) } : createSm2KeyPair()
}

/** The public key of a private one, uncompressed. Throws KEY_UNAVAILABLE for bytes that are no private key. */
export function sm2PublicKey(privateKey: Uint8Array): Buffer {
  const key = isPrivateKey(privateKey) ? quietly(() => sm2.getPublicKeyFromPrivateKey(toHex(privateKey))) : null
  if (key === null) throw new AppError('KEY_UNAVAILABLE', 'not a private key of SM2')
  return Buffer.from(key, 'hex')
}

/** SM3 over the signer's part Z and the message. Node hashes 268 MB/s, the library some hundredths of it. */
function digest(publicKey: Uint8Array, message: string | Uint8Array): Buffer {
  const signer = sm2.getZ(toHex(publicKey), IDENTITY)
  return hash('sm3', Buffer.concat([signer, Buffer.from(message)]), 'buffer')
}

/** Signs a message. Returns r and s, 32 bytes each. Throws KEY_UNAVAILABLE. */
export function signSm2(privateKey: Uint8Array, message: string | Uint8Array): Buffer {
  const text = digest(sm2PublicKey(privateKey), message)
  const signature = quietly(() => sm2.doSignature(text, toHex(privateKey)))
  if (signature?.length !== 2 * SIGNATURE_BYTES) throw new AppError('KEY_UNAVAILABLE', 'SM2 could not sign')
  return Buffer.from(signature, 'hex')
}

/** Whether the 64 bytes are a signature of the message by the holder of this public key. Never throws. */
export function verifySm2(publicKey: Uint8Array, message: string | Uint8Array, signature: Uint8Array): boolean {
  if (!isPublicKey(publicKey) || signature.length !== SIGNATURE_BYTES) return false
  const [r, s] = [toNumber(signature.subarray(0, 32)), toNumber(signature.subarray(32))]
  const inRange = r > 0n && r < ORDER && s > 0n && s < ORDER && (r + s) % ORDER !== 0n
  if (!inRange) return false
  return quietly(() => sm2.doVerifySignature(digest(publicKey, message), toHex(signature), toHex(publicKey))) === true
}

/** One DER INTEGER that is not negative and as short as can be (X.690 §8.3), and where it ends. Null: it is not one. */
function readInteger(bytes: Buffer, at: number): { readonly value: Buffer; readonly end: number } | null {
  const length = bytes[at + 1] ?? 0
  const end = at + 2 + length
  const [first = 0x80, second = 0] = bytes.subarray(at + 2, end)
  if (bytes[at] !== 0x02 || length < 1 || length > 33 || end > bytes.length) return null
  if (first >= 0x80 || (length > 1 && first === 0 && second < 0x80)) return null
  const value = bytes.subarray(first === 0 ? at + 3 : at + 2, end)
  return value.length > 32 ? null : { value, end }
}

/**
 * The 64 bytes of a signature that came as DER `SEQUENCE { r, s }` (GB/T 35276-2017 §7.3). Null for every other spelling: a
 * byte behind it, a longer length, a leading zero too many.
 */
export function readDerSignature(der: Uint8Array): Buffer | null {
  const bytes = Buffer.from(der)
  if (bytes[0] !== 0x30 || bytes[1] !== bytes.length - 2) return null
  const r = readInteger(bytes, 2)
  const s = r === null ? null : readInteger(bytes, r.end)
  if (r === null || s?.end !== bytes.length) return null
  const padded = [r.value, s.value].map((part) => Buffer.concat([Buffer.alloc(32 - part.length), part]))
  return Buffer.concat(padded)
}
