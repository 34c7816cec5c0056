import { Workbook } from '@cj-tech-master/excelts'
import { describe, expect, test } from 'vitest'
import type { FileSourceManifest } from '../../../src/feeds/manifest-file.ts'
import { collect, collectReopening } from './collect.ts'
import { makeDropFolder } from './file-drop-folder.ts'
import {
  packWorkbook,
  sharedStringsXml,
  sheetXml,
  textRow,
  workbookParts,
  workbookXml,
  type Parts,
} from './workbook.ts'

type XlsxFormat = Extract<FileSourceManifest['format'], { readonly kind: 'xlsx' }>

/** Reads one workbook to its end. The number of rows that its marker states is `rows`. */
async function readWorkbook(content: Uint8Array, rows: number, format: Omit<XlsxFormat, 'kind'> = {}) {
  const folder = makeDropFolder()
  folder.drop('a.xlsx', content, rows)
  return (await collect(folder.open({ format: { kind: 'xlsx', ...format } }))).values
}

const readRows = async (xml: string, rows: number, change: Parts = {}, format: Omit<XlsxFormat, 'kind'> = {}) =>
  readWorkbook(await packWorkbook(workbookParts(xml, change)), rows, format)

const header = textRow(1, 'id', 'v')

/** The value in column `v` of a sheet with one row. */
async function readCell(cell: string, change: Parts = {}): Promise<unknown> {
  const [row] = await readRows(`${header}<row r="2"><c t="inlineStr"><is><t>1</t></is></c>${cell}</row>`, 1, change)
  return row
}

test('a workbook that a spreadsheet program wrote is read as texts', async () => {
  const workbook = new Workbook()
  const sheet = workbook.addWorksheet('人员')
  sheet.addRow(['编号', '姓名', '出生日期', '人数', '备注'])
  sheet.addRow(['00017', '张测试', new Date(Date.UTC(1901, 4, 6)), 12, { richText: [{ text: '甲' }, { text: '乙' }] }])
  sheet.addRow(['00018', '李样例', '1902-03-04', 0.5])
  const content = new Uint8Array(await workbook.xlsx.writeBuffer())
  expect(await readWorkbook(content, 2)).toEqual([
    { 编号: '00017', 姓名: '张测试', 出生日期: '1901-05-06', 人数: '12', 备注: '甲乙' },
    { 编号: '00018', 姓名: '李样例', 出生日期: '1902-03-04', 人数: '0.5', 备注: '' },
  ])
})

describe('a cell', () => {
  test.each([
    ['an inline text', '<c t="inlineStr"><is><t>a</t></is></c>', 'a'],
    ['an inline text in runs', '<c t="inlineStr"><is><r><t>a</t></r><r><t> b</t></r></is></c>', 'a b'],
    ['a pronounced text', '<c t="inlineStr"><is><t>a</t><rPh><t>x</t></rPh></is></c>', 'a'],
    ['an escaped character', '<c t="inlineStr"><is><t>a_x0001_b_x005F_c</t></is></c>', 'a\u0001b_c'],
    ['character data', '<c t="inlineStr"><is><t><![CDATA[a<b]]>&amp;&#x4E00;</t></is></c>', 'a<b&一'],
    ['a number', '<c><v>42</v></c>', '42'],
    ['a number of 15 digits', '<c><v>123456789012345</v></c>', '123456789012345'],
    ['a number with a rounding error', '<c><v>0.10000000000000001</v></c>', '0.1'],
    ['a citizen number typed as a number', '<c><v>510502190001010017</v></c>', '5.10502E+17'],
    ['a citizen number as Excel writes it', '<c><v>5.10502190001010017E17</v></c>', '5.10502E+17'],
    ['a number that is padded with zeros', '<c s="3"><v>51050</v></c>', '051050'],
    ['a number in millimetres', '<c s="4"><v>7</v></c>', '7'],
    ['a truth', '<c t="b"><v>1</v></c>', 'TRUE'],
    ['an ISO date', '<c t="d"><v>1901-05-06T00:00:00</v></c>', '1901-05-06'],
    ['a date', '<c s="1"><v>492</v></c>', '1901-05-06'],
    ['a date in Chinese', '<c s="2"><v>492</v></c>', '1901-05-06'],
    ['a date with a time', '<c s="5"><v>492.75</v></c>', '1901-05-06T18:00:00'],
    ['the first day', '<c s="1"><v>1</v></c>', '1900-01-01'],
    ['the day before the day that never was', '<c s="1"><v>59</v></c>', '1900-02-28'],
    ['the day that never was', '<c s="1"><v>60</v></c>', '60'],
    ['the day after it', '<c s="1"><v>61</v></c>', '1900-03-01'],
    ['a time', '<c s="1"><v>0.5</v></c>', '12:00:00'],
    ['a date before all dates', '<c s="1"><v>-1</v></c>', '-1'],
    ['a formula', '<c><f>A2&amp;"1"</f><v>11</v></c>', { formula: 'A2&"1"', shown: '11' }],
    ['an error', '<c t="e"><v>#N/A</v></c>', { error: '#N/A' }],
    ['nothing', '<c/>', ''],
  ])('with %s', async (_name, cell, value) => {
    expect(await readCell(cell)).toEqual({ id: '1', v: value })
  })

  test('of a workbook that counts from 1904', async () => {
    const change = { 'xl/workbook.xml': workbookXml('<sheet name="a" r:id="rId1"/>', '<workbookPr date1904="1"/>') }
    expect(await readCell('<c s="1"><v>0</v></c>', change)).toEqual({ id: '1', v: '1904-01-01' })
  })

  test('with a shared text', async () => {
    const change = { 'xl/sharedStrings.xml': sharedStringsXml(['<t>x</t>', '<r><t>张</t></r><r><t>测试</t></r>']) }
    expect(await readCell('<c t="s"><v>1</v></c>', change)).toEqual({ id: '1', v: '张测试' })
  })
})

test('rows above the header, an explanation below it and rows with nothing in them are passed over', async () => {
  const rows = [
    textRow(1, '泸州市样例登记表'),
    textRow(3, 'id ', 'v'),
    textRow(4, '编号', '值'),
    textRow(5, '1', 'a'),
    '<row r="6"><c s="1"/><c t="inlineStr"><is><t> </t></is></c></row>',
    '<row r="7"><c><f>IF(A1="","","x")</f><v></v></c></row>',
    textRow(9, '2'),
  ]
  const after = '<mergeCells><mergeCell ref="A1:B1"/><mergeCell ref="A4:B4"/></mergeCells>'
  const change = { 'xl/worksheets/sheet1.xml': sheetXml(rows.join(''), after) }
  expect(await readRows('', 2, change, { headerRow: 3, skipRows: 1 })).toEqual([
    { id: '1', v: 'a' },
    { id: '2', v: '' },
  ])
})

test('a row that is wider than the header is a list, and its neighbours are not hurt', async () => {
  expect(await readRows(header + textRow(2, '1', 'a', 'b') + textRow(3, '2'), 2)).toEqual([
    ['1', 'a', 'b'],
    { id: '2', v: '' },
  ])
})

test('the sheet is the first that is visible, or the one that is named', async () => {
  const change = {
    'xl/workbook.xml': workbookXml('<sheet name="码表" state="hidden" r:id="rId1"/><sheet name="数据" r:id="rId2"/>'),
    'xl/worksheets/sheet2.xml': sheetXml(header + textRow(2, '2', 'b')),
  }
  expect(await readRows(header + textRow(2, '1', 'a'), 1, change)).toEqual([{ id: '2', v: 'b' }])
  expect(await readRows('', 1, change, { sheet: '数据' })).toEqual([{ id: '2', v: 'b' }])
  await expect(readRows('', 1, change, { sheet: '码表' })).rejects.toThrow('hides its sheet')
  await expect(readRows('', 1, change, { sheet: '没有' })).rejects.toThrow('has no sheet')
})

test('reading goes on inside a workbook at the row where it stopped', async () => {
  const folder = makeDropFolder()
  const rows = Array.from({ length: 25 }, (_, n) => textRow(n + 2, String(n), 'a'))
  folder.drop('a.xlsx', await packWorkbook(workbookParts(header + rows.join(''))), 25)
  const { values } = await collectReopening(() => folder.open({ format: { kind: 'xlsx' }, pageSize: 4 }))
  expect(values).toEqual(rows.map((_, n) => ({ id: String(n), v: 'a' })))
})

test('a cell without a reference stands behind the one before it, also where that one is empty', async () => {
  const cells = '<c t="inlineStr"><is><t>1</t></is></c><c/><c t="inlineStr"><is><t>b</t></is></c>'
  const rows = `${textRow(1, 'id', 'v', 'w')}<row r="2">${cells}</row>`
  expect(await readRows(rows, 1)).toEqual([{ id: '1', v: '', w: 'b' }])
})
