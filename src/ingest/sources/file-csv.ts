import { pipeline } from 'node:stream'
import { CsvError, parse } from 'csv-parse'
import { AppError } from '../../errors.ts'
import type { FileFormat } from '../../feeds/manifest-file.ts'
import type { DataFile, TableRow } from './file-bytes.ts'
import { decodeText, readContent, toTextError } from './file-bytes.ts'
import type { Cells } from './file-header.ts'
import { assertColumns, createRowShape, MAX_COLUMNS } from './file-header.ts'

type CsvFormat = Extract<FileFormat, { readonly kind: 'csv' }>

/** The rows of a CSV file. A row of another length than the header comes as the plain list of its cells. */
export async function* readCsv(file: DataFile, format: CsvFormat): AsyncGenerator<TableRow, void> {
  let shape: ReturnType<typeof createRowShape> | null = null
  for await (const cells of readCells(file, format)) {
    if (shape !== null) yield shape(cells)
    else {
      assertColumns(`${file.name} line 1`, cells.length)
      shape = createRowShape(cells)
    }
  }
}

async function* readCells(
  file: DataFile,
  { delimiter, encoding, compression }: CsvFormat,
): AsyncGenerator<Cells, void> {
  const parser = parse({
    delimiter,
    bom: true,
    relax_column_count: true,
    // Old exports write a quote inside an unquoted cell; what it hurts shows in the number of rows.
    relax_quotes: true,
    skip_empty_lines: true,
    max_record_size: file.rowBytes,
    // Empty cells do not count in it: a line of eight million commas would take 500 MB. From here on they are one cell's text.
    ignore_last_delimiters: MAX_COLUMNS + 1,
  })
  const text = decodeText(readContent(file, compression), encoding, file.name)
  const cells: AsyncIterable<Cells> = pipeline(boundHeader(text, file.name), parser, () => undefined)
  try {
    yield* cells
  } catch (error) {
    throw toCsvError(error, file) ?? (await toTextError(error, file.name, readContent(file, compression), encoding))
  }
}

/** Column names of any table there is. Until the parser knows how lines end, it reads 6 MB/s; after that 50 MB/s. */
const HEADER_CHARACTERS = 1_000_000

/** The text as it is. Throws AppError SOURCE_LIMIT_EXCEEDED when its first line does not end. */
async function* boundHeader(text: AsyncIterable<string>, name: string): AsyncGenerator<string, void> {
  let left = HEADER_CHARACTERS
  for await (const chunk of text) {
    if (left > 0) left = /[\r\n]/.test(chunk) ? 0 : left - chunk.length
    if (left < 0)
      throw new AppError(
        'SOURCE_LIMIT_EXCEEDED',
        `${name} has a first line of more than ${HEADER_CHARACTERS} characters`,
      )
    yield chunk
  }
}

/** The parser's own error quotes cells, so only its code and line are taken over. */
function toCsvError(error: unknown, file: DataFile): AppError | null {
  if (!(error instanceof CsvError)) return null
  const code = error.code === 'CSV_MAX_RECORD_SIZE' ? 'SOURCE_LIMIT_EXCEEDED' : 'SOURCE_FILE_INVALID'
  return new AppError(code, `${file.name} line ${Number(error['lines'])}: ${error.code}`)
}
