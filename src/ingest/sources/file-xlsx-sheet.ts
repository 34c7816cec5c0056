import { AppError } from '../../errors.ts'
import type { DataFile } from './file-bytes.ts'
import { fileError } from './file-directory.ts'
import type { Archive } from './file-xlsx-archive.ts'
import { plainStyle, showNumber } from './file-xlsx-values.ts'
import type { Workbook } from './file-xlsx-workbook.ts'
import { createTextCollector } from './file-xlsx-workbook.ts'
import type { Attributes } from './file-xlsx-xml.ts'
import { readXml } from './file-xlsx-xml.ts'

/** A cell's text; an object for a formula or an error, which no field takes, so that its row is rejected and not guessed. */
export type CellValue = string | { readonly formula: string; readonly shown: string } | { readonly error: string }

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

interface OpenCell {
  readonly column: number
  readonly type: string
  readonly style: number
  text: string
  formula: string | null
}

const MAX_COLUMNS = 16_384

/** Reads the rows of a sheet that hold anything, in order; `onMerge` is told of merged cells, which come after them. */
export async function* readSheet(
  file: DataFile,
  archive: Archive,
  workbook: Workbook,
  onMerge: (merged: MergedRows) => void,
): AsyncGenerator<SheetRow, void> {
  const rows = createRowReader(file, workbook)
  const open = (name: string, attributes: Attributes): void => {
    if (name === 'mergeCell') onMerge(toMergedRows(attributes['ref'] ?? ''))
    else rows.open(name, attributes)
  }
  for await (const _piece of readXml(file, archive, workbook.sheetPath, { open, text: rows.text, close: rows.close })) {
    yield* rows.take()
  }
}

interface RowReader {
  readonly open: (name: string, attributes: Attributes) => void
  readonly text: (text: string) => void
  readonly close: (name: string) => void
  readonly take: () => readonly SheetRow[]
}

function createRowReader(file: DataFile, workbook: Workbook): RowReader {
  const inline = createTextCollector()
  let taken: SheetRow[] = []
  let row = { number: 0, cells: [] as CellValue[], characters: 0 }
  let cell: OpenCell | null = null
  let target: 'text' | 'formula' | null = null
  const openers: Readonly<Record<string, (attributes: Attributes) => void>> = {
    row: ({ r }) => {
      row = { number: nextRow(file, row.number, r), cells: [], characters: 0 }
    },
    c: (attributes) => {
      cell = openCell(file, row, attributes)
    },
    v: () => {
      target = 'text'
    },
    f: () => {
      target = 'formula'
      if (cell !== null) cell.formula = ''
    },
  }
  const closers: Readonly<Record<string, () => void>> = {
    c: () => {
      if (cell === null) return
      const value = toValue(file, workbook, cell, inline.take())
      row.characters += cell.text.length
      assertRow(file, row)
      if (value !== '') fill(row.cells, cell.column, value)
      cell = null
    },
    row: () => {
      if (row.cells.some((value) => !isBlank(value))) taken.push({ number: row.number, cells: row.cells })
    },
  }
  return {
    open: (name, attributes) => {
      inline.open(name)
      openers[name]?.(attributes)
    },
    text: (text) => {
      inline.add(text)
      if (cell === null || target === null) return
      if (target === 'text') cell.text += text
      else cell.formula = `${cell.formula ?? ''}${text}`
    },
    close: (name) => {
      inline.close(name)
      target = null
      closers[name]?.()
    },
    take: () => {
      const rows = taken
      taken = []
      return rows
    },
  }
}

function nextRow(file: DataFile, before: number, stated: string | undefined): number {
  const number = stated === undefined ? before + 1 : Number(stated)
  if (Number.isSafeInteger(number) && number > before) return number
  throw fileError(`${file.name} has rows out of order after row ${before}`)
}

function openCell(file: DataFile, row: SheetRow, { r, t = 'n', s = '0' }: Attributes): OpenCell {
  const column = r === undefined ? row.cells.length : toColumn(r)
  if (column < row.cells.length || column >= MAX_COLUMNS) {
    throw fileError(`${file.name} has cells out of order in row ${row.number}`)
  }
  return { column, type: t, style: Number(s), text: '', formula: null }
}

/** Place of a column from 0: A is 0, XFD is 16,383. */
function toColumn(reference: string): number {
  let column = 0
  for (const letter of reference) {
    const digit = letter.charCodeAt(0) - 64
    if (digit < 1 || digit > 26) break
    column = column * 26 + digit
  }
  return column - 1 < 0 ? MAX_COLUMNS : column - 1
}

function fill(cells: CellValue[], column: number, value: CellValue): void {
  while (cells.length < column) cells.push('')
  cells.push(value)
}

const typeReaders: Readonly<Record<string, (text: string) => CellValue>> = {
  str: (text) => text,
  b: (text) => (text === '1' ? 'TRUE' : 'FALSE'),
  e: (error) => ({ error }),
  d: (text) => text.replace(/T00:00(:00(\.0+)?)?Z?$/, ''),
}

function toValue(file: DataFile, workbook: Workbook, cell: OpenCell, inline: string): CellValue {
  const shown = cell.type === 'inlineStr' ? unescapeText(inline) : readTyped(file, workbook, cell)
  if (cell.formula === null) return shown
  return { formula: cell.formula, shown: typeof shown === 'string' ? shown : '' }
}

function readTyped(file: DataFile, workbook: Workbook, { type, text, style }: OpenCell): CellValue {
  if (text === '') return ''
  if (type === 's') return unescapeText(workbook.strings(Number(text)) ?? refuseString(file))
  const read = typeReaders[type]
  if (read !== undefined) return read(unescapeText(text))
  return showNumber(text, workbook.styles[style] ?? plainStyle, workbook.from1904)
}

function refuseString(file: DataFile): never {
  throw fileError(`${file.name} refers to a text that it does not hold`)
}

/** Characters that XML cannot hold are written _x0000_: ECMA-376 part 1, 22.9.2.19. */
function unescapeText(text: string): string {
  return text.includes('_x')
    ? text.replace(/_x([\dA-Fa-f]{4})_/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    : text
}

function isBlank(value: CellValue): boolean {
  return typeof value === 'string' ? value.trim() === '' : 'shown' in value && value.shown === ''
}

function assertRow(file: DataFile, row: { readonly number: number; readonly characters: number }): void {
  if (row.characters <= file.rowBytes) return
  throw new AppError(
    'SOURCE_LIMIT_EXCEEDED',
    `${file.name} row ${row.number} holds more than ${file.rowBytes} characters`,
  )
}

function toMergedRows(reference: string): MergedRows {
  const [first = 0, last = first] = reference.split(':').map((corner) => Number(corner.replace(/\D+/g, '')))
  return { first, last }
}
