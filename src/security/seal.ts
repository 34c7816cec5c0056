import { createCipheriv, createDecipheriv, randomBytes, timingSafeEqual } from 'node:crypto'
import { AppError } from '../errors.ts'
import { hmacText, type HmacKey, type Suite } from './suites.ts'

/**
 * A sealed value: header (format 1 byte, suite 1, key id 2, counter block 16) ‖ ciphertext ‖ tag 16.
 * The tag is HMAC truncated to 128 bits (RFC 4868 §2.6) over the bound text and its length, the header and the ciphertext, so a
 * sealed value cannot be moved to another row, dataset or key.
 */
export interface SealKey {
  readonly id: number
  readonly suite: Suite
  readonly encryption: Buffer
  readonly authentication: HmacKey
}

export interface SealInput {
  /** What the value belongs to, for example `record|resident|LZ-GA-RK-001|17`. Authenticated, not stored. */
  readonly bound: string
  readonly clear: string
}

const FORMAT = 1
const HEADER_BYTES = 20
const COUNTER_BYTES = 16
const BLOCK_BYTES = 16
const TAG_BYTES = 16

const wholeBlocks = (bytes: number): number => Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES

/** Writes the counter block `blocks` further on, as CTR mode counts (NIST SP 800-38A, 128-bit big-endian increment). */
export function writeCounter(target: Buffer, at: number, start: Buffer, blocks: number): void {
  let carry = blocks
  for (let index = COUNTER_BYTES - 1; index >= 0; index--) {
    const sum = (start[index] ?? 0) + carry
    target[at + index] = sum % 256
    carry = Math.floor(sum / 256)
  }
}

/** The tag, one character for each byte. The length of the bound text keeps it apart from what follows. */
function tag(key: SealKey, bound: string, headerAndText: Uint8Array): string {
  return hmacText(key.authentication, 'binary', `${bound.length}|${bound}`, headerAndText).slice(0, TAG_BYTES)
}

/** The clear texts in one buffer, each from a block boundary on, and where each begins and how long it is. */
interface Laid {
  readonly bytes: Buffer
  readonly places: readonly { readonly at: number; readonly length: number }[]
}

function layOut(inputs: readonly SealInput[]): Laid {
  // No UTF-16 unit takes more than three bytes in UTF-8; measuring exactly costs as much as writing.
  const most = inputs.reduce((sum, input) => sum + wholeBlocks(3 * input.clear.length), 0)
  const bytes = Buffer.alloc(most)
  let at = 0
  const places = inputs.map((input) => {
    const place = { at, length: bytes.write(input.clear, at, 'utf8') }
    at += wholeBlocks(place.length)
    return place
  })
  return { bytes: bytes.subarray(0, at), places }
}

/** The ciphertext of a page, and the counter block that it starts at. */
interface Stream {
  readonly start: Buffer
  readonly text: Buffer
}

type Place = Laid['places'][number]

const sealedBytes = (place: Place): number => HEADER_BYTES + place.length + TAG_BYTES

/** Writes header and ciphertext of one value with its tag behind into `sealed`, which is exactly as long. */
function assemble(sealed: Buffer, key: SealKey, stream: Stream, place: Place, bound: string): Buffer {
  sealed.writeUInt8(FORMAT, 0)
  sealed.writeUInt8(key.suite.id, 1)
  sealed.writeUInt16BE(key.id, 2)
  writeCounter(sealed, 4, stream.start, place.at / BLOCK_BYTES)
  stream.text.copy(sealed, HEADER_BYTES, place.at, place.at + place.length)
  const end = HEADER_BYTES + place.length
  sealed.write(tag(key, bound, sealed.subarray(0, end)), end, 'latin1')
  return sealed
}

/**
 * Seals many values with one cipher stream: one `createCipheriv` per record costs about 22 µs and halves the pipeline
 * (15,000 against 28,000–31,000 records/s). Each value starts on a block boundary of the stream and records its own counter
 * block, so it opens alone.
 */
export function sealAll(key: SealKey, inputs: readonly SealInput[]): readonly Buffer[] {
  const { bytes, places } = layOut(inputs)
  const start = randomBytes(COUNTER_BYTES)
  const text = createCipheriv(key.suite.cipher, key.encryption, start).update(bytes)
  bytes.fill(0)
  const sealed = Buffer.allocUnsafe(places.reduce((sum, place) => sum + sealedBytes(place), 0))
  let at = 0
  return places.map((place, index) => {
    const own = sealed.subarray(at, (at += sealedBytes(place)))
    return assemble(own, key, { start, text }, place, inputs[index]?.bound ?? '')
  })
}

export function seal(key: SealKey, bound: string, clear: string): Buffer {
  return sealAll(key, [{ bound, clear }])[0] ?? Buffer.alloc(0)
}

/** Seals the bytes of a file as they are. */
export function sealBytes(key: SealKey, bound: string, clear: Uint8Array): Buffer {
  const start = randomBytes(COUNTER_BYTES)
  const text = createCipheriv(key.suite.cipher, key.encryption, start).update(clear)
  const place = { at: 0, length: clear.length }
  return assemble(Buffer.allocUnsafe(sealedBytes(place)), key, { start, text }, place, bound)
}

/** Opens one sealed value. Throws SEAL_BROKEN when a bit of it, or what it is bound to, differs from when it was sealed. */
export function open(keyById: (id: number) => SealKey, bound: string, sealed: Uint8Array): string {
  return openBytes(keyById, bound, sealed).toString('utf8')
}

/** As `open`, for the bytes of a file. */
export function openBytes(keyById: (id: number) => SealKey, bound: string, sealed: Uint8Array): Buffer {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength)
  if (bytes.length < HEADER_BYTES + TAG_BYTES || bytes[0] !== FORMAT) {
    throw new AppError('SEAL_BROKEN', `${bound.split('|')[0]}: not a sealed value of format ${FORMAT}`)
  }
  const key = keyById(bytes.readUInt16BE(2))
  const headerAndText = bytes.subarray(0, bytes.length - TAG_BYTES)
  const expected = Buffer.from(tag(key, bound, headerAndText), 'latin1')
  if (bytes[1] !== key.suite.id || !timingSafeEqual(expected, bytes.subarray(bytes.length - TAG_BYTES))) {
    throw new AppError('SEAL_BROKEN', `${bound.split('|')[0]}: the tag does not fit`)
  }
  const counter = headerAndText.subarray(4, HEADER_BYTES)
  const decipher = createDecipheriv(key.suite.cipher, key.encryption, counter)
  return decipher.update(headerAndText.subarray(HEADER_BYTES))
}
