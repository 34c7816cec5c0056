import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { pipeline } from 'node:stream'
import { TextDecoder } from 'node:util'
import { CsvError, parse } from 'csv-parse'
import { AppError } from '../../errors.ts'
import type { FileSourceManifest } from '../../feeds/manifest-types.ts'
import type { Marker } from './file-drop.ts'
import { fileError } from './file-drop.ts'

type Format = FileSourceManifest['format']

type Cells = readonly string[]

const CHUNK_BYTES = 256 * 1024

/** A data file that is open. */
export interface DataFile {
  readonly name: string
  readonly handle: FileHandle
  readonly format: Format
  /** Largest row in bytes. */
  readonly rowBytes: number
}

/**
 * Reads a whole file once and throws AppError SOURCE_FILE_INVALID unless digest and number of rows are those of its marker
 * (DQ-080) and every byte can be decoded (DQ-092). So no row of a damaged file is ever handed out.
 */
export async function verifyFile(file: DataFile, marker: Marker): Promise<void> {
  const digest = createHash('sm3')
  for await (const chunk of readBytes(file)) digest.update(chunk)
  if (digest.digest('hex') !== marker.sm3) {
    throw fileError(`${file.name} has another SM3 than its marker says; send it again`)
  }
  let rows = -1
  for await (const _cells of readCells(file)) rows++
  if (Math.max(rows, 0) !== marker.rows) {
    throw fileError(`${file.name} has ${Math.max(rows, 0)} rows, its marker says ${marker.rows}`)
  }
}

/**
 * The rows of a file, each an object by the names in the header. A row of another length, and every row where the header
 * names a column twice, comes as the plain list of its cells: it has no shape that a mapping could read.
 */
export async function* readRows(file: DataFile): AsyncGenerator<unknown, void> {
  let header: Cells | null = null
  let isUnique = true
  for await (const cells of readCells(file)) {
    if (header === null) {
      header = cells
      isUnique = new Set(cells).size === cells.length
      continue
    }
    yield isUnique && cells.length === header.length ? toObject(header, cells) : cells
  }
}

function toObject(header: Cells, cells: Cells): Readonly<Record<string, unknown>> {
  return Object.fromEntries(header.map((name, place) => [name, cells[place]]))
}

async function* readCells(file: DataFile): AsyncGenerator<Cells, void> {
  const parser = parse({
    delimiter: file.format.delimiter,
    bom: true,
    relax_column_count: true,
    // Old exports write a quote inside an unquoted cell; what it hurts shows in the number of rows.
    relax_quotes: true,
    skip_empty_lines: true,
    max_record_size: file.rowBytes,
  })
  const cells: AsyncIterable<Cells> = pipeline(decodeText(file), parser, () => undefined)
  try {
    yield* cells
  } catch (error) {
    throw await toRowsError(error, file)
  }
}

async function* decodeText(file: DataFile): AsyncGenerator<string, void> {
  const decoder = new TextDecoder(file.format.encoding, { fatal: true })
  for await (const chunk of readBytes(file)) yield decoder.decode(chunk, { stream: true })
  yield decoder.decode()
}

/** From the first byte, through the handle that was verified: a file put in its place meanwhile is not seen. */
async function* readBytes({ handle }: DataFile): AsyncGenerator<Uint8Array, void> {
  let position = 0
  for (;;) {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, position)
    if (bytesRead === 0) return
    position += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

/** The parser's own error quotes cells, so only its code and line are taken over. */
async function toRowsError(error: unknown, file: DataFile): Promise<AppError> {
  if (error instanceof AppError) return error
  if (error instanceof CsvError) {
    const code = error.code === 'CSV_MAX_RECORD_SIZE' ? 'SOURCE_LIMIT_EXCEEDED' : 'SOURCE_FILE_INVALID'
    return new AppError(code, `${file.name} line ${Number(error['lines'])}: ${error.code}`)
  }
  if (error instanceof Error && 'code' in error && error.code === 'ERR_ENCODING_INVALID_ENCODED_DATA') {
    return fileError(`${file.name} byte ${await findBadByte(file)} is not ${file.format.encoding}`)
  }
  return new AppError('SOURCE_UNAVAILABLE', `${file.name} cannot be read to its end`, { cause: error })
}

/** Offset of the byte at which decoding fails: one decoder runs ahead by chunks, the other follows it into the bad chunk. */
async function findBadByte(file: DataFile): Promise<number> {
  const ahead = new TextDecoder(file.format.encoding, { fatal: true })
  const behind = new TextDecoder(file.format.encoding, { fatal: true })
  let offset = 0
  for await (const chunk of readBytes(file)) {
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
