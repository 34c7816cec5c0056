import type { Dataset } from '../../feeds/datasets.ts'
import type { KeyRing } from '../../security/key-ring.ts'
import type { Feed } from '../../store/feeds.ts'
import type { StoredRejection } from '../../store/rejections.ts'
import { compileMapping } from '../map.ts'
import { openRejection, unsettledSubject } from '../protect.ts'
import type { TextTable } from '../table-files.ts'
import { columnsOf, toCells } from './row-columns.ts'
import { explainReasons } from './show.ts'

/** The column that names the rejection; the others beside it explain, and are not read when the file comes back. */
export const ID_COLUMN = '#rejection'
const EXPLAINING = ['#run', '#page', '#row', '#rules', '#fields', '#说明', '#建议', '#reason', '#advice'] as const

/** Rows of one file. */
export const MOST_EXPORTED = 5000
/** Characters of one file: many long fields must not fill memory. */
const MOST_CHARACTERS = 16 * 1024 * 1024

/** A table and where the next file begins. */
export interface ExportedTable extends TextTable {
  /** Tokens of the persons that the rows name. */
  readonly subjects: readonly (string | null)[]
  /** Id of the last rejection in the table; null: there are no more. */
  readonly next: number | null
}

function explain({ rejectionId, runId, page, row, reasons }: StoredRejection): readonly string[] {
  const shown = explainReasons(reasons)
  const lines = (texts: readonly (string | null)[]): string =>
    [...new Set(texts.filter((text) => text !== null))].join('；')
  return [
    String(rejectionId),
    String(runId),
    String(page),
    String(row),
    lines(shown.map(({ rule }) => rule)),
    lines(shown.map(({ field }) => field)),
    lines(shown.map(({ zh }) => zh)),
    lines(shown.map(({ adviceZh }) => adviceZh)),
    lines(shown.map(({ en }) => en)),
    lines(shown.map(({ adviceEn }) => adviceEn)),
  ]
}

/**
 * The refused rows of a feed with their clear values and with advice, for the department that they came from. Holds only fields
 * that the manifest names. `read` gives the next rejections after an id, none at the end.
 */
export async function exportRejections(
  feed: Feed,
  dataset: Dataset,
  keys: KeyRing,
  read: (after: number) => Promise<readonly StoredRejection[]>,
  after: number,
): Promise<ExportedTable> {
  const columns = columnsOf(feed.manifest, dataset)
  const head = [ID_COLUMN, ...EXPLAINING, ...columns.map(({ name }) => name)]
  const rows: (readonly string[])[] = []
  const subjects: (string | null)[] = []
  const mapRow = compileMapping(feed.manifest, dataset)
  let characters = 0
  let last = after
  for (;;) {
    const stored = await read(last)
    if (stored.length === 0) return { head, rows, subjects, next: null }
    for (const one of stored) {
      if (rows.length >= MOST_EXPORTED || characters >= MOST_CHARACTERS) return { head, rows, subjects, next: last }
      const clear = openRejection(one, { feed: feed.code, keys })
      const cells = [...explain(one), ...toCells(clear, columns)]
      rows.push(cells)
      subjects.push(unsettledSubject(mapRow({ row: one.row, value: clear }).fields, { dataset, keys }))
      characters += cells.reduce((sum, cell) => sum + cell.length, 0)
      last = one.rejectionId
    }
  }
}
