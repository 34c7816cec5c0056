import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import type { FileFormat } from '../src/feeds/manifest-file.ts'
import type { HttpSourceManifest } from '../src/feeds/manifest-types.ts'
import { packWorkbook, sharedStringsXml, sheetXml, textRow, workbookParts } from '../test/ingest/sources/workbook.ts'

/** What reading must come to: a code, or rows that become rejections while the others are read. */
export type WantedOutcome = 'rejected' | `SOURCE_${string}`

interface Input {
  readonly name: string
  readonly wanted: WantedOutcome
  readonly bytes: () => Buffer | Promise<Buffer>
}

export interface HttpInput extends Input {
  readonly kind: 'http'
  readonly headers?: Readonly<Record<string, string>>
  readonly answer?: HttpSourceManifest['answer']
}

export interface FileInput extends Input {
  readonly kind: 'file'
  readonly format: FileFormat
}

const MEGABYTE = 1024 * 1024

const page = (rows: string): Buffer => Buffer.from(`{"data":{"rows":[${rows}]}}`)
const repeat = (text: string, times: number): string => text.repeat(times)

/** So many megabytes of one character in gzip, as members one after another. */
const packed = (character: string, megabytes: number): Buffer =>
  Buffer.concat(Array<Buffer>(megabytes / 16).fill(gzipSync(Buffer.alloc(16 * MEGABYTE, character))))

const http = (
  name: string,
  wanted: WantedOutcome,
  bytes: HttpInput['bytes'],
  rest: Pick<HttpInput, 'headers' | 'answer'> = {},
): HttpInput => ({ kind: 'http', name, wanted, bytes, ...rest })

const gzip = { headers: { 'content-encoding': 'gzip' } }
const xml = { answer: { kind: 'xml' }, headers: { 'content-type': 'application/xml' } } as const

const entities = (): Buffer => {
  const levels = Array.from({ length: 9 }, (_, level) => `<!ENTITY e${level + 1} "${repeat(`&e${level};`, 10)}">`)
  return Buffer.from(`<!DOCTYPE d [<!ENTITY e0 "ha">${levels.join('')}]><data><rows><id>&e9;</id></rows></data>`)
}

export const httpInputs: readonly HttpInput[] = [
  http('a bomb of 1 GB in gzip', 'SOURCE_LIMIT_EXCEEDED', () => packed('\0', 1024), gzip),
  http('a bomb in brotli', 'SOURCE_BODY_INVALID', () => brotliCompressSync(Buffer.alloc(64 * MEGABYTE)), {
    headers: { 'content-encoding': 'br' },
  }),
  http('a bomb in deflate', 'SOURCE_BODY_INVALID', () => deflateSync(Buffer.alloc(64 * MEGABYTE)), {
    headers: { 'content-encoding': 'deflate' },
  }),
  http('a bomb inside a bomb', 'SOURCE_BODY_INVALID', () => gzipSync(gzipSync(Buffer.alloc(64 * MEGABYTE))), {
    headers: { 'content-encoding': 'gzip, gzip' },
  }),
  http('JSON of 2,000,000 open brackets', 'SOURCE_BODY_INVALID', () => Buffer.from(repeat('[', 2_000_000))),
  http('a row of 300,000 levels', 'rejected', () => page(`{"a":${repeat('[', 300_000)}${repeat(']', 300_000)}}`)),
  http('a field of 10 MB', 'SOURCE_LIMIT_EXCEEDED', () => page(`{"ajid":"1","ajbh":"${repeat('案', 3_400_000)}"}`)),
  http('a field of 7 MB', 'rejected', () => page(`{"ajid":"1","ajbh":"${repeat('案', 2_400_000)}"}`)),
  http('a number of a megabyte', 'rejected', () => page(`{"ajid":${repeat('9', MEGABYTE)}}`)),
  http('300,000 repeated names', 'rejected', () => page(`{${repeat('"a":1,', 300_000)}"b":1}`)),
  http('500,000 names in one row', 'rejected', () =>
    page(`{${Array.from({ length: 500_000 }, (_, n) => `"n${n}":1`).join(',')}}`),
  ),
  http('a name that is a prototype', 'rejected', () =>
    page(repeat('{"__proto__":{"ajid":"1"}},', 999) + '{"constructor":1}'),
  ),
  http('GB 18030 that is called UTF-8', 'SOURCE_BODY_INVALID', () =>
    Buffer.concat([Buffer.from('{"data":{"rows":[{"ajid":"'), Buffer.from([0xd5, 0xc5]), Buffer.from('"}]}}')]),
  ),
  http('a thousand million laughs', 'SOURCE_BODY_INVALID', entities, xml),
  http('XML of 200,000 levels', 'SOURCE_BODY_INVALID', () => Buffer.from(repeat('<a>', 200_000)), xml),
  http(
    'an element of 200,000 attributes',
    'SOURCE_LIMIT_EXCEEDED',
    () => Buffer.from(`<data ${Array.from({ length: 200_000 }, (_, n) => `a${n}="1"`).join(' ')}><rows>`),
    xml,
  ),
]

const csv = { kind: 'csv', encoding: 'utf-8', delimiter: ',' } as const
const xlsx = { kind: 'xlsx' } as const
const file = (name: string, wanted: WantedOutcome, format: FileFormat, bytes: FileInput['bytes']): FileInput => ({
  kind: 'file',
  name,
  wanted,
  format,
  bytes,
})

const head = 'ajid,ajbh,bljd\n'
const sheetHead = textRow(1, 'ajid', 'ajbh', 'bljd')
const workbook = (rows: string, after = ''): Promise<Buffer> =>
  packWorkbook(workbookParts('', { 'xl/worksheets/sheet1.xml': sheetXml(sheetHead + rows, after) }))

export const fileInputs: readonly FileInput[] = [
  file('a bomb of 1 GB in a packed CSV', 'SOURCE_LIMIT_EXCEEDED', { ...csv, compression: 'gzip' }, () =>
    packed('\0', 1024),
  ),
  file('a bomb of lines in a packed CSV', 'SOURCE_LIMIT_EXCEEDED', { ...csv, compression: 'gzip' }, () =>
    packed('\n', 512),
  ),
  file('a quote that is never closed, and 100 MB behind it', 'SOURCE_LIMIT_EXCEEDED', csv, () =>
    Buffer.from(`${head}1,"x,a\n${repeat('1,x,a\n', 16 * MEGABYTE)}`),
  ),
  file('a CSV of one line of 100 MB', 'SOURCE_LIMIT_EXCEEDED', csv, () => Buffer.alloc(100 * MEGABYTE, 'a')),
  file('a CSV line of 1,000,000 cells', 'rejected', csv, () => Buffer.from(`${head}${repeat(',', 1_000_000)}\n`)),
  file('a field of 10 MB in a CSV', 'SOURCE_LIMIT_EXCEEDED', csv, () =>
    Buffer.from(`${head}1,${repeat('案', 3_400_000)},a\n`),
  ),
  file('a CSV whose header names a column twice', 'rejected', csv, () => Buffer.from('ajid,ajid,bljd\n1,2,a\n')),
  file('GB 18030 that is called UTF-8, in a CSV', 'SOURCE_FILE_INVALID', csv, () =>
    Buffer.concat([Buffer.from(head), Buffer.from([0x31, 0x2c, 0xd5, 0xc5, 0x2c, 0x61, 0x0a])]),
  ),
  file('a line of 100 MB in NDJSON', 'SOURCE_LIMIT_EXCEEDED', { kind: 'ndjson' }, () =>
    Buffer.alloc(100 * MEGABYTE, '['),
  ),
  file('a row of 300,000 levels in NDJSON', 'rejected', { kind: 'ndjson' }, () =>
    Buffer.from(`${repeat('[', 300_000)}${repeat(']', 300_000)}\n`),
  ),
  file('a sheet of 128 MB of blanks', 'SOURCE_LIMIT_EXCEEDED', xlsx, () => workbook(repeat(' ', 128 * MEGABYTE))),
  file('shared texts of 64 MB', 'SOURCE_LIMIT_EXCEEDED', xlsx, () =>
    packWorkbook(
      workbookParts(sheetHead, {
        'xl/sharedStrings.xml': sharedStringsXml([`<t>${repeat('a', 64 * MEGABYTE)}</t>`]),
      }),
    ),
  ),
  file('entities in a workbook', 'SOURCE_FILE_INVALID', xlsx, () =>
    packWorkbook(workbookParts('', { 'xl/worksheets/sheet1.xml': entities() })),
  ),
  file('merged headers', 'SOURCE_FILE_INVALID', xlsx, () =>
    workbook(textRow(2, '1', 'x', 'a'), '<mergeCells><mergeCell ref="A1:B1"/></mergeCells>'),
  ),
  file('formulas', 'rejected', xlsx, () =>
    workbook(
      '<row r="2"><c><f>HYPERLINK("http://a.invalid")</f><v>1</v></c><c t="inlineStr"><is><t>x</t></is></c></row>',
    ),
  ),
  file('a cell in the last column of each row', 'SOURCE_LIMIT_EXCEEDED', xlsx, () =>
    workbook(
      Array.from({ length: 10_000 }, (_, n) => `<row r="${n + 2}"><c r="XFD${n + 2}"><v>1</v></c></row>`).join(''),
    ),
  ),
  file('a million empty rows', 'SOURCE_LIMIT_EXCEEDED', xlsx, () =>
    workbook(Array.from({ length: 1_000_000 }, (_, n) => `<row r="${n + 2}"/>`).join('')),
  ),
  file('no workbook at all', 'SOURCE_FILE_INVALID', xlsx, () => Buffer.alloc(10 * MEGABYTE, 'PK')),
]
