import { AppError } from '../../errors.ts'
import { createFieldsBuilder } from '../build-fields.ts'
import type { TableRow } from './file-bytes.ts'

/** The cells of one line: texts, and objects for what a cell holds instead of a text. */
export type Cells = readonly (string | object)[]

/** Widest row: a cell in Excel's last column would make 16,384 cells of each short row. */
export const MAX_COLUMNS = 1000

/** Throws AppError SOURCE_LIMIT_EXCEEDED for more than `MAX_COLUMNS` columns in the named place. */
export function assertColumns(place: string, columns: number): void {
  if (columns <= MAX_COLUMNS) return
  throw new AppError('SOURCE_LIMIT_EXCEEDED', `${place} goes beyond column ${MAX_COLUMNS}`)
}

/**
 * Makes rows of cells by the names in `header`. A row of another length, and every row where the header names a column twice,
 * stays a plain list: it has no shape that a mapping could read.
 */
export function createRowShape(header: Cells): (cells: Cells) => TableRow {
  const names = header.map(String)
  const isUnique = new Set(names).size === names.length
  const toObject = createFieldsBuilder(names)
  return (cells) => ({
    value: isUnique && cells.length === names.length ? toObject(cells) : cells,
    // Each cell counts one more, as its delimiter does: a row of empty cells takes memory too.
    characters: countCharacters(cells),
  })
}

function countCharacters(cells: Cells): number {
  let characters = cells.length
  for (const cell of cells) if (typeof cell === 'string') characters += cell.length
  return characters
}
