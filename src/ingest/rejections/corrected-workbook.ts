import { AppError } from '../../errors.ts'
import { bytesAsFile } from '../sources/file-bytes.ts'
import { openArchive } from '../sources/file-xlsx-archive.ts'
import { readSheet } from '../sources/file-xlsx-sheet.ts'
import { openWorkbook } from '../sources/file-xlsx-workbook.ts'

const ROW_BYTES = 1_048_576

/** Merged cells hold their value once: which row it corrects would be guessed. */
const refuseMerged = (): never => {
  throw new AppError('RESUBMISSION_INVALID', 'the sheet has merged cells; every column and row needs its own')
}

/**
 * The rows of the first sheet of a workbook, `most` at most, cells as the texts that Excel shows. Nothing is evaluated: a row with a
 * formula in it is refused. Throws RESUBMISSION_INVALID.
 */
export async function readWorkbookLines(bytes: Buffer, most: number): Promise<readonly (readonly string[])[]> {
  const file = bytesAsFile('the workbook', bytes, ROW_BYTES)
  const lines: (readonly string[])[] = []
  try {
    const archive = await openArchive(file)
    const workbook = await openWorkbook(file, archive, undefined)
    for await (const { number, cells } of readSheet(file, archive, workbook, refuseMerged)) {
      if (!cells.every((cell) => typeof cell === 'string'))
        throw new AppError('RESUBMISSION_INVALID', `row ${number} holds a formula or an error; write values`)
      lines.push(cells)
      if (lines.length >= most) break
    }
  } catch (error) {
    // What a department's file source would answer, as this request's own refusal.
    if (error instanceof AppError && error.code.startsWith('SOURCE_'))
      throw new AppError('RESUBMISSION_INVALID', error.detail)
    throw error
  }
  return widen(lines)
}

/** Empty cells at the end of a row are not in the file; here they are empty texts, so that a cell can be emptied. */
function widen(lines: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const width = lines[0]?.length ?? 0
  return lines.map((cells) => Array.from({ length: Math.max(width, cells.length) }, (_, place) => cells[place] ?? ''))
}
