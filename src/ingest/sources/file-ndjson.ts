import { AppError } from '../../errors.ts'
import type { FileFormat } from '../../feeds/manifest-file.ts'
import type { DataFile, Table, TableRow } from './file-bytes.ts'
import { decodeText, readContent, toTextError } from './file-bytes.ts'
import { parseJson } from './json.ts'

type NdjsonFormat = Extract<FileFormat, { readonly kind: 'ndjson' }>

/** One row for each line that is not blank. A line that is not JSON stays a text, which no mapping takes. */
export function openNdjson(file: DataFile, format: NdjsonFormat): Table {
  return {
    rows: async function* (): AsyncGenerator<TableRow, void> {
      for await (const line of readLines(file, format)) yield { value: parseLine(line), characters: line.length }
    },
    count: async () => {
      let count = 0
      for await (const _line of readLines(file, format)) count += 1
      return count
    },
  }
}

async function* readLines(file: DataFile, { compression }: NdjsonFormat): AsyncGenerator<string, void> {
  try {
    yield* splitLines(decodeText(readContent(file, compression), 'utf-8', file.name), file)
  } catch (error) {
    throw await toTextError(error, file.name, readContent(file, compression), 'utf-8')
  }
}

async function* splitLines(text: AsyncIterable<string>, file: DataFile): AsyncGenerator<string, void> {
  let rest = ''
  for await (const chunk of text) {
    const lines = chunk.split('\n')
    const last = lines.pop() ?? ''
    for (const line of lines) {
      const whole = rest + line
      rest = ''
      assertLine(whole, file)
      if (whole.trim() !== '') yield whole
    }
    rest += last
    assertLine(rest, file)
  }
  if (rest.trim() !== '') yield rest
}

function assertLine(line: string, file: DataFile): void {
  if (line.length <= file.rowBytes) return
  throw new AppError('SOURCE_LIMIT_EXCEEDED', `${file.name} has a line of more than ${file.rowBytes} characters`)
}

function parseLine(line: string): unknown {
  try {
    return parseJson(line)
  } catch {
    return line
  }
}
