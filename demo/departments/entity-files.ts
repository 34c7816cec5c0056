import { hash } from 'node:crypto'
import { mkdir, open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import iconv from 'iconv-lite'
import { entityColumns } from '../city/entity-source.ts'
import { columnsOf } from '../city/layout.ts'
import type { SourceFields } from '../city/layout.ts'
import type { CitySource } from '../city/source.ts'

/** What the last column of a line says of it. */
type Operation = 'I' | 'U' | 'D'
type Line = readonly [operation: Operation, row: SourceFields]

/** Lines of one file at most. */
const LINES_PER_FILE = 20_000
const OPERATION_COLUMN = 'czlx'
const header = [...entityColumns, OPERATION_COLUMN].join(',')

function quote(value: SourceFields[string] | undefined): string {
  const text = value === null || value === undefined ? '' : String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

function toLine([operation, row]: Line): string {
  return [...entityColumns.map((column) => quote(row[column])), operation].join(',')
}

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

/** One GB18030 file, and after it the marker with the number of its lines and the SM3 of its bytes. */
async function writeFile(path: string, lines: readonly string[]): Promise<void> {
  const bytes = iconv.encode([header, ...lines, ''].join('\r\n'), 'gb18030')
  await writeWhole(path, bytes)
  await writeWhole(`${path}.ok`, JSON.stringify({ rows: lines.length, sm3: hash('sm3', bytes) }))
}

/** Writes the lines as one batch of files `dwxx_<batch>_<number>.csv`; returns their names. */
async function writeBatch(directory: string, batch: string, lines: Iterable<Line>): Promise<readonly string[]> {
  await mkdir(directory, { recursive: true })
  const names: string[] = []
  let held: string[] = []
  const flush = async (): Promise<void> => {
    const name = `dwxx_${batch}_${String(names.length + 1).padStart(4, '0')}.csv`
    await writeFile(join(directory, name), held)
    names.push(name)
    held = []
  }
  for (const line of lines) {
    held.push(toLine(line))
    if (held.length === LINES_PER_FILE) await flush()
  }
  if (held.length > 0) await flush()
  return names
}

function* linesOfFirst({ layout, rowAt }: CitySource): Generator<Line> {
  for (let position = 0; position < layout.total; position += 1) yield ['I', columnsOf(rowAt(position))]
}

function* linesOfSecond({ changes, goodRow }: CitySource): Generator<Line> {
  for (const index of changes.updated) yield ['U', goodRow(index, 1)]
  for (const index of changes.deleted) yield ['D', goodRow(index, 0)]
  for (let number = 0; number < changes.inserted; number += 1) yield ['I', goodRow(changes.firstInserted + number, 0)]
}

/** The full batch of pass one. */
export function writeFullBatch(directory: string, source: CitySource): Promise<readonly string[]> {
  return writeBatch(directory, '20260630_001', linesOfFirst(source))
}

/** The increment of pass two. */
export function writeIncrement(directory: string, source: CitySource): Promise<readonly string[]> {
  return writeBatch(directory, '20260701_002', linesOfSecond(source))
}
