import type { FileHandle } from 'node:fs/promises'
import type { FileSourceManifest } from '../../feeds/manifest-file.ts'
import type { EgressGuard } from '../../security/egress.ts'
import { isCount, isOneOf, isText, orNull, toCursor } from './cursor.ts'
import type { DataFile, TableRow } from './file-bytes.ts'
import { assertUnchanged, noteFile } from './file-bytes.ts'
import type { FileDirectory, VisitDirectory } from './file-directory.ts'
import { fileError } from './file-directory.ts'
import type { AnnouncedFile } from './file-drop.ts'
import { findFileAgain, findNextFile } from './file-drop.ts'
import { openTable } from './file-formats.ts'
import type { FileDigest } from './file-marker.ts'
import { openDirectory } from './file-transports.ts'
import { verifyDigest, verifyRows } from './file-verify.ts'
import type { SourceLimits } from './limits.ts'
import { assertPageCount } from './limits.ts'
import type { Cursor, Secrets, Source, SourcePage } from './source.ts'

export interface FileSourceOptions {
  readonly manifest: FileSourceManifest
  readonly secrets: Secrets
  readonly egress: EgressGuard
  readonly limits: SourceLimits
}

type FilePosition = {
  readonly kind: 'file'
  readonly state: 'reading' | 'done'
  /** The file being read, its digest and the rows of it already read; null between files. */
  readonly file: string | null
  readonly digest: string | null
  readonly row: number
  /** The last file read to its end. */
  readonly done: string | null
  /** The list that names `file`, or else `done`; null where files have markers of their own. */
  readonly batch: string | null
  /** Rows that the files of this run should hold, as the department counts them; null where it does not. */
  readonly offered: number | null
  /** Pages of this run. */
  readonly pages: number
}

/** A verified file, kept open between two pages so that each row is parsed once. */
interface OpenFile {
  readonly file: DataFile
  readonly announced: AnnouncedFile
  readonly digest: string
  readonly rows: AsyncGenerator<TableRow, void>
  /** Rows of it already handed out. */
  readonly row: number
}

const checks = {
  kind: isOneOf('file'),
  state: isOneOf('reading', 'done'),
  file: orNull(isText),
  digest: orNull(isText),
  row: isCount,
  done: orNull(isText),
  batch: orNull(isText),
  offered: orNull(isCount),
  pages: isCount,
}

const beginning: FilePosition = {
  kind: 'file',
  state: 'reading',
  file: null,
  digest: null,
  row: 0,
  done: null,
  batch: null,
  offered: 0,
  pages: 0,
}

const DEFAULT_FILE_BYTES = 1024 ** 3

/**
 * Opens a drop directory, of this machine or by SFTP or FTPS. A file is read when a marker or a list says that it is complete,
 * and verified whole before its first row is handed out. Throws AppError SECRET_MISSING; pages throw SOURCE_FILE_INVALID,
 * SOURCE_LIMIT_EXCEEDED, SOURCE_UNAVAILABLE, SOURCE_REFUSED and EGRESS_FORBIDDEN. Names must rise from batch to batch: a file
 * that sorts before a finished one is not read.
 */
export function openFileSource(options: FileSourceOptions): Source {
  const hand = openHand(options, openDirectory(options.manifest, options.secrets, options.egress))
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
  /** The file at the position, read on from there; null when no other is complete. */
  readonly openAt: (position: FilePosition) => Promise<OpenFile | null>
  readonly moveTo: (row: number) => void
  readonly close: () => Promise<void>
}

function openHand(options: FileSourceOptions, visit: VisitDirectory): Hand {
  let current: OpenFile | null = null
  const close = async (): Promise<void> => {
    const closing = current
    current = null
    await closing?.rows.return()
    await closing?.file.handle.close()
  }
  const openAt = async (position: FilePosition): Promise<OpenFile | null> => {
    if (current !== null && isAt(current, position)) return current
    await close()
    const found = await visit((directory) => findFile(options.manifest, directory, position))
    current = found === null ? null : await openFound(options, found, position)
    return current
  }
  const moveTo = (row: number): void => {
    current = current === null ? null : { ...current, row }
  }
  return { openAt, moveTo, close }
}

function isAt(opened: OpenFile, position: FilePosition): boolean {
  return opened.announced.name === position.file && opened.row === position.row && opened.digest === position.digest
}

async function readPage(
  { manifest, limits }: FileSourceOptions,
  hand: Hand,
  position: FilePosition,
): Promise<SourcePage> {
  const opened = await hand.openAt(position)
  if (opened === null) return toPage([], { ...position, state: 'done' })
  const { announced, digest, file } = opened
  const taken = await takeRows(opened, manifest.pageSize, limits.pageBytes)
  await assertUnchanged(file)
  const entered = position.file === null ? enter(position, announced) : position
  if (taken.length === 0) {
    await hand.close()
    return toPage([], { ...entered, file: null, digest: null, row: 0, done: announced.name })
  }
  const pages = position.pages + 1
  assertPageCount(pages, limits)
  const row = position.row + taken.length
  hand.moveTo(row)
  return toPage(taken, { ...entered, file: announced.name, digest, row, pages })
}

function enter(position: FilePosition, { batch, rows }: AnnouncedFile): FilePosition {
  return { ...position, batch, offered: position.offered === null || rows === null ? null : position.offered + rows }
}

function toPage(taken: readonly TableRow[], cursor: FilePosition): SourcePage {
  const rows = taken.map(({ value }, place) => ({ row: place, value }))
  const page = { rows, cursor, done: cursor.state === 'done' }
  return cursor.offered === null ? page : { ...page, total: cursor.offered }
}

function findPosition(cursor: Cursor | null): FilePosition {
  const saved = cursor === null ? beginning : toCursor<FilePosition>(cursor, checks)
  return saved.state === 'done' ? { ...saved, state: 'reading', offered: 0, pages: 0 } : saved
}

interface FoundFile {
  readonly announced: AnnouncedFile
  readonly handle: FileHandle
}

/** What is done at the directory: no connection is held while a file is verified and read. */
async function findFile(
  manifest: FileSourceManifest,
  directory: FileDirectory,
  position: FilePosition,
): Promise<FoundFile | null> {
  const announced =
    position.file === null
      ? await findNextFile(directory, manifest, position)
      : await findFileAgain(directory, manifest, position.file, position.batch)
  if (announced === null) return null
  return { announced, handle: await directory.open(announced.name, manifest.maxFileBytes ?? DEFAULT_FILE_BYTES) }
}

async function openFound(options: FileSourceOptions, found: FoundFile, position: FilePosition): Promise<OpenFile> {
  const { announced, handle } = found
  const { manifest, limits } = options
  try {
    const file = await noteFile(announced.name, handle, limits.pageBytes)
    const digest = await verifyDigest(file, announced)
    const table = await openTable(file, manifest.format)
    await verifyRows(file, table, announced)
    const opened = { file, announced, digest: toText(digest), rows: table.rows(), row: position.row }
    await skipTo(opened, position)
    return opened
  } catch (error) {
    await handle.close()
    throw error
  }
}

function toText({ algorithm, hex }: FileDigest): string {
  return `${algorithm}:${hex}`
}

/** Goes on inside a file after a restart. Throws AppError SOURCE_FILE_INVALID when it is not the file the cursor is from. */
async function skipTo(opened: OpenFile, position: FilePosition): Promise<void> {
  if (position.digest !== null && position.digest !== opened.digest) {
    throw fileError(`${opened.file.name} was replaced while it was being read; send the new rows under a later name`)
  }
  for (let row = 0; row < position.row; row++) {
    const { done } = await opened.rows.next()
    if (done === true) throw fileError(`${opened.file.name} has ${row} rows, the cursor stands at ${position.row}`)
  }
}

/** The next rows: at most `pageSize`, and no more once they pass `pageBytes`. */
async function takeRows(opened: OpenFile, pageSize: number, pageBytes: number): Promise<readonly TableRow[]> {
  const rows: TableRow[] = []
  let characters = 0
  while (rows.length < pageSize && characters < pageBytes) {
    const next = await opened.rows.next()
    if (next.done === true) break
    rows.push(next.value)
    characters += next.value.characters
  }
  return rows
}
