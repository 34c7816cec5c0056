import fc from 'fast-check'
import papaparse from 'papaparse'
import { describe, expect, test } from 'vitest'
import { loadDatasets } from '../../../src/feeds/datasets.ts'
import { cellText, guardText, unguardText, type FileKind } from '../../../src/ingest/rejections/cell-text.ts'
import { fileForms } from '../../../src/ingest/rejections/export.ts'
import { columnsOf, toCells, withCells } from '../../../src/ingest/rejections/row-columns.ts'
import { createManifest, createResidentRow } from '../../feeds/sample-manifest.ts'

const kinds: readonly FileKind[] = ['csv', 'xlsx']
/** Texts that are likelier than chance to begin like a formula, a number or an apostrophe. */
const texts = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc
    .tuple(fc.constantFrom('=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠', "'", "'=", '0', '.5'), fc.string())
    .map((parts) => parts.join('')),
)

describe.each(kinds)('in a file of kind %s', (kind) => {
  test('no cell begins like a formula, and every text comes back as it was', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const cell = guardText(kind, text)
        expect(cell).not.toMatch(/^[=+\-@\t\r\n＝＋－＠]/u)
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
