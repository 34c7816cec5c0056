import { hash } from 'node:crypto'
import { mkdir, open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { columnsOf } from '../city/layout.ts'
import type { SourceFields } from '../city/layout.ts'
import type { CitySource } from '../city/source.ts'
import { changesOfFirst, changesOfSecond, OPERATION_COLUMN, type Change } from './operations.ts'

/** One row of a file with its operation. */
export type Line = SourceFields

/** How a department drops its files. */
export interface DropDesign {
  readonly directory: string
  /** First letters of the file names. */
  readonly prefix: string
  /** With the point, for example `.csv.gz`. */
  readonly extension: string
  readonly encode: (lines: readonly Line[]) => Uint8Array | Promise<Uint8Array>
  /** What says that a file is whole: a marker beside each, or one list for the batch. Both are written last. */
  readonly marker: 'beside' | 'list'
}

interface DroppedFile {
  readonly name: string
  readonly rows: number
  readonly sm3: string
}

/** Lines of one file at most. */
const LINES_PER_FILE = 20_000

/** Writes under a name nobody looks for, and gives it its own name when every byte is on disk. */
async function writeWhole(path: string, bytes: Uint8Array | string): Promise<void> {
  const unfinished = `${path}.part`
  const file = await open(unfinished, 'w')
  try {
    await file.writeFile(bytes)
    await file.datasync()
  } finally {
    await file.close()
  }
  await rename(unfinished, path)
}

async function dropFile(design: DropDesign, name: string, lines: readonly Line[]): Promise<DroppedFile> {
  const bytes = await design.encode(lines)
  const facts = { rows: lines.length, sm3: hash('sm3', bytes) }
  await writeWhole(join(design.directory, name), bytes)
  if (design.marker === 'beside') await writeWhole(join(design.directory, `${name}.ok`), JSON.stringify(facts))
  return { name, ...facts }
}

/** Drops the lines as one batch of files `<prefix>_<batch>_<number>`. */
async function dropBatch(design: DropDesign, batch: string, lines: Iterable<Line>): Promise<void> {
  await mkdir(design.directory, { recursive: true })
  const files: DroppedFile[] = []
  let held: Line[] = []
  const flush = async (): Promise<void> => {
    const number = String(files.length + 1).padStart(4, '0')
    files.push(await dropFile(design, `${design.prefix}_${batch}_${number}${design.extension}`, held))
    held = []
  }
  for (const line of lines) {
    held.push(line)
    if (held.length === LINES_PER_FILE) await flush()
  }
  if (held.length > 0) await flush()
  if (design.marker === 'list')
    await writeWhole(join(design.directory, `${design.prefix}_${batch}.json`), JSON.stringify({ files }))
}

function* toLines(changes: Iterable<Change<unknown>>): Generator<Line> {
  for (const [operation, row] of changes) yield { ...columnsOf(row), [OPERATION_COLUMN]: operation }
}

/** The full batch of pass one. */
export function dropFullBatch(design: DropDesign, source: CitySource): Promise<void> {
  return dropBatch(design, '20260630_001', toLines(changesOfFirst(source)))
}

/** The increment of pass two. */
export function dropIncrement(design: DropDesign, source: CitySource): Promise<void> {
  return dropBatch(design, '20260701_002', toLines(changesOfSecond(source)))
}

/** Lines as CSV text (RFC 4180) with the columns of the first line. */
export function toCsv(lines: readonly Line[], delimiter: string): string {
  const columns = Object.keys(lines[0] ?? {})
  const quote = (value: SourceFields[string] | undefined): string => {
    const text = value === null || value === undefined ? '' : String(value)
    return text.includes(delimiter) || /["\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
  }
  const rows = lines.map((line) => columns.map((column) => quote(line[column])).join(delimiter))
  return [columns.join(delimiter), ...rows, ''].join('\r\n')
}
