import { AppError } from '../../errors.ts'
import type { DataFile } from './file-bytes.ts'
import { fileError } from './file-directory.ts'
import { plainStyle, showNumber } from './file-xlsx-values.ts'
import type { Workbook } from './file-xlsx-workbook.ts'
import { createTextCollector } from './file-xlsx-workbook.ts'
import type { Attributes } from './file-xlsx-xml.ts'

/** A cell's text; an object for a formula or an error, which no field takes, so that its row is rejected and not guessed. */
export type CellValue = string | { readonly formula: string; readonly shown: string } | { readonly error: string }

export interface Cell {
  /** As the sheet names it, for example B7; null where it follows the cell before. */
  readonly reference: string | null
  readonly value: CellValue
}

interface OpenCell {
  readonly reference: string | null
  readonly type: string
  readonly style: number
  text: string
  formula: string | null
  characters: number
}

/** Puts a cell together out of the tags and texts of a sheet. */
export interface CellCollector {
  readonly open: (name: string, attributes: Attributes) => void
  readonly text: (text: string) => void
  /** The cell that ended with this tag, or null. */
  readonly close: (name: string) => Cell | null
}

/** Throws AppError SOURCE_FILE_INVALID, and SOURCE_LIMIT_EXCEEDED for a cell of more than the file's `rowBytes`. */
export function createCellCollector(file: DataFile, workbook: Workbook): CellCollector {
  const inline = createTextCollector()
  let cell: OpenCell | null = null
  let target: 'text' | 'formula' | null = null
  return {
    open: (name, attributes) => {
      inline.open(name)
      if (name === 'c') cell = openCell(attributes)
      if (name === 'v') target = 'text'
      if (name !== 'f') return
      target = 'formula'
      if (cell !== null) cell.formula ??= ''
    },
    text: (text) => {
      if (cell === null) return
      assertCell(file, (cell.characters += text.length))
      inline.add(text)
      if (target === 'text') cell.text += text
      if (target === 'formula') cell.formula = `${cell.formula ?? ''}${text}`
    },
    close: (name) => {
      inline.close(name)
      target = null
      if (name !== 'c' || cell === null) return null
      const { reference } = cell
      const value = toValue(file, workbook, cell, inline.take())
      cell = null
      return { reference, value }
    },
  }
}

/** How much text a cell holds, in characters. */
export function countCharacters(value: CellValue): number {
  if (typeof value === 'string') return value.length
  return 'error' in value ? value.error.length : value.formula.length + value.shown.length
}

export function isBlank(value: CellValue): boolean {
  return typeof value === 'string' ? value.trim() === '' : 'shown' in value && value.shown === ''
}

function openCell({ r, t = 'n', s = '0' }: Attributes): OpenCell {
  return { reference: r ?? null, type: t, style: Number(s), text: '', formula: null, characters: 0 }
}

/** A text may come in any number of runs, so it is judged while it grows. */
function assertCell(file: DataFile, characters: number): void {
  if (characters <= file.rowBytes) return
  throw new AppError('SOURCE_LIMIT_EXCEEDED', `${file.name} has a cell of more than ${file.rowBytes} characters`)
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
  if (Object.hasOwn(typeReaders, type)) return typeReaders[type]?.(unescapeText(text)) ?? ''
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
