import { Workbook } from '@cj-tech-master/excelts'
import iconv from 'iconv-lite'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createManifest, createResidentRow } from '../feeds/sample-manifest.ts'
import { packWorkbook, sheetXml, textRow, workbookParts } from '../ingest/sources/workbook.ts'
import { openBatchStage, type BatchStage } from './batch-stage.ts'

const XLSX = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'
const MEBIBYTE = 1024 * 1024

/** A file has no objects within objects, so the grid stands in a column of its own. */
const flat = {
  map: createManifest().map.map((mapping) => (mapping.to === '/gridCode' ? { ...mapping, from: '/wgbm' } : mapping)),
  limits: { pageBytes: 16 * MEBIBYTE, pages: 1000 },
}

/** Turns some bytes of a file over. */
const damage = (file: Buffer): Buffer =>
  Buffer.from(file.map((byte, place) => (place % 400 === 399 ? byte ^ 0xff : byte)))

/** Text that compresses well, but less than 100 times. */
const rowsOfNoise = (count: number, makeRow: (number: number, noise: string) => string): string =>
  Array.from({ length: count }, (_, n) => makeRow(n + 2, ((n * 48_271) % 2_147_483_647).toString(36))).join('')

let stage: BatchStage

beforeAll(async () => {
  stage = await openBatchStage('uploads')
})
afterAll(() => stage.close())

type Cells = Readonly<Record<string, string>>

function cellsOf(id: string, change: Readonly<Record<string, unknown>> = {}): Cells {
  const { wg: _, ...row } = createResidentRow({ id, wgbm: '510502001001001', ...change })
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, typeof value === 'string' ? value : '']))
}

/** Ten good rows and one that is refused. */
const rows: readonly Cells[] = [
  ...Array.from({ length: 10 }, (_, n) => cellsOf(`R-${n + 1}`)),
  cellsOf('R-99', { zjhm: '1' }),
]
const names = Object.keys(rows[0] ?? {})

async function writeWorkbook(): Promise<Buffer> {
  const workbook = new Workbook()
  const sheet = workbook.addWorksheet('人员')
  for (const cells of [names, ...rows.map((row) => Object.values(row))]) sheet.addRow([...cells])
  return Buffer.from(await workbook.xlsx.writeBuffer())
}

const csv = [names, ...rows.map((row) => Object.values(row))].map((cells) => cells.join(',')).join('\r\n')

describe('an uploaded workbook', () => {
  beforeEach(() => stage.addFeed({ kind: 'xlsx' }, flat))

  test('becomes records and rejections, and the same one again gets its first receipt', async () => {
    const file = { body: await writeWorkbook(), type: XLSX }
    const first = await stage.post(file)
    expect(first).toMatchObject({ status: 200, rows: 11, state: 'received' })
    expect(await stage.work()).toMatchObject({ state: 'done', pulled: 11, inserted: 10, rejected: 1 })
    expect(await stage.post(file)).toMatchObject({ receivedAt: first['receivedAt'], state: 'read', rejected: 1 })
    expect(await stage.work()).toMatchObject({ state: 'done', pulled: 0 })
  })

  const part = (xml: string): Promise<Buffer> => packWorkbook(workbookParts('', { 'xl/worksheets/sheet1.xml': xml }))
  const sheet = (xml: string, after = ''): Promise<Buffer> => part(sheetXml(textRow(1, 'id', 'xm') + xml, after))
  const good = textRow(2, 'R-7', '样例')

  test.for<[string, () => Promise<Buffer>, RegExp]>([
    ['no workbook', () => Promise.resolve(Buffer.from('id,xm\nR-7,样例')), /no XLSX workbook/],
    ['an old .xls', () => Promise.resolve(Buffer.from('d0cf11e0a1b11ae1', 'hex')), /save an \.xls/],
    ['nothing', () => Promise.resolve(Buffer.alloc(0)), /no XLSX workbook/],
    ['a workbook that breaks off', async () => (await writeWorkbook()).subarray(0, 3000), /ZIP directory/],
    ['a part that is damaged', async () => damage(await sheet(good)), /ZIP directory/],
    ['merged cells', () => sheet(good, '<mergeCells><mergeCell ref="A2:B2"/></mergeCells>'), /merged cells/],
    [
      'a formula as a column name',
      () => packWorkbook(workbookParts('<row><c><f>A2</f><v>id</v></c></row>')),
      /formula/,
    ],
    ['a document type', () => part('<!DOCTYPE a [<!ENTITY b "c">]><worksheet/>'), /document type/],
    ['a part that grows a thousand times', () => sheet(`<!--${' '.repeat(50_000_000)}-->`), /grow more than 100 times/],
    [
      'a small file of empty cells',
      () => sheet(rowsOfNoise(170_000, (_, noise) => `<row>${'<c/>'.repeat(64)}<c s="${noise}"/></row>`)),
      /once unpacked/,
    ],
  ])('%s is refused with a reason within a second, and nothing of it is kept', async ([, make, reason]) => {
    const body = await make()
    const batches = await stage.countRows('push_batch')
    const before = process.cpuUsage()
    const answer = await stage.post({ body, type: XLSX })
    // Time of this process alone: other tests share the machine.
    const { user, system } = process.cpuUsage(before)
    expect(answer).toMatchObject({ status: 400, code: 'REQUEST_INVALID', detail: expect.stringMatching(reason) })
    expect(user + system).toBeLessThan(1_000_000)
    expect(JSON.stringify(answer)).not.toMatch(/R-7|样例/)
    expect(await stage.countRows('push_batch')).toBe(batches)
  })

  // Until then it is read as a good one of 16 MiB is, which takes 0.6 to 1.1 s of processor time.
  test('a small workbook of more rows than a batch may hold is refused', async () => {
    const body = await sheet(rowsOfNoise(150_000, (n, noise) => textRow(n, noise, 'x'.repeat(150))))
    expect(body.length).toBeLessThan(2 * MEBIBYTE)
    expect(await stage.post({ body, type: XLSX })).toMatchObject({
      status: 400,
      code: 'REQUEST_INVALID',
      detail: expect.stringContaining('post smaller files'),
    })
  })
})

test.each([
  ['utf-8', Buffer.from(csv)],
  ['gb18030', iconv.encode(csv, 'gb18030')],
] as const)('an uploaded CSV in %s becomes records and rejections', async (encoding, body) => {
  await stage.addFeed({ kind: 'csv', encoding, delimiter: ',' }, flat)
  expect(await stage.post({ body, type: 'text/csv' })).toMatchObject({ status: 200, rows: 11 })
  expect(await stage.work()).toMatchObject({ state: 'done', pulled: 11, inserted: 10, rejected: 1 })
})

test('a small CSV whose long column names would be in every row is refused', async () => {
  await stage.addFeed({ kind: 'csv', encoding: 'utf-8', delimiter: ',' }, flat)
  const header = Array.from({ length: 100 }, (_, n) => `${n}`.padStart(2000, 'n')).join(',')
  const body = [header, ...Array.from({ length: 2000 }, () => '1,'.repeat(99) + '1')].join('\n')
  expect(body.length).toBeLessThan(MEBIBYTE)
  expect(await stage.post({ body, type: 'text/csv' })).toMatchObject({
    status: 400,
    code: 'REQUEST_INVALID',
    detail: expect.stringContaining('post smaller files'),
  })
})

test.each([
  ['application/json', `[${'{},'.repeat(2_000_000)}{}]`],
  ['application/x-ndjson', '{}\n'.repeat(2_000_000)],
])('%s of more objects than memory is for is refused before they are made', async (type, body) => {
  await stage.addFeed({ kind: 'xlsx' }, flat)
  const before = process.cpuUsage()
  const answer = await stage.post({ body, type })
  const { user, system } = process.cpuUsage(before)
  expect(answer).toMatchObject({ status: 400, detail: expect.stringContaining('at most 500000 objects') })
  expect(user + system).toBeLessThan(1_000_000)
})

test.each([
  ['application/json', (text: string) => `[{"id":"${text}"}]`],
  ['application/x-ndjson', (text: string) => `{"id":"${text}"}\n`],
  ['text/csv', (text: string) => `id,name\n1,${text}\n`],
])('a row of more than a million characters in %s is refused before it is sealed', async (type, write) => {
  const change = { limits: { pageBytes: 16 * MEBIBYTE, pages: 10 } }
  await stage.addFeed({ kind: 'csv', encoding: 'utf-8', delimiter: ',' }, change)
  expect(await stage.post({ body: write('x'.repeat(1_100_000)), type, batchNo: 'long' })).toMatchObject({
    status: 400,
    detail: expect.stringContaining('more than 1000000'),
  })
})
