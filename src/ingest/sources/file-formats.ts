import type { FileFormat } from '../../feeds/manifest-file.ts'
import type { DataFile, Table } from './file-bytes.ts'
import { openCsv } from './file-csv.ts'
import { openNdjson } from './file-ndjson.ts'

type FormatByKind = { readonly [Kind in FileFormat['kind']]: Extract<FileFormat, { readonly kind: Kind }> }

type Opener<Kind extends keyof FormatByKind> = (file: DataFile, format: FormatByKind[Kind]) => Promise<Table>

const openers: { readonly [Kind in keyof FormatByKind]: Opener<Kind> } = {
  csv: async (file, format) => openCsv(file, format),
  ndjson: async (file, format) => openNdjson(file, format),
  // Loaded only where a workbook is read: its library takes 20 MB of memory.
  xlsx: async (file, format) => (await import('./file-xlsx.ts')).openXlsx(file, format),
}

/** Opens a data file in its format. Throws AppError SOURCE_FILE_INVALID and SOURCE_LIMIT_EXCEEDED. */
export function openTable(file: DataFile, format: FileFormat): Promise<Table> {
  return openKind(format.kind, file, format)
}

function openKind<Kind extends keyof FormatByKind>(
  kind: Kind,
  file: DataFile,
  format: FormatByKind[Kind],
): Promise<Table> {
  return openers[kind](file, format)
}
