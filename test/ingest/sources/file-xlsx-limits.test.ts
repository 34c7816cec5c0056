import { describe, expect, test } from 'vitest'
import { codeOf } from '../../support/coded-error.ts'
import { collect } from './collect.ts'
import { makeDropFolder } from './file-drop-folder.ts'
import { emptyRows, packWorkbook, sharedStringsXml, textRow, workbookParts, type Parts } from './workbook.ts'

const header = textRow(1, 'id', 'v')
const LIMITS = { pageBytes: 100_000, pages: 10 }

async function read(rows: string, change: Parts = {}, stated = 1): Promise<readonly unknown[]> {
  const folder = makeDropFolder()
  folder.drop('a.xlsx', await packWorkbook(workbookParts(rows, change)), stated)
  return (await collect(folder.open({ format: { kind: 'xlsx' } }, { limits: LIMITS }))).values
}

const column = (number: number): string =>
  number === 0 ? '' : column(Math.floor((number - 1) / 26)) + String.fromCharCode(65 + ((number - 1) % 26))

const cellAt = (reference: string): string => `<row r="2"><c r="${reference}2"><v>1</v></c></row>`

describe('a sheet', () => {
  test('is read up to column 1,000, and refused with a cell beyond it', async () => {
    const [row] = await read(header + cellAt(column(1000)))
    expect(row).toHaveLength(1000)
    for (const reference of [column(1001), 'XFD', 'ZZZZZZZZ']) {
      await expect(read(header + cellAt(reference))).rejects.toMatchObject({
        code: 'SOURCE_LIMIT_EXCEEDED',
        detail: expect.stringContaining('row 2 goes beyond column 1000'),
      })
    }
  })

  test('with a hundred thousand empty rows on end is refused, and one with shorter gaps is not', async () => {
    await expect(read(header + textRow(2, '1', 'a') + emptyRows(3, 100_001))).rejects.toMatchObject({
      code: 'SOURCE_LIMIT_EXCEEDED',
      detail: expect.stringContaining('delete the rows below the data'),
    })
    const rows = [header, emptyRows(2, 90_000), textRow(90_002, '1', 'a'), emptyRows(90_003, 90_000)].join('')
    expect(await read(rows + textRow(180_003, '2', 'b'), {}, 2)).toEqual([
      { id: '1', v: 'a' },
      { id: '2', v: 'b' },
    ])
  })

  test.each([
    ['rows that go back', textRow(3, '1') + textRow(2, '2')],
    ['a row of no number', '<row r="x"/>'],
    ['cells that go back', '<row r="2"><c r="B2"><v>1</v></c><c r="A2"><v>1</v></c></row>'],
    ['a cell twice, first empty', '<row r="2"><c r="A2"/><c r="A2"><v>1</v></c></row>'],
    ['a cell in no column', '<row r="2"><c r="2"><v>1</v></c></row>'],
    ['a text that the workbook does not hold', '<row r="2"><c t="s"><v>7</v></c></row>'],
  ])('with %s is refused', async (_name, rows) => {
    expect(await codeOf(() => read(header + rows))).toBe('SOURCE_FILE_INVALID')
  })
})

describe('a row of more characters than a page takes is refused', () => {
  const long = 'x'.repeat(40_000)

  test.each([
    ['in one text', `<c t="inlineStr"><is><t>${'x'.repeat(400_000)}</t></is></c>`],
    ['in many cells', `<c t="inlineStr"><is><t>${long}</t></is></c>`.repeat(3)],
    ['in many runs of a cell', `<c t="inlineStr"><is>${`<r><t>${long}</t></r>`.repeat(3)}</is></c>`],
    ['in a formula', `<c>${`<f>${long}</f>`.repeat(3)}<v>1</v></c>`],
  ])('%s', async (_name, cells) => {
    expect(await codeOf(() => read(`${header}<row r="2">${cells}</row>`))).toBe('SOURCE_LIMIT_EXCEEDED')
  })

  test('in a text that many cells share', async () => {
    const change = { 'xl/sharedStrings.xml': sharedStringsXml([`<t>${long}</t>`]) }
    const cells = '<c t="s"><v>0</v></c>'.repeat(3)
    expect(await codeOf(() => read(`${header}<row r="2">${cells}</row>`, change))).toBe('SOURCE_LIMIT_EXCEEDED')
  })
})
