import type { FileSourceManifest } from '../../feeds/manifest-types.ts'
import { isCount, isOneOf, isText, orNull, toCursor } from './cursor.ts'
import { fileError, findNextFile, openDataFile, readMarker } from './file-drop.ts'
import type { DataFile } from './file-rows.ts'
import { readRows, verifyFile } from './file-rows.ts'
import type { SourceLimits } from './limits.ts'
import { assertPageCount } from './limits.ts'
import type { Cursor, Source, SourcePage } from './source.ts'

export interface FileSourceOptions {
  readonly manifest: FileSourceManifest
  readonly limits: SourceLimits
}

type FilePosition = {
  readonly kind: 'file'
  readonly state: 'reading' | 'done'
  /** The file being read, its digest and the rows of it already read; null between files. */
  readonly file: string | null
  readonly sm3: string | null
  readonly row: number
  /** The last file read to its end. */
  readonly done: string | null
  /** Pages of this run. */
  readonly pages: number
}

/** A verified file, kept open between two pages so that each row is parsed once. */
interface OpenFile {
  readonly file: DataFile
  readonly sm3: string
  readonly rows: AsyncGenerator<unknown, void>
  /** Rows of it already handed out. */
  readonly row: number
}

const checks = {
  kind: isOneOf('file'),
  state: isOneOf('reading', 'done'),
  file: orNull(isText),
  sm3: orNull(isText),
  row: isCount,
  done: orNull(isText),
  pages: isCount,
}

const beginning: FilePosition = { kind: 'file', state: 'reading', file: null, sm3: null, row: 0, done: null, pages: 0 }

/**
 * Opens a drop directory of CSV files, each with a marker that names its rows and SM3. A file is verified whole before its
 * first row is handed out. Pages throw AppError SOURCE_FILE_INVALID, SOURCE_LIMIT_EXCEEDED, SOURCE_UNAVAILABLE and
 * SOURCE_REFUSED. Names must rise from batch to batch: a file that sorts before a finished one is not read.
 */
export function openFileSource(options: FileSourceOptions): Source {
  const hand = openHand(options)
  return {
    readPage: async (cursor) => {
      try {
        return await readPage(options, hand, findPosition(cursor))
      } catch (error) {
        await hand.close()
        throw error
      }
    },
    close: hand.close,
  }
}

/** The one file that is open between two pages, so that the next page need not skip what was read. */
interface Hand {
  readonly openAt: (name: string, position: FilePosition) => Promise<OpenFile>
  readonly moveTo: (row: number) => void
  readonly close: () => Promise<void>
}

function openHand(options: FileSourceOptions): Hand {
  let current: OpenFile | null = null
  const close = async (): Promise<void> => {
    const closing = current
    current = null
    await closing?.rows.return()
    await closing?.file.handle.close()
  }
  const openAt = async (name: string, position: FilePosition): Promise<OpenFile> => {
    if (current?.file.name === name && current.row === position.row && current.sm3 === position.sm3) return current
    await close()
    current = await openFile(options, name)
    await skipTo(current, position)
    return current
  }
  const moveTo = (row: number): void => {
    current = current === null ? null : { ...current, row }
  }
  return { openAt, moveTo, close }
}

async function readPage(options: FileSourceOptions, hand: Hand, position: FilePosition): Promise<SourcePage> {
  const { manifest, limits } = options
  const name = position.file ?? (await findNextFile(manifest, position.done))
  if (name === null) return { rows: [], cursor: { ...position, state: 'done' }, done: true }
  const opened = await hand.openAt(name, position)
  const values = await takeRows(opened, manifest.pageSize, limits.pageBytes)
  if (values.length === 0) {
    await hand.close()
    return { rows: [], cursor: { ...position, file: null, sm3: null, row: 0, done: name }, done: false }
  }
  const pages = position.pages + 1
  assertPageCount(pages, limits)
  const row = position.row + values.length
  hand.moveTo(row)
  const rows = values.map((value, place) => ({ row: place, value }))
  return { rows, cursor: { ...position, file: name, sm3: opened.sm3, row, pages }, done: false }
}

function findPosition(cursor: Cursor | null): FilePosition {
  const saved = cursor === null ? beginning : toCursor<FilePosition>(cursor, checks)
  return saved.state === 'done' ? { ...saved, state: 'reading', pages: 0 } : saved
}

async function openFile({ manifest, limits }: FileSourceOptions, name: string): Promise<OpenFile> {
  const handle = await openDataFile(manifest, name)
  try {
    const marker = await readMarker(manifest, name)
    const file = { name, handle, format: manifest.format, rowBytes: limits.pageBytes }
    await verifyFile(file, marker)
    return { file, sm3: marker.sm3, rows: readRows(file), row: 0 }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** Goes on inside a file after a restart. Throws AppError SOURCE_FILE_INVALID when it is not the file the cursor is from. */
async function skipTo(opened: OpenFile, position: FilePosition): Promise<void> {
  if (position.sm3 !== null && position.sm3 !== opened.sm3) {
    throw fileError(`${opened.file.name} was replaced while it was being read; send the new rows under a later name`)
  }
  for (let row = 0; row < position.row; row++) {
    const { done } = await opened.rows.next()
    if (done === true) throw fileError(`${opened.file.name} has ${row} rows, the cursor stands at ${position.row}`)
  }
}

/** The next rows: at most `pageSize`, and no more once they pass `pageBytes`. */
async function takeRows(opened: OpenFile, pageSize: number, pageBytes: number): Promise<readonly unknown[]> {
  const rows: unknown[] = []
  let characters = 0
  while (rows.length < pageSize && characters < pageBytes) {
    const next = await opened.rows.next()
    if (next.done === true) break
    rows.push(next.value)
    characters += countCharacters(next.value)
  }
  return rows
}

function countCharacters(row: unknown): number {
  const cells: readonly unknown[] = typeof row === 'object' && row !== null ? Object.values(row) : []
  return cells.reduce<number>((sum, cell) => sum + String(cell).length, 0)
}
