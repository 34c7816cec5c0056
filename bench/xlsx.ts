import { hash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { packWorkbook, sharedStringsXml, sheetXml, workbookParts } from '../test/ingest/sources/workbook.ts'
import { median, round } from './figures.ts'
import { columnNames, residentRows, writeCsvSource, type Row } from './residents.ts'
import { openBenchStage, type BenchSource, type BenchStage } from './stage.ts'

export interface XlsxResult {
  /** Records per second out of a workbook, from its file to the committed page, median of the rounds. */
  readonly rate: number
  /** Against the same rows out of a CSV file in the same round. */
  readonly ratio: number
  /** The most memory that the whole process held while it ingested the workbook. */
  readonly peakRssMb: number
  readonly fileMb: number
}

/** The parts of a workbook as Excel writes it: every text once, in a list that cells refer to by place. */
function toParts(columns: readonly string[], rows: readonly Row[]): ReturnType<typeof workbookParts> {
  const places = new Map<string, number>()
  const place = (text: string): number => {
    const known = places.get(text)
    if (known !== undefined) return known
    places.set(text, places.size)
    return places.size - 1
  }
  const toRow = (texts: readonly (string | undefined)[], number: number): string => {
    const cells = texts.map((text) => (text === undefined ? '<c s="0"/>' : `<c t="s"><v>${place(text)}</v></c>`))
    return `<row r="${number}">${cells.join('')}</row>`
  }
  const lines = rows.map((row, index) =>
    toRow(
      columns.map((name) => row[name]),
      index + 2,
    ),
  )
  const sheet = sheetXml(toRow(columns, 1) + lines.join(''))
  const strings = sharedStringsXml([...places.keys()].map((text) => `<t>${text}</t>`))
  return workbookParts('', { 'xl/worksheets/sheet1.xml': sheet, 'xl/sharedStrings.xml': strings })
}

async function writeXlsxSource(stage: BenchStage): Promise<BenchSource & { readonly bytes: number }> {
  const rows = [...residentRows(stage.records)]
  const bytes = await packWorkbook(toParts(columnNames(rows), rows))
  const directory = path.join(stage.directory, 'drop-xlsx')
  mkdirSync(directory)
  writeFileSync(path.join(directory, 'residents.xlsx'), bytes)
  const marker = JSON.stringify({ rows: rows.length, sm3: hash('sm3', bytes) })
  writeFileSync(path.join(directory, 'residents.xlsx.ok'), marker)
  const source = {
    kind: 'file',
    directory,
    pattern: 'residents*.xlsx',
    marker: { suffix: '.ok' },
    format: { kind: 'xlsx' },
    pageSize: 1000,
  }
  return { manifest: { ...stage.http.manifest, source }, secrets: {}, bytes: bytes.length }
}

/** Ingest of one workbook, with its memory, beside the ingest of the same rows from CSV. */
export async function benchXlsx(records: number, rounds: number): Promise<XlsxResult> {
  const stage = await openBenchStage(records)
  try {
    const [xlsx, csv] = [await writeXlsxSource(stage), writeCsvSource(stage)]
    const measured = []
    for (let turn = 0; turn < rounds; turn++) {
      await stage.empty()
      const fromCsv = await stage.load('product', csv)
      await stage.empty()
      const fromXlsx = await stage.load('product', xlsx)
      measured.push({ fromCsv, fromXlsx })
    }
    return {
      rate: Math.round(records / median(measured.map(({ fromXlsx }) => fromXlsx.seconds))),
      ratio: round(median(measured.map(({ fromCsv, fromXlsx }) => fromCsv.seconds / fromXlsx.seconds))),
      peakRssMb: Math.max(...measured.map(({ fromXlsx }) => fromXlsx.peakRssMb)),
      fileMb: round(xlsx.bytes / 1e6),
    }
  } finally {
    await stage.close()
  }
}
