import type { Cell, Report, Section } from '../audit/reports.ts'
import { cellText, guardText } from '../ingest/rejections/cell-text.ts'

/** A count is written as it is; words never begin a formula. */
const cellOf = (cell: Cell): string =>
  typeof cell === 'number' ? String(cell) : `"${guardText('csv', cellText(cell)).replaceAll('"', '""')}"`

const lineOf = (cells: readonly Cell[]): string => cells.map(cellOf).join(',')

const sectionLines = ({ zh, en, columns, rows }: Section): readonly string[] => [
  '',
  lineOf([`${zh} / ${en}`]),
  lineOf(columns.map((column) => `${column.zh} / ${column.en}`)),
  ...rows.map(lineOf),
]

/** A report as one CSV file for a spreadsheet: RFC 4180, UTF-8 with a mark, tables one below the other. */
export const writeReportCsv = ({ zh, en, from, to, sections }: Report): string =>
  `\ufeff${[lineOf([`${zh} / ${en}`, `${from} – ${to}`]), ...sections.flatMap(sectionLines)].join('\r\n')}\r\n`
