import { pipeline } from 'node:stream'
import { createInflateRaw } from 'node:zlib'
import { RemoteZipReader } from '@cj-tech-master/excelts/archive'
import { AppError } from '../../errors.ts'
import type { DataFile } from './file-bytes.ts'
import { fileError } from './file-directory.ts'
import { MAX_RATIO } from './gzip.ts'

type ArchiveEntry = ReturnType<RemoteZipReader['getEntries']>[number]

/** The parts of a workbook by their paths in its ZIP file. */
export interface Archive {
  readonly paths: readonly string[]
  /** The unpacked bytes of a part. Throws AppError SOURCE_FILE_INVALID for one that is not there or not as it is described. */
  readonly read: (path: string) => AsyncGenerator<Uint8Array, void>
  /** Bytes of a part once unpacked, 0 where there is none. */
  readonly bytesOf: (path: string) => number
}

// A workbook of 50 sheets has some 150 parts; their directory takes about 100 bytes each.
const MAX_PARTS = 1000
const MAX_READ_BYTES = 1024 * 1024
const CHUNK_BYTES = 64 * 1024

const STORED = 0
const DEFLATED = 8

/**
 * Opens the ZIP file that a workbook is. Number, sizes and ratios of its parts are judged by its directory before anything is
 * unpacked. Throws AppError SOURCE_FILE_INVALID and SOURCE_LIMIT_EXCEEDED.
 */
export async function openArchive(file: DataFile): Promise<Archive> {
  const zip = await openZip(file)
  const entries = zip.getEntries()
  assertParts(file, entries)
  const byPath = new Map(entries.map((entry) => [entry.path, entry]))
  return {
    paths: [...byPath.keys()],
    bytesOf: (path) => byPath.get(path)?.uncompressedSize ?? 0,
    read: (path) => {
      const entry = byPath.get(path)
      const packed = entry === undefined ? null : zip.getRawCompressedStream(entry, { chunkSize: CHUNK_BYTES })
      if (entry === undefined || packed === null) throw fileError(`${file.name} has no part ${describePath(path)}`)
      return unpack(file, entry, packed)
    },
  }
}

async function openZip(file: DataFile): Promise<RemoteZipReader> {
  const { buffer } = await file.handle.read(Buffer.alloc(4), 0, 4, 0)
  if (buffer.toString('latin1') !== 'PK\u0003\u0004') {
    throw fileError(`${file.name} is no XLSX workbook; save an .xls or a workbook with a password as plain .xlsx`)
  }
  try {
    return await RemoteZipReader.fromReader({ size: file.bytes, read: (start, end) => readRange(file, start, end) })
  } catch (error) {
    // The library's own error may quote a name out of the archive.
    throw error instanceof AppError ? error : fileError(`${file.name} has no readable ZIP directory`)
  }
}

async function readRange(file: DataFile, start: number, end: number): Promise<Uint8Array> {
  if (end - start > MAX_READ_BYTES) {
    throw new AppError('SOURCE_LIMIT_EXCEEDED', `${file.name} has a ZIP directory of more than ${MAX_READ_BYTES} bytes`)
  }
  const isInside = start >= 0 && end >= start && end <= file.bytes
  if (!isInside) throw fileError(`${file.name} has a ZIP directory that points outside of it`)
  const { buffer, bytesRead } = await file.handle.read(Buffer.alloc(end - start), 0, end - start, start)
  if (bytesRead < end - start) throw fileError(`${file.name} ends in the middle of its ZIP directory`)
  return buffer
}

function assertParts(file: DataFile, entries: readonly ArchiveEntry[]): void {
  const unpacked = entries.reduce((sum, entry) => sum + entry.uncompressedSize, 0)
  const isBomb = entries.some(growsTooMuch) || unpacked > file.bytes * MAX_RATIO
  if (entries.length > MAX_PARTS || isBomb) {
    const what = isBomb ? `parts that grow more than ${MAX_RATIO} times` : `more than ${MAX_PARTS} parts`
    throw new AppError('SOURCE_LIMIT_EXCEEDED', `${file.name} is a ZIP file with ${what}`)
  }
  if (unpacked > file.mostUnpacked)
    throw new AppError('SOURCE_LIMIT_EXCEEDED', `${file.name} holds more than ${file.mostUnpacked} bytes once unpacked`)
  if (entries.some(({ isEncrypted }) => isEncrypted)) throw fileError(`${file.name} is encrypted`)
  if (entries.some(({ compressionMethod }) => compressionMethod !== STORED && compressionMethod !== DEFLATED)) {
    throw fileError(`${file.name} is packed in another way than deflate`)
  }
  const isTwice = new Set(entries.map(({ path }) => path.toLowerCase())).size < entries.length
  if (isTwice) throw fileError(`${file.name} has two parts of one name`)
}

function growsTooMuch({ compressedSize, uncompressedSize }: ArchiveEntry): boolean {
  return uncompressedSize > compressedSize * MAX_RATIO
}

async function* unpack(
  file: DataFile,
  entry: ArchiveEntry,
  packed: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  const wanted = entry.uncompressedSize
  const isStored = entry.compressionMethod === STORED
  const chunks = isStored ? packed : pipeline(packed, createInflateRaw({ chunkSize: CHUNK_BYTES }), () => undefined)
  const mismatch = `${file.name} part ${describePath(entry.path)} is not as its ZIP directory says`
  let bytes = 0
  try {
    for await (const chunk of chunks as AsyncIterable<Uint8Array>) {
      bytes += chunk.length
      if (bytes > wanted) throw fileError(mismatch)
      yield chunk
    }
  } catch (error) {
    throw error instanceof AppError ? error : fileError(mismatch)
  }
  if (bytes !== wanted) throw fileError(mismatch)
}

/** Paths are the sender's words; what is not of the usual kind is not repeated. */
function describePath(path: string): string {
  return /^[\w./-]{1,80}$/.test(path) ? path : 'of an odd name'
}
