import { PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { guardText, type FileKind } from './rejections/cell-text.ts'

/** A table of texts. `cellText` makes one of any value. */
export interface TextTable {
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

const quote = (cell: string): string => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)

function writeCsv({ head, rows }: TextTable): Promise<Buffer> {
  const lines = [head, ...rows].map((cells) => cells.map((cell) => quote(guardText('csv', cell))).join(','))
  return Promise.resolve(Buffer.from(`\ufeff${lines.join('\r\n')}\r\n`))
}

async function writeXlsx({ head, rows }: TextTable): Promise<Buffer> {
  // Loaded only where a workbook is written: it takes 20 MB of memory.
  const { WorkbookWriter } = await import('@cj-tech-master/excelts')
  const stream = new PassThrough()
  const bytes = buffer(stream)
  const workbook = new WorkbookWriter({ stream, useStyles: true, useSharedStrings: false })
  const sheet = workbook.addWorksheet('data')
  for (const cells of [head, ...rows]) {
    const row = sheet.addRow(cells.map((cell) => guardText('xlsx', cell)))
    row.numFmt = '@'
    row.commit()
  }
  sheet.commit()
  await workbook.commit()
  return bytes
}

interface FileForm {
  readonly mediaType: string
  readonly write: (table: TextTable) => Promise<Buffer>
}

/**
 * How a table becomes a file, by kind: the one place that writes CSV and XLSX. Every cell is a text, and none can be taken for a
 * formula (OWASP ASVS 5.0, 1.2.10).
 */
export const fileForms: Readonly<Record<FileKind, FileForm>> = {
  csv: { mediaType: 'text/csv; charset=utf-8', write: writeCsv },
  xlsx: { mediaType: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', write: writeXlsx },
}
