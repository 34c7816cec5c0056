import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Workbook } from '@cj-tech-master/excelts'
import fc from 'fast-check'
import papaparse from 'papaparse'
import { describe, expect, test } from 'vitest'
import { loadDatasets } from '../../../src/feeds/datasets.ts'
import { cellText, guardText, unguardText, type FileKind } from '../../../src/ingest/rejections/cell-text.ts'
import { columnsOf, toCells, withCells } from '../../../src/ingest/rejections/row-columns.ts'
import { fileForms } from '../../../src/ingest/table-files.ts'
import { projectRoot } from '../../support/command-line.ts'
import { createManifest, createResidentRow } from '../../feeds/sample-manifest.ts'

// oxlint-disable-next-line no-control-regex -- a NUL is dropped by some spreadsheets, and what follows it then begins the cell
const BEGINS = /^[=+\-@\t\r\n\0＝＋－＠]/u
const kinds: readonly FileKind[] = ['csv', 'xlsx']
/** Texts that are likelier than chance to begin like a formula, a number or an apostrophe. */
const texts = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc
    .tuple(
      fc.constantFrom('\0', '\0=', '=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠', "'", "'=", '0', '.5'),
      fc.string(),
    )
    .map((parts) => parts.join('')),
)

describe.each(kinds)('in a file of kind %s', (kind) => {
  test('no cell begins like a formula, and every text comes back as it was', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const cell = guardText(kind, text)
        expect(cell).not.toMatch(BEGINS)
        expect(unguardText(kind, cell)).toBe(text)
      }),
      { numRuns: 2000 },
    )
  })
})

test('a CSV cell never begins like a number or a date, which a spreadsheet would change', () => {
  for (const text of ['510502190001010017', '2020-01-01', '1E5', '.5']) expect(guardText('csv', text)).toBe(`'${text}`)
})

test('a CSV file can be read back whatever its cells hold', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(texts, { minLength: 1, maxLength: 5 }), async (given) => {
      const cells = given.map(cellText)
      const bytes = await fileForms.csv.write({ head: cells.map((_, place) => `c${place}`), rows: [cells] })
      expect([...bytes.subarray(0, 3)]).toEqual([0xef, 0xbb, 0xbf])
      const { data } = papaparse.parse<readonly string[]>(new TextDecoder().decode(bytes), { delimiter: ',' })
      const [, line = []] = data
      expect(line.map((cell) => unguardText('csv', cell))).toEqual(cells)
    }),
  )
})

test(
  'no cell of a file that the product writes begins like a formula, nor does its head',
  { timeout: 60_000 },
  async () => {
    const rows = fc.array(fc.array(texts, { minLength: 2, maxLength: 2 }), { minLength: 1, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(rows, async (given) => {
        const [head = [], ...rest] = given.map((cells) => cells.map(cellText))
        const csv = new TextDecoder().decode(await fileForms.csv.write({ head, rows: rest }))
        const read = papaparse.parse<readonly string[]>(csv, { delimiter: ',' }).data
        const workbook = new Workbook()
        await workbook.xlsx.load(await fileForms.xlsx.write({ head, rows: rest }))
        const cells: unknown[] = []
        workbook.worksheets[0]?.eachRow((row) => row.eachCell((cell) => cells.push(cell.value)))
        for (const cell of [...read.flat(), ...cells]) {
          expect(typeof cell).toBe('string')
          expect(cell).not.toMatch(BEGINS)
        }
      }),
      { numRuns: 100 },
    )
  },
)

test('CSV and XLSX are written in one place', () => {
  const writers = globSync('src/**/*.ts', { cwd: projectRoot }).filter((file) =>
    /WorkbookWriter|unparse\(|new Workbook\(|join\(['"],['"]\)\)?\s*\.join\(['"]\\r\\n/.test(
      readFileSync(path.join(projectRoot, file), 'utf8'),
    ),
  )
  expect(writers).toEqual(['src/ingest/table-files.ts'])
})

test('what a cell of a workbook cannot hold is replaced, and a very long text is cut off', () => {
  expect(cellText('a\u0000b\ud800c\r\nd')).toBe('a\ufffdb\ufffdc\nd')
  expect(cellText('长'.repeat(100_000))).toHaveLength(32_000)
  expect([null, undefined, 0, false, { a: 1 }].map(cellText)).toEqual(['', '', '0', 'false', '{"a":1}'])
})

describe('the cells of a row', () => {
  const dataset = loadDatasets().get('resident')
  if (dataset === undefined) throw new Error('wanted the dataset')
  const columns = columnsOf(createManifest(), dataset)

  test('hold what the manifest names and nothing else', () => {
    const names = columns.map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(['id', 'zjhm', 'wg/bm', 'gxsj', 'scbz']))
    expect(new Set(names).size).toBe(names.length)
    const cells = toCells(createResidentRow({ 宗教: '不应出现' }), columns)
    expect(cells.join('|')).not.toContain('不应出现')
  })

  test('that came back unchanged leave the row as it was, whatever its values are', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), fc.jsonValue(), (zjhm, xm, bm) => {
        const row = createResidentRow({ zjhm, xm, wg: { bm } })
        expect(withCells(row, columns, toCells(row, columns))).toEqual(row)
      }),
    )
  })

  test('that were corrected change their values only, nested ones too, in the type of the source', () => {
    const row = createResidentRow({ lxfs: 19_900_000_001, flag: true })
    const cells = columns.map(({ name }) =>
      name === 'wg/bm' ? '510502001001002' : name === 'lxfs' ? '19900000002' : undefined,
    )
    expect(withCells(row, columns, cells)).toEqual({ ...row, wg: { bm: '510502001001002' }, lxfs: 19_900_000_002 })
  })

  test('can make a row of something that was none', () => {
    const cells = columns.map(({ name }) => (name === 'wg/bm' ? '510502001001002' : undefined))
    expect(withCells('broken', columns, cells)).toEqual({ wg: { bm: '510502001001002' } })
  })
})
