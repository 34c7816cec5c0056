import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { TextDecoder } from 'node:util'
import { AppError } from '../../errors.ts'
import { fileError, refuseChanged } from './file-directory.ts'
import type { DigestAlgorithm, FileDigest } from './file-marker.ts'
import { inflate } from './gzip.ts'

/** What reading needs of an open file; bytes in memory offer it too. */
export interface OpenBytes {
  readonly read: (
    target: Buffer,
    offset: number,
    length: number,
    position: number,
  ) => Promise<{ readonly bytesRead: number; readonly buffer: Buffer }>
  readonly stat: (options: { readonly bigint: true }) => Promise<{ readonly size: bigint; readonly mtimeNs: bigint }>
  readonly close: () => Promise<void>
}

/** A data file that is open, as it was at that moment. */
export interface DataFile {
  readonly name: string
  readonly handle: OpenBytes
  readonly bytes: number
  readonly modifiedAt: bigint
  /** Largest row in bytes. */
  readonly rowBytes: number
  /** Bytes that the parts of a ZIP file may hold together; Infinity where pages are read out of it one at a time. */
  readonly mostUnpacked: number
}

/** One row as a mapping reads it, and how much text it is. */
export interface TableRow {
  readonly value: unknown
  readonly characters: number
}

/** A data file whose rows can be read any number of times, each time from the first. */
export interface Table {
  readonly rows: () => AsyncGenerator<TableRow, void>
  /** How many `rows` there are; every byte is looked at, and whatever `rows` would throw is thrown. */
  readonly count: () => Promise<number>
}

type Encoding = 'gb18030' | 'utf-8'

const CHUNK_BYTES = 256 * 1024
const UTF8_MARK = [0xef, 0xbb, 0xbf]

/**
 * Whoever sends a file with a request waits for the answer. 40,000 residents are some 28 MiB of a workbook's XML; 40 MiB of text
 * are read in 0.4 s of one core, of nothing but tags in 1.1 s.
 */
const MOST_UNPACKED = 40 * 1024 * 1024

/** Bytes that never were a file: personal data does not rest in temporary files. */
export function bytesAsFile(name: string, bytes: Buffer, rowBytes: number): DataFile {
  const handle: OpenBytes = {
    read: async (target, offset, length, position) => {
      const bytesRead = bytes.copy(target, offset, position, Math.min(position + length, bytes.length))
      return { bytesRead, buffer: target }
    },
    stat: async () => ({ size: BigInt(bytes.length), mtimeNs: 0n }),
    close: () => Promise.resolve(),
  }
  return { name, handle, bytes: bytes.length, modifiedAt: 0n, rowBytes, mostUnpacked: MOST_UNPACKED }
}

/** Notes size and time of an open file, so that a change under the open handle is seen. */
export async function noteFile(name: string, handle: FileHandle, rowBytes: number): Promise<DataFile> {
  const { size, mtimeNs } = await handle.stat({ bigint: true })
  return { name, handle, bytes: Number(size), modifiedAt: mtimeNs, rowBytes, mostUnpacked: Infinity }
}

/** Throws AppError SOURCE_FILE_INVALID when the file was written to since it was opened. */
export async function assertUnchanged(file: DataFile): Promise<void> {
  const { size, mtimeNs } = await file.handle.stat({ bigint: true })
  if (Number(size) !== file.bytes || mtimeNs !== file.modifiedAt) refuseChanged(file.name)
}

/** The bytes from the first on, through the handle that was verified: a file put in its place meanwhile is not seen. */
async function* readBytes({ handle, bytes }: DataFile): AsyncGenerator<Uint8Array, void> {
  let position = 0
  while (position < bytes) {
    const length = Math.min(CHUNK_BYTES, bytes - position)
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(length), 0, length, position)
    if (bytesRead === 0) return
    position += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

export async function digestFile(file: DataFile, algorithm: DigestAlgorithm): Promise<FileDigest> {
  const digest = createHash(algorithm)
  for await (const chunk of readBytes(file)) digest.update(chunk)
  return { algorithm, hex: digest.digest('hex') }
}

/** The file's content, unpacked where `compression` says so. */
export function readContent(file: DataFile, compression: 'gzip' | undefined): AsyncGenerator<Uint8Array, void> {
  return compression === 'gzip' ? inflate(readBytes(file)) : readBytes(file)
}

/** The text of a file's content. A byte that is not of the encoding is thrown as TextDecoder does; see `toTextError`. */
export async function* decodeText(
  content: AsyncIterable<Uint8Array>,
  encoding: Encoding,
  name: string,
): AsyncGenerator<string, void> {
  const decoder = new TextDecoder(encoding, { fatal: true })
  const isAlsoUtf8 = encoding === 'utf-8' ? null : watchUtf8()
  let isFirst = true
  for await (const chunk of content) {
    if (isFirst && encoding !== 'utf-8' && UTF8_MARK.every((byte, place) => chunk[place] === byte)) {
      throw fileError(`${name} begins with a UTF-8 byte-order mark, the manifest says ${encoding}`)
    }
    isFirst = false
    isAlsoUtf8?.(chunk)
    yield decoder.decode(chunk, { stream: true })
  }
  yield decoder.decode()
  if (isAlsoUtf8?.() === true) throw fileError(`${name} is UTF-8 throughout, the manifest says ${encoding}`)
}

// A Chinese character in GB18030 passes for UTF-8 in one case of five, sixteen of them in one of 10^11.
const MIN_LONG_CHARACTERS = 16

/** Tells of the chunks so far whether they are UTF-8 beyond doubt: read as GB18030 they would be other characters, unnoticed. */
function watchUtf8(): (chunk?: Uint8Array) => boolean {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let isUtf8 = true
  let surplus = 0
  return (chunk = new Uint8Array(0)) => {
    if (!isUtf8) return false
    try {
      surplus += chunk.length - decoder.decode(chunk, { stream: chunk.length > 0 }).length
    } catch {
      isUtf8 = false
    }
    return isUtf8 && surplus >= MIN_LONG_CHARACTERS
  }
}

/** The coded form of what reading text threw; `content` is read again to find the byte that cannot be decoded (DQ-092). */
export async function toTextError(
  error: unknown,
  name: string,
  content: AsyncIterable<Uint8Array>,
  encoding: Encoding,
): Promise<AppError> {
  if (error instanceof AppError) return error
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') {
    return fileError(`${name} byte ${await findBadByte(content, encoding)} is not ${encoding}`)
  }
  if (code.startsWith('Z_')) return fileError(`${name} is no whole gzip file (${code})`)
  return new AppError('SOURCE_UNAVAILABLE', `${name} cannot be read to its end`, { cause: error })
}

/** Offset of the byte at which decoding fails: one decoder runs ahead by chunks, the other follows it into the bad chunk. */
async function findBadByte(content: AsyncIterable<Uint8Array>, encoding: Encoding): Promise<number> {
  const ahead = new TextDecoder(encoding, { fatal: true })
  const behind = new TextDecoder(encoding, { fatal: true })
  let offset = 0
  for await (const chunk of content) {
    if (!decodes(ahead, chunk)) return offset + chunk.findIndex((byte) => !decodes(behind, Uint8Array.of(byte)))
    decodes(behind, chunk)
    offset += chunk.length
  }
  return offset
}

function decodes(decoder: TextDecoder, bytes: Uint8Array): boolean {
  try {
    decoder.decode(bytes, { stream: true })
    return true
  } catch {
    return false
  }
}
