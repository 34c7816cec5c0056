import { gzipSync } from 'node:zlib'
import iconv from 'iconv-lite'
import type { FileSourceManifest } from '../src/feeds/manifest-file.ts'
import {
  emptyRows,
  packWorkbook,
  sharedStringsXml,
  sheetXml,
  textRow,
  workbookParts,
  workbookXml,
  type Parts,
} from '../test/ingest/sources/workbook.ts'

type Format = FileSourceManifest['format']

const csv = { kind: 'csv', encoding: 'utf-8', delimiter: ',' } as const
const gb18030 = { ...csv, encoding: 'gb18030' } as const
const packedCsv = { ...csv, compression: 'gzip' } as const
const ndjson = { kind: 'ndjson' } as const
const xlsx = { kind: 'xlsx' } as const

/** A file that a department drops, and what must come of it. */
export interface HostileFile {
  readonly what: string
  readonly format: Format
  readonly content: () => string | Uint8Array | Promise<Uint8Array>
  /** What the marker states. */
  readonly rows?: number
  /** Null: its rows are read, and refused. */
  readonly code: string | null
  readonly words: string
}

const MB = 1_000_000
const head = 'id,name\n'
const header = textRow(1, 'id', 'name')
const row = textRow(2, '1', '张测试')
const chinese = `${head}${'1,样例测试人员\n'.repeat(50)}`

const workbook = (change: Parts, rows = header + row): Promise<Uint8Array> => packWorkbook(workbookParts(rows, change))

/** A workbook whose ZIP directory gives a part another size than it has. */
async function understate(path: string, size: number, change: Parts): Promise<Uint8Array> {
  const bytes = Buffer.from(await workbook(change))
  // An entry of the directory: PK\x01\x02, the size once unpacked at 24, the path at 46.
  const entry = bytes.indexOf(path, bytes.indexOf('PK\u0001\u0002', 0, 'latin1')) - 46
  bytes.writeUInt32LE(size, entry + 24)
  return bytes
}

const bombs: readonly HostileFile[] = [
  {
    what: 'a gzip bomb',
    format: packedCsv,
    content: () => gzipSync(Buffer.alloc(100 * MB, 'a,b\n')),
    code: 'SOURCE_LIMIT_EXCEEDED',
    words: 'grows more than 100 times',
  },
  {
    what: 'a gzip bomb of zeros',
    format: packedCsv,
    content: () => gzipSync(Buffer.concat([Buffer.from(head), Buffer.alloc(100 * MB)])),
    code: 'SOURCE_LIMIT_EXCEEDED',
    words: 'grows more than 100 times',
  },
  {
    what: 'a gzip bomb of 1 GB',
    format: packedCsv,
    content: () => Buffer.concat(Array<Buffer>(64).fill(gzipSync(Buffer.alloc(16 * 1024 * 1024)))),
    code: 'SOURCE_LIMIT_EXCEEDED',
    words: 'line 1 has more than 1000000',
  },
  {
    what: 'a gzip file in a gzip file',
    format: packedCsv,
    content: () => gzipSync(gzipSync(head)),
    code: 'SOURCE_FILE_INVALID',
    words: 'is not utf-8',
  },
  {
    what: 'a gzip file that ends in the middle',
    format: packedCsv,
    content: () => gzipSync(chinese).subarray(0, -20),
    code: 'SOURCE_FILE_INVALID',
    words: 'no whole gzip file',
  },
  {
    what: 'a zip bomb',
    format: xlsx,
    content: () => workbook({ 'xl/media/image1.bin': new Uint8Array(100 * MB) }),
    code: 'SOURCE_LIMIT_EXCEEDED',
    words: 'grow more than 100 times',
  },
  {
    what: 'a zip bomb that understates its size',
    format: xlsx,
    content: () =>
      understate('xl/worksheets/sheet1.xml', 5000, {
        'xl/worksheets/sheet1.xml': sheetXml(header + row + ' '.repeat(50 * MB)),
      }),
    code: 'SOURCE_FILE_INVALID',
    words: 'is not as its ZIP directory says',
  },
  {
    what: 'a workbook of two thousand parts',
    format: xlsx,
    content: () =>
      workbook(Object.fromEntries(Array.from({ length: 2000 }, (_, n) => [`xl/media/${n}.png`, String(n)]))),
    code: 'SOURCE_LIMIT_EXCEEDED',
    words: 'more than 1000 parts',
  },
  {
    what: 'a workbook that defines entities',
    format: xlsx,
    content: () =>
      workbook({
        'xl/worksheets/sheet1.xml': `<!DOCTYPE x [<!ENTITY a "${'a'.repeat(1000)}">]>${sheetXml(header + row)}`,
      }),
    code: 'SOURCE_FILE_INVALID',
    words: 'document type declaration',
  },
  {
    what: 'a workbook with tags in tags',
    format: xlsx,
    content: () => workbook({ 'xl/worksheets/sheet1.xml': sheetXml(header + '<x>'.repeat(5000)) }),
    code: 'SOURCE_FILE_INVALID',
    words: 'no XML',
  },
  {
    what: 'a number format of brackets that are never closed',
    format: xlsx,
    content: () =>
      workbook({
        'xl/styles.xml': `<styleSheet><numFmts><numFmt numFmtId="164" formatCode="${Array.from({ length: 200_000 }, (_, n) => `[${n}`).join('')}"/></numFmts><cellXfs>${'<xf numFmtId="164"/>'.repeat(50)}</cellXfs></styleSheet>`,
      }),
    code: null,
    words: '',
    rows: 1,
  },
]

const texts: readonly HostileFile[] = [
  {
    what: 'a quote that is never closed, in a large file',
    format: csv,
    content: () => `${head}1,"a\n${'2,张测试\n'.repeat(2 * MB)}`,
    code: 'SOURCE_LIMIT_EXCEEDED',
    words: 'characters; is a quote left open',
  },
  {
    what: 'a first line of 100 MB',
    format: csv,
    content: () => 'a'.repeat(100 * MB),
    code: 'SOURCE_LIMIT_EXCEEDED',
    words: 'line 1 has more than 1000000',
  },
  {
    what: 'a field of 10 MB',
    format: csv,
    content: () => `${head}1,${'a'.repeat(10 * MB)}\n`,
    code: 'SOURCE_LIMIT_EXCEEDED',
    words: 'characters; is a quote left open',
  },
  {
    what: 'a line of 30 million delimiters',
    format: csv,
    content: () => `${head}${','.repeat(30 * MB)}\n`,
    code: 'SOURCE_LIMIT_EXCEEDED',
    words: 'characters; is a quote left open',
  },
  {
    what: 'a header of 1,001 columns',
    format: csv,
    content: () => `${Array.from({ length: 1001 }, (_, n) => `c${n}`).join(',')}\n`,
    rows: 0,
    code: 'SOURCE_LIMIT_EXCEEDED',
    words: 'line 1 goes beyond column 1000',
  },
  {
    what: 'a line of 10 MB of JSON',
    format: ndjson,
    content: () => `{"a":"${'a'.repeat(10 * MB)}"}\n`,
    code: 'SOURCE_LIMIT_EXCEEDED',
    words: 'a line of more than',
  },
  {
    what: 'JSON of a million levels is a text, which no mapping takes',
    format: ndjson,
    content: () => `${'['.repeat(MB)}\n`,
    rows: 1,
    code: null,
    words: '',
  },
  {
    what: 'UTF-8 where GB18030 is stated',
    format: gb18030,
    content: () => chinese,
    rows: 50,
    code: 'SOURCE_FILE_INVALID',
    words: 'is UTF-8 throughout',
  },
  {
    what: 'UTF-8 where GB18030 is stated, with an odd number of bytes',
    format: gb18030,
    content: () => chinese.replaceAll('人员', '人'),
    rows: 50,
    code: 'SOURCE_FILE_INVALID',
    words: 'is not gb18030',
  },
  {
    what: 'GB18030 where UTF-8 is stated',
    format: csv,
    content: () => iconv.encode(chinese, 'gb18030'),
    rows: 50,
    code: 'SOURCE_FILE_INVALID',
    words: 'is not utf-8',
  },
  {
    what: 'UTF-16',
    format: gb18030,
    content: () => iconv.encode(chinese, 'utf16', { addBOM: true }),
    rows: 50,
    code: 'SOURCE_FILE_INVALID',
    words: 'byte 0 is not gb18030',
  },
]

const merged = (range: string): Parts => ({
  'xl/worksheets/sheet1.xml': sheetXml(header + row, `<mergeCells><mergeCell ref="${range}"/></mergeCells>`),
})

const brokenParts: readonly HostileFile[] = [
  ['merged column names', merged('A1:B1'), 'merged cells in rows 1 to 1'],
  ['column names merged with what is above them', merged('A1:A2'), 'merged cells in rows 1 to 2'],
  ['merged rows', merged('A2:A3'), 'merged cells in rows 2 to 3'],
  ['macros', { 'xl/vbaProject.bin': 'x' }, 'has macros'],
  ['links to other workbooks', { 'xl/externalLinks/externalLink1.xml': '<x/>' }, 'refers to other workbooks'],
  ['no sheet', { 'xl/workbook.xml': workbookXml('') }, 'has no visible sheet'],
  ['no content', { 'xl/worksheets/sheet1.xml': '' }, 'has no part xl/worksheets/sheet1.xml'],
  ['a sheet that breaks off', { 'xl/worksheets/sheet1.xml': sheetXml(header + row).slice(0, -30) }, 'no XML'],
  [
    'a formula for a column name',
    { 'xl/worksheets/sheet1.xml': sheetXml(`<row r="1"><c><f>1+1</f><v>2</v></c></row>${row}`) },
    'a formula among the column names',
  ],
].map(([what, change, words]) => ({
  what: `a workbook with ${what as string}`,
  format: xlsx,
  content: () => workbook(change as Parts),
  code: 'SOURCE_FILE_INVALID',
  words: words as string,
}))

const others: readonly HostileFile[] = [
  {
    what: 'shared texts of 64 MB',
    format: xlsx,
    content: () => workbook({ 'xl/sharedStrings.xml': sharedStringsXml([`<t>${'a'.repeat(64 * MB)}</t>`]) }),
    code: 'SOURCE_LIMIT_EXCEEDED',
    words: 'grow more than 100 times',
  },
  {
    what: 'a workbook that is formatted down to its last row',
    format: xlsx,
    content: () => workbook({}, header + row + emptyRows(3, 1_048_574)),
    code: 'SOURCE_LIMIT_EXCEEDED',
    words: 'delete the rows below the data',
  },
  {
    what: 'a field of 10 MB in a workbook',
    format: xlsx,
    content: () =>
      workbook({}, header + textRow(2, '1', Array.from({ length: 1_500_000 }, (_, n) => `${n}`).join(' '))),
    code: 'SOURCE_LIMIT_EXCEEDED',
    words: 'more than 8388608',
  },
  {
    what: 'an old or encrypted workbook',
    format: xlsx,
    content: () => Buffer.concat([Buffer.from('d0cf11e0a1b11ae1', 'hex'), Buffer.alloc(MB)]),
    code: 'SOURCE_FILE_INVALID',
    words: 'is no XLSX workbook',
  },
  {
    what: 'a workbook that breaks off',
    format: xlsx,
    content: async () => (await workbook({})).subarray(0, -100),
    code: 'SOURCE_FILE_INVALID',
    words: 'no readable ZIP directory',
  },
]

const workbooks: readonly HostileFile[] = [...brokenParts, ...others]

export const hostileFiles: readonly HostileFile[] = [...bombs, ...texts, ...workbooks]
