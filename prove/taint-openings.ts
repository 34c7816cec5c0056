import { inflateRawSync, inflateSync } from 'node:zlib'

/** What is packed into other bytes, opened: a compressed value has none of the forms that are looked for. */
type Open = (bytes: Buffer) => Buffer

/** No page, file or archive of a play is larger; a bomb of somebody's is not opened further. */
const MOST_BYTES = 64 * 1024 * 1024
const options = { maxOutputLength: MOST_BYTES, finishFlush: 2 } as const

/** RFC 1952 §2.3: a head of ten bytes, then a name that ends with NUL where the flags say so. What stands behind the packed bytes is left. */
function openGzip(bytes: Buffer): Buffer {
  const isNamed = ((bytes[3] ?? 0) & 8) !== 0
  return inflateRawSync(bytes.subarray(isNamed ? bytes.indexOf(0, 10) + 1 : 10), options)
}

/** APPNOTE of the ZIP format: the lengths of name and extra field stand at 26 and 28 of a local header of 30 bytes. */
function openMember(bytes: Buffer): Buffer {
  const start = 30 + bytes.readUInt16LE(26) + bytes.readUInt16LE(28)
  return inflateRawSync(bytes.subarray(start), options)
}

/** How packed bytes begin: gzip with deflate, zlib at its usual levels, a member of a ZIP file (a workbook). */
const beginnings: readonly (readonly [string, Open])[] = [
  ['1f8b08', openGzip],
  ['7801', (bytes) => inflateSync(bytes, options)],
  ['785e', (bytes) => inflateSync(bytes, options)],
  ['789c', (bytes) => inflateSync(bytes, options)],
  ['78da', (bytes) => inflateSync(bytes, options)],
  ['504b0304', openMember],
]

/** Two bytes are a beginning by chance once in 65,536; what opens to less than this was no packed text. */
const LEAST_BYTES = 8

function tryOpen(open: Open, bytes: Buffer): readonly Buffer[] {
  try {
    const opened = open(bytes)
    return opened.length < LEAST_BYTES ? [] : [opened]
  } catch {
    return []
  }
}

function* unpack(bytes: Buffer): Generator<Buffer> {
  for (const [beginning, open] of beginnings) {
    const magic = Buffer.from(beginning, 'hex')
    for (let at = bytes.indexOf(magic); at >= 0; at = bytes.indexOf(magic, at + 1)) {
      // Behind the packed bytes stand others; a megabyte holds every page and file of a play.
      yield* tryOpen(open, bytes.subarray(at, at + 1_048_576))
    }
  }
}

const BASE64 = /[A-Za-z0-9+/_-]{40,}={0,2}/g

/** Raw files of the server hold no text that long, and there are a hundred megabytes of them. */
const MOST_TEXT = 8 * 1024 * 1024

function* decode(bytes: Buffer): Generator<Buffer> {
  if (bytes.length > MOST_TEXT) return
  for (const [text] of bytes.toString('latin1').matchAll(BASE64)) yield Buffer.from(text, 'base64')
}

/** Everything that is packed in these bytes, by gzip, deflate, as a member of a ZIP file, or one of these within Base64. */
export function* openPacked(given: Uint8Array): Generator<Buffer> {
  const bytes = Buffer.from(given.buffer, given.byteOffset, given.byteLength)
  yield* unpack(bytes)
  for (const decoded of decode(bytes)) yield* unpack(decoded)
}
