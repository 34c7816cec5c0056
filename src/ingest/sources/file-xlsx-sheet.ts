import { AppError } from '../../errors.ts'
import type { DataFile } from './file-bytes.ts'
import { fileError } from './file-directory.ts'
import { assertColumns } from './file-header.ts'
import type { Archive } from './file-xlsx-archive.ts'
import type { Cell, CellValue } from './file-xlsx-cell.ts'
import { countCharacters, createCellCollector, isBlank } from './file-xlsx-cell.ts'
import type { Workbook } from './file-xlsx-workbook.ts'
import type { Attributes } from './file-xlsx-xml.ts'
import { readXml } from './file-xlsx-xml.ts'

export interface SheetRow {
  /** From 1, as Excel counts. */
  readonly number: number
  readonly cells: readonly CellValue[]
}

/** Rows of a merged range, from 1. */
export interface MergedRows {
  readonly first: number
  readonly last: number
}

// A sheet that was formatted to its last row has a million of them, which take more than a second.
const MAX_EMPTY_ROWS = 100_000

/** Reads the rows of a sheet that hold anything, in order; `onMerge` is told of merged cells, which come after them. */
export async function* readSheet(
  file: DataFile,
  archive: Archive,
  workbook: Workbook,
  onMerge: (merged: MergedRows) => void,
): AsyncGenerator<SheetRow, void> {
  const cells = createCellCollector(file, workbook)
  const rows = createRowCollector(file)
  const open = (name: string, attributes: Attributes): void => {
    if (name === 'mergeCell') onMerge(toMergedRows(attributes['ref'] ?? ''))
    if (name === 'row') rows.begin(attributes['r'])
    cells.open(name, attributes)
  }
  const close = (name: string): void => {
    const cell = cells.close(name)
    if (cell !== null) rows.add(cell)
    if (name === 'row') rows.end()
  }
  for await (const _piece of readXml(file, archive, workbook.sheetPath, { open, text: cells.text, close })) {
    yield* rows.take()
  }
}

interface OpenRow {
  readonly number: number
  /** Filled up to the last cell that holds anything. */
  readonly cells: CellValue[]
  /** Place of the cell that would come next, from 0. */
  next: number
  characters: number
}

/** Puts rows together out of cells, and keeps those that hold anything until they are taken. */
interface RowCollector {
  /** `stated` is the number that the sheet gives the row. */
  readonly begin: (stated: string | undefined) => void
  readonly add: (cell: Cell) => void
  readonly end: () => void
  readonly take: () => readonly SheetRow[]
}

function createRowCollector(file: DataFile): RowCollector {
  let taken: SheetRow[] = []
  let row = openRow(0)
  let empty = 0
  return {
    begin: (stated) => {
      row = openRow(nextRow(file, row.number, stated))
    },
    add: ({ reference, value }) => {
      const column = nextColumn(file, row, reference)
      row.next = column + 1
      row.characters += countCharacters(value)
      assertRow(file, row)
      if (value !== '') fill(file, row, column, value)
    },
    end: () => {
      const { number, cells } = row
      const isEmpty = cells.every(isBlank)
      empty = isEmpty ? empty + 1 : 0
      assertEmptyRows(file, empty)
      if (!isEmpty) taken.push({ number, cells })
    },
    take: () => {
      const rows = taken
      taken = []
      return rows
    },
  }
}

function openRow(number: number): OpenRow {
  return { number, cells: [], next: 0, characters: 0 }
}

function nextRow(file: DataFile, before: number, stated: string | undefined): number {
  const number = stated === undefined ? before + 1 : Number(stated)
  if (Number.isSafeInteger(number) && number > before) return number
  throw fileError(`${file.name} has rows out of order after row ${before}`)
}

function nextColumn(file: DataFile, { number, next }: OpenRow, reference: string | null): number {
  const column = reference === null ? next : toColumn(reference)
  if (column >= next) return column
  throw fileError(`${file.name} has cells out of order in row ${number}`)
}

/** Place of a column from 0: A is 0; -1 for what names none. */
function toColumn(reference: string): number {
  let column = 0
  for (const letter of reference) {
    const digit = letter.charCodeAt(0) - 64
    if (digit < 1 || digit > 26) break
    column = column * 26 + digit
  }
  return column - 1
}

function fill(file: DataFile, { number, cells }: OpenRow, column: number, value: CellValue): void {
  assertColumns(`${file.name} row ${number}`, column + 1)
  while (cells.length < column) cells.push('')
  cells.push(value)
}

function assertEmptyRows(file: DataFile, empty: number): void {
  if (empty <= MAX_EMPTY_ROWS) return
  throw new AppError(
    'SOURCE_LIMIT_EXCEEDED',
    `${file.name} has more than ${MAX_EMPTY_ROWS} empty rows on end; delete the rows below the data`,
  )
}

function assertRow(file: DataFile, { number, characters }: OpenRow): void {
  if (characters <= file.rowBytes) return
  throw new AppError('SOURCE_LIMIT_EXCEEDED', `${file.name} row ${number} holds more than ${file.rowBytes} characters`)
}

function toMergedRows(reference: string): MergedRows {
  const [first = 0, last = first] = reference.split(':').map((corner) => Number(corner.replace(/\D+/g, '')))
  return { first, last }
}
