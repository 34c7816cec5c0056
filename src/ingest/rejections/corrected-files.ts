import papaparse from 'papaparse'
import { AppError } from '../../errors.ts'
import { unguardText, type FileKind } from './cell-text.ts'
import { ID_COLUMN, MOST_EXPORTED } from './export.ts'

/** The rows of a file that came back: which rejection each corrects, and the text of each column that is there. */
export type CorrectedCells = readonly {
  readonly rejectionId: number
  readonly byColumn: ReadonlyMap<string, string>
}[]

const invalid = (why: string): AppError => new AppError('RESUBMISSION_INVALID', why)

/** Spreadsheets save CSV in the encoding of their country, whatever they opened. */
function decode(bytes: Uint8Array): string {
  for (const encoding of ['utf-8', 'gb18030']) {
    try {
      return new TextDecoder(encoding, { fatal: true }).decode(bytes)
    } catch {
      continue
    }
  }
  throw invalid('the file is neither UTF-8 nor GB 18030')
}

type Lines = readonly (readonly string[])[]

function readCsvLines(bytes: Buffer): Lines {
  const { data, errors } = papaparse.parse<readonly string[]>(decode(bytes), {
    delimiter: ',',
    skipEmptyLines: true,
    preview: MOST_EXPORTED + 2,
  })
  if (errors.length > 0) throw invalid('the file cannot be read as CSV; is a quote left open?')
  return data
}

const readers: Readonly<Record<FileKind, (bytes: Buffer) => Promise<Lines>>> = {
  csv: (bytes) => Promise.resolve(readCsvLines(bytes)),
  // Loaded only where a workbook is read: its library takes 20 MB of memory.
  xlsx: async (bytes) => (await import('./corrected-workbook.ts')).readWorkbookLines(bytes, MOST_EXPORTED + 2),
}

const ID = /^\d{1,15}$/

/** The corrected rows in a file of the kind that was exported. Throws RESUBMISSION_INVALID. */
export async function readCorrectedCells(kind: FileKind, bytes: Buffer): Promise<CorrectedCells> {
  const [head, ...lines] = await readers[kind](bytes)
  if (head === undefined) throw invalid('the file is empty')
  if (lines.length > MOST_EXPORTED) throw invalid(`the file has more than ${MOST_EXPORTED} rows; send it in parts`)
  const names = head.map((name) => unguardText(kind, name.trim()))
  const idPlace = names.indexOf(ID_COLUMN)
  if (idPlace < 0) throw invalid(`the file has no column ${ID_COLUMN}; keep the columns as they were exported`)
  if (new Set(names).size < names.length) throw invalid('two columns of the file have one name')
  return lines.map((cells, place) => {
    const id = unguardText(kind, cells[idPlace]?.trim() ?? '')
    if (!ID.test(id)) throw invalid(`row ${place + 2} does not say which rejection it corrects`)
    const byColumn = cells.map((cell, column) => [names[column] ?? '', unguardText(kind, cell)] as const)
    return { rejectionId: Number(id), byColumn: new Map(byColumn) }
  })
}
