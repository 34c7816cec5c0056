import { expect, test } from 'vitest'
import { loadDatasets } from '../../../src/feeds/datasets.ts'
import type { FileSourceManifest } from '../../../src/feeds/manifest-file.ts'
import { compileMapping } from '../../../src/ingest/map.ts'
import { validate } from '../../../src/ingest/validate.ts'
import { createHousingManifest, createHousingRow } from '../../feeds/sample-manifest.ts'
import { collect } from './collect.ts'
import { makeDropFolder } from './file-drop-folder.ts'
import { packWorkbook, workbookParts } from './workbook.ts'

const manifest = createHousingManifest()
const dataset = loadDatasets().get(manifest.feed.dataset)
if (dataset === undefined) throw new Error('wanted the dataset of the sample')
const mapRow = compileMapping(manifest, dataset)
const columns = Object.keys(createHousingRow({}))

/** The reasons of each row of a file that was rejected, as they are told to its department. */
async function judge(format: FileSourceManifest['format'], content: string | Uint8Array, rows: number) {
  const folder = makeDropFolder()
  folder.drop('a', content, rows)
  const { values } = await collect(folder.open({ format }))
  const { valid, rejected } = validate(
    values.map((value, row) => mapRow({ row, value })),
    dataset as NonNullable<typeof dataset>,
    new Date('2026-11-23T04:00:00Z'),
  )
  return { valid: valid.length, reasons: rejected.map((rejection) => [rejection.source.row, rejection.reasons]) }
}

type Row = Readonly<Record<string, unknown>>

/** Cells of one house, of which some are given as XML. */
const sheetRow = (number: number, row: Row, cells: Readonly<Record<string, string>> = {}): string => {
  const texts = columns.map((name) => cells[name] ?? `<c t="inlineStr"><is><t>${String(row[name])}</t></is></c>`)
  return `<row r="${number}">${texts.join('')}</row>`
}

test('a row with a formula, an error or a cell too many is rejected by itself, and its neighbours are not', async () => {
  const names = Object.fromEntries(columns.map((name) => [name, name]))
  const [good, other] = [createHousingRow({ id: 'H-1' }), createHousingRow({ id: 'H-2' })]
  const rows = [
    sheetRow(1, names),
    sheetRow(2, good),
    sheetRow(3, other, { fullAddress: '<c t="str"><f>"a"</f><v>a</v></c>' }),
    sheetRow(4, other, { fullAddress: '<c t="e"><v>#N/A</v></c>' }),
    sheetRow(5, other).replace('</row>', '<c t="inlineStr"><is><t>x</t></is></c></row>'),
    sheetRow(6, other),
  ]
  const content = await packWorkbook(workbookParts(rows.join('')))
  expect(await judge({ kind: 'xlsx' }, content, 5)).toEqual({
    valid: 2,
    reasons: [
      [1, [{ rule: 'DQ-005', field: 'fullAddress' }]],
      [2, [{ rule: 'DQ-005', field: 'fullAddress' }]],
      [3, [{ rule: 'DQ-005', field: null }]],
    ],
  })
})

test('under a header that names a column twice no row passes', async () => {
  const row = createHousingRow({})
  const line = [...columns.map((name) => String(row[name])), 'x'].join(',')
  const content = `${[...columns, columns[0]].join(',')}\n${line}\n`
  expect(await judge({ kind: 'csv', encoding: 'utf-8', delimiter: ',' }, content, 1)).toEqual({
    valid: 0,
    reasons: [[0, [{ rule: 'DQ-005', field: null }]]],
  })
})
