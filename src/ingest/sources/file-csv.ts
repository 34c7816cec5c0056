import papaparse, { type ParseResult } from 'papaparse'
import { AppError } from '../../errors.ts'
import type { FileFormat } from '../../feeds/manifest-file.ts'
import type { DataFile, Table, TableRow } from './file-bytes.ts'
import { decodeText, readContent, toTextError } from './file-bytes.ts'
import { fileError } from './file-directory.ts'
import { assertColumns, createRowShape, MAX_COLUMNS } from './file-header.ts'

type CsvFormat = Extract<FileFormat, { readonly kind: 'csv' }>

type Line = readonly string[]

type LineEnd = '\r\n' | '\n' | '\r'

/** The rows of a CSV file (RFC 4180). A row of another length than the header comes as the plain list of its cells. */
export function openCsv(file: DataFile, format: CsvFormat): Table {
  return {
    rows: () => readRows(file, format),
    count: async () => {
      let count = 0
      for await (const lines of readLines(file, format)) count += lines.length
      return Math.max(0, count - 1)
    },
  }
}

async function* readRows(file: DataFile, format: CsvFormat): AsyncGenerator<TableRow, void> {
  let shape: ReturnType<typeof createRowShape> | null = null
  for await (const lines of readLines(file, format)) {
    for (const cells of lines) {
      if (shape === null) shape = createRowShape(cells)
      else yield shape(cells)
    }
  }
}

async function* readLines(file: DataFile, format: CsvFormat): AsyncGenerator<readonly Line[], void> {
  const { delimiter, encoding, compression } = format
  try {
    yield* cutLines(decodeText(readContent(file, compression), encoding, file.name), delimiter, file)
  } catch (error) {
    throw await toTextError(error, file.name, readContent(file, compression), encoding)
  }
}

/** The lines of a text as they come, some at a time; a line with nothing in it is none. */
async function* cutLines(
  text: AsyncIterable<string>,
  delimiter: string,
  file: DataFile,
): AsyncGenerator<readonly Line[], void> {
  let pending = ''
  let lineEnd: LineEnd | null = null
  let count = 0
  const cut = (isLast: boolean): readonly Line[] => {
    const parser = new papaparse.Parser({ delimiter, newline: lineEnd ?? '\n' })
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- its types leave the result open
    const { data, errors, meta } = parser.parse(pending, 0, !isLast) as ParseResult<Line>
    // What is wrong behind the last whole line may be right when more of it is there.
    const fault = errors.find(({ row = 0 }) => isLast || row < data.length)
    if (fault !== undefined)
      throw fileError(`${file.name} line ${count + (fault.row ?? 0) + 1}: ${quoteFault(fault.code)}`)
    if (count === 0) assertColumns(`${file.name} line 1`, data[0]?.length ?? 0)
    if (pending.length > file.rowBytes) assertLines(data, count, file)
    count += data.length
    pending = pending.slice(meta.cursor)
    return data.filter(isFilled).map(narrow)
  }
  let tried = 0
  for await (const chunk of withoutMark(text)) {
    pending += chunk
    lineEnd ??= findLineEnd(pending)
    // A line of 8 MB comes in 30 chunks: it is not gone through again, and copied, for each.
    if (lineEnd !== null && pending.length >= 2 * tried && /[\r\n]/.test(chunk)) {
      yield cut(false)
      tried = pending.length
    }
    assertLine(pending, lineEnd, count, file)
  }
  if (pending !== '') yield cut(true)
}

async function* withoutMark(text: AsyncIterable<string>): AsyncGenerator<string, void> {
  let isFirst = true
  for await (const chunk of text) {
    yield isFirst ? chunk.replace(/^\ufeff/, '') : chunk
    isFirst &&= chunk === ''
  }
}

const isFilled = (cells: Line): boolean => cells.length > 1 || cells[0] !== ''

/** A line of eight million commas would take 500 MB as a row; that it is too wide is seen at its first cells. */
const narrow = (cells: Line): Line => (cells.length > MAX_COLUMNS ? cells.slice(0, MAX_COLUMNS + 1) : cells)

const quoteFault = (code: string): string =>
  code === 'MissingQuotes' ? 'a quote is never closed' : 'a quote stands inside a quoted cell; write it twice'

/** How lines end, by the first end that is not inside quotes; null where there is none yet. */
function findLineEnd(text: string): LineEnd | null {
  const [found] = /\r\n|\n|\r(?!$)/.exec(text.replaceAll(/"[^"]*(?:"|$)/g, '')) ?? []
  return found === '\r\n' || found === '\n' || found === '\r' ? found : null
}

/** Column names of any table there is. */
const HEADER_CHARACTERS = 1_000_000

/** Throws AppError SOURCE_LIMIT_EXCEEDED for a line that is longer than a row may be, before it is whole. */
function assertLine(pending: string, lineEnd: LineEnd | null, count: number, file: DataFile): void {
  const most = lineEnd === null ? Math.min(HEADER_CHARACTERS, file.rowBytes) : file.rowBytes
  if (pending.length <= most) return
  throw tooLong(file, count + 1, most)
}

/** The same for lines that are whole. */
function assertLines(lines: readonly Line[], count: number, file: DataFile): void {
  const place = lines.findIndex((cells) => cells.join(' ').length > file.rowBytes)
  if (place >= 0) throw tooLong(file, count + place + 1, file.rowBytes)
}

const tooLong = (file: DataFile, line: number, most: number): AppError =>
  new AppError(
    'SOURCE_LIMIT_EXCEEDED',
    `${file.name} line ${line} has more than ${most} characters; is a quote left open?`,
  )
