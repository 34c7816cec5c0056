import type { FileFormat } from '../../feeds/manifest-file.ts'
import type { DataFile, Table, TableRow } from './file-bytes.ts'
import { fileError } from './file-directory.ts'
import { createRowShape } from './file-header.ts'
import type { Archive } from './file-xlsx-archive.ts'
import { openArchive } from './file-xlsx-archive.ts'
import type { CellValue } from './file-xlsx-cell.ts'
import type { MergedRows, SheetRow } from './file-xlsx-sheet.ts'
import { readSheet } from './file-xlsx-sheet.ts'
import type { Workbook } from './file-xlsx-workbook.ts'
import { openWorkbook } from './file-xlsx-workbook.ts'

type XlsxFormat = Extract<FileFormat, { readonly kind: 'xlsx' }>

/** Where header and data of a sheet are, from 1. */
interface Layout {
  readonly header: number
  readonly firstData: number
}

/**
 * Opens one sheet of a workbook. Cells come as the texts that Excel shows, dates in ISO form; nothing is evaluated. Rows with
 * nothing in them are passed over. Throws AppError SOURCE_FILE_INVALID, SOURCE_LIMIT_EXCEEDED.
 */
export async function openXlsx(file: DataFile, format: XlsxFormat): Promise<Table> {
  const archive = await openArchive(file)
  const workbook = await openWorkbook(file, archive, format.sheet)
  const header = format.headerRow ?? 1
  const layout = { header, firstData: header + 1 + (format.skipRows ?? 0) }
  const rows = (): AsyncGenerator<TableRow, void> => readRows(file, archive, workbook, layout)
  return {
    rows,
    count: async () => {
      let count = 0
      for await (const _row of rows()) count += 1
      return count
    },
  }
}

async function* readRows(
  file: DataFile,
  archive: Archive,
  workbook: Workbook,
  layout: Layout,
): AsyncGenerator<TableRow, void> {
  const onMerge = (merged: MergedRows): void => assertNotMerged(file, layout, merged)
  let header: readonly string[] | null = null
  let shape: ReturnType<typeof createRowShape> | null = null
  for await (const row of readSheet(file, archive, workbook, onMerge)) {
    if (row.number === layout.header) {
      header = readHeader(file, row)
      shape = createRowShape(header)
    }
    if (row.number < layout.firstData) continue
    if (header === null || shape === null) throw fileError(`${file.name} has no column names in row ${layout.header}`)
    yield shape(widen(row.cells, header.length))
  }
}

/** Merged cells hold their value once: what belongs to the other rows or columns would be guessed. */
function assertNotMerged(file: DataFile, { header, firstData }: Layout, { first, last }: MergedRows): void {
  const isAbove = last < header
  const isExplanation = first > header && last < firstData
  if (!isAbove && !isExplanation) {
    throw fileError(`${file.name} has merged cells in rows ${first} to ${last}; every column and row needs its own`)
  }
}

function readHeader(file: DataFile, { number, cells }: SheetRow): readonly string[] {
  return cells.map((cell) => {
    if (typeof cell === 'string') return cell.trim()
    throw fileError(`${file.name} has a formula among the column names in row ${number}`)
  })
}

function widen(cells: readonly CellValue[], length: number): readonly CellValue[] {
  return cells.length >= length ? cells : [...cells, ...Array<string>(length - cells.length).fill('')]
}
