import { isObject } from '../../feeds/code-tables.ts'
import type { Dataset } from '../../feeds/datasets.ts'
import { RECORD_ID } from '../../feeds/manifest-rules.ts'
import type { Manifest } from '../../feeds/manifest-types.ts'
import { parsePointer, readPath, type Path } from '../source-fields.ts'
import { cellText } from './cell-text.ts'

/** A field of the source as a column of a file: only fields that the manifest names, so nothing else leaves. */
export interface RowColumn {
  readonly name: string
  readonly path: Path
  /** The property it fills wants a number. */
  readonly isNumber: boolean
}

type SourceObject = Readonly<Record<string, unknown>>

/** The columns of a feed's rows, in the order of its manifest, each field once. */
export function columnsOf({ record, map, deletes }: Manifest, dataset: Dataset): readonly RowColumn[] {
  const numeric = new Set(
    dataset.properties.filter(({ type }) => type === 'number' || type === 'integer').map(({ name }) => name),
  )
  const named = [
    { from: record.id, to: RECORD_ID },
    ...map.flatMap(({ from, to }) => (from === undefined ? [] : [{ from, to: to.slice(1) }])),
    ...(deletes.kind === 'flag' ? [{ from: deletes.pointer, to: '' }] : []),
    ...(record.updatedAt === undefined ? [] : [{ from: record.updatedAt, to: '' }]),
  ]
  const byPointer = new Map<string, RowColumn>()
  for (const { from, to } of named) {
    const isNumber = numeric.has(to) || byPointer.get(from)?.isNumber === true
    byPointer.set(from, { name: from.slice(1), path: parsePointer(from), isNumber })
  }
  return [...byPointer.values()]
}

const valueAt = (row: unknown, { path }: RowColumn): unknown => (isObject(row) ? readPath(row, path) : undefined)

/** The cells of a row, one for each column. */
export function toCells(row: unknown, columns: readonly RowColumn[]): readonly string[] {
  return columns.map((column) => cellText(valueAt(row, column)))
}

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/

/** The corrected text as the kind of value that the source sends. */
function typed(text: string, before: unknown, { isNumber }: RowColumn): unknown {
  if (text === '') return null
  const wantsNumber = typeof before === 'number' || (isNumber && typeof before !== 'string')
  if (wantsNumber && NUMBER.test(text)) return Number(text)
  if (typeof before === 'boolean' && (text === 'true' || text === 'false')) return text === 'true'
  return text
}

function withValue(row: SourceObject, path: Path, value: unknown): SourceObject {
  const [first = '', ...rest] = path
  if (rest.length === 0) return { ...row, [first]: value }
  const inner = row[first]
  return { ...row, [first]: withValue(isObject(inner) ? inner : {}, rest, value) }
}

/**
 * The row with the cells that were corrected. A cell that is as it was exported leaves its value as it is, so that nothing
 * is lost in the file; `undefined` stands for a column that did not come back.
 */
export function withCells(
  row: unknown,
  columns: readonly RowColumn[],
  cells: readonly (string | undefined)[],
): SourceObject {
  let corrected: SourceObject = isObject(row) ? row : {}
  for (const [place, column] of columns.entries()) {
    const before = valueAt(row, column)
    const cell = cells[place]
    if (cell !== undefined && cell !== cellText(before))
      corrected = withValue(corrected, column.path, typed(cell, before, column))
  }
  return corrected
}
