import {
  packWorkbook,
  sharedStringsXml,
  sheetXml,
  textRow,
  workbookParts,
  workbookXml,
  type Parts,
} from '../test/ingest/sources/workbook.ts'
import type { HostileFile } from './hostile-files.ts'

const MB = 1_000_000
const SHEET = 'xl/worksheets/sheet1.xml'
const header = textRow(1, 'id', 'name')
const row = textRow(2, '1', '张测试')

const workbook = (
  what: string,
  code: HostileFile['code'],
  change: () => Parts,
  rows: () => string = () => header + row,
): HostileFile => ({
  what: `a workbook with ${what}`,
  format: { kind: 'xlsx' },
  content: () => packWorkbook(workbookParts(rows(), change())),
  code,
  words: '',
})

const INVALID = 'SOURCE_FILE_INVALID'
const LIMIT = 'SOURCE_LIMIT_EXCEEDED'
const none = (): Parts => ({})
const sheet = (text: string) => (): Parts => ({ [SHEET]: text })
const noise = (bytes: number): Buffer => {
  let state = 7
  return Buffer.from(Array.from({ length: bytes }, () => (state = (state * 48_271) % 2_147_483_647) & 0xff))
}

/** External entities, parameter entities and laughs, in each part that is read as XML. */
const entities = [
  'xl/workbook.xml',
  'xl/_rels/workbook.xml.rels',
  'xl/styles.xml',
  'xl/sharedStrings.xml',
  SHEET,
].flatMap((part) =>
  [
    ['a file', '<!ENTITY x SYSTEM "file:///etc/passwd">'],
    ['an address', '<!ENTITY x SYSTEM "http://169.254.169.254/">'],
    ['a parameter', '<!ENTITY % x SYSTEM "http://10.0.0.1/x.dtd">%x;'],
  ].map(([what, entity]) =>
    workbook(`an entity of ${what} in ${part}`, INVALID, () => ({
      [part]: `<?xml version="1.0"?><!DOCTYPE r [${entity}]><r>&x;</r>`,
    })),
  ),
)

const merged = (...ranges: readonly string[]): string =>
  `<mergeCells>${ranges.map((ref) => `<mergeCell ref="${ref}"/>`).join('')}</mergeCells>`

const bombs: readonly HostileFile[] = [
  workbook('one merged cell over all rows', INVALID, sheet(sheetXml(header + row, merged('A1:XFD1048576')))),
  workbook('100,000 merged cells', INVALID, () => ({
    [SHEET]: sheetXml(header + row, merged(...Array.from({ length: 100_000 }, (_, n) => `A${n + 2}:B${n + 2}`))),
  })),
  workbook('a merged cell of no range', INVALID, sheet(sheetXml(header + row, merged('A1')))),
  workbook('laughs in shared texts', INVALID, () => ({
    'xl/sharedStrings.xml': `<!DOCTYPE s [<!ENTITY a "ha"><!ENTITY b "${'&a;'.repeat(1000)}">]>${sharedStringsXml(['<t>&b;</t>'])}`,
  })),
  workbook('300,000 shared texts that nobody uses', LIMIT, () => ({
    'xl/sharedStrings.xml': sharedStringsXml(Array.from({ length: 3_000_000 }, (_, n) => `<t>${n}</t>`)),
  })),
  workbook(
    'a shared text that is not there',
    INVALID,
    none,
    () => `${header}<row r="2"><c t="s"><v>99999999</v></c></row>`,
  ),
  workbook('a cell beyond the last column', LIMIT, none, () => `${header}<row r="2"><c r="ZZZZZZ2"><v>1</v></c></row>`),
  workbook('a row beyond the last row', null, none, () => `${header}<row r="99999999999"><c><v>1</v></c></row>`),
  workbook('rows that go backwards', INVALID, none, () => header + textRow(5, '1', 'a') + textRow(3, '2', 'b')),
  workbook('20,000 columns', LIMIT, none, () => textRow(1, ...Array.from({ length: 20_000 }, (_, n) => `c${n}`)) + row),
  workbook('2,000 sheets', LIMIT, () =>
    Object.fromEntries(Array.from({ length: 2000 }, (_, n) => [`xl/worksheets/sheet${n + 2}.xml`, sheetXml('')])),
  ),
  workbook('a sheet of a hundred megabytes of blanks', LIMIT, sheet(sheetXml(header + row + ' '.repeat(100 * MB)))),
  workbook('an attribute of 20 MB', LIMIT, sheet(sheetXml(`<row r="1" x="${'a'.repeat(20 * MB)}"/>${row}`))),
  workbook('a comment of 20 MB', LIMIT, sheet(sheetXml(`<!--${'a'.repeat(20 * MB)}-->${header}${row}`))),
  workbook('a processing instruction of 20 MB', LIMIT, sheet(sheetXml(`<?x ${'a'.repeat(20 * MB)}?>${header}${row}`))),
  workbook('styles of 60 MB', LIMIT, () => ({
    'xl/styles.xml': `<styleSheet>${'<xf/>'.repeat(12 * MB)}</styleSheet>`,
  })),
  workbook('a path that climbs', null, () => ({ '../../../../etc/passwd': 'x' })),
  workbook('a sheet that is somewhere else', INVALID, () => ({
    'xl/_rels/workbook.xml.rels':
      '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="http://169.254.169.254/sheet.xml" TargetMode="External"/></Relationships>',
  })),
  workbook('two names that are one', null, none, () => textRow(1, 'id', 'id') + row),
  workbook('a name that is a prototype', null, none, () => textRow(1, 'id', '__proto__') + row),
  workbook('1,000 sheets in its list', INVALID, () => ({
    'xl/workbook.xml': workbookXml(
      Array.from({ length: 1000 }, (_, n) => `<sheet name="s${n}" sheetId="${n + 1}" r:id="rId${n + 100}"/>`).join(''),
    ),
  })),
  workbook('noise for a sheet', INVALID, () => ({ [SHEET]: noise(MB) })),
]

const packed = (what: string, code: HostileFile['code'], content: HostileFile['content']): HostileFile => ({
  what: `${what} that is called a workbook`,
  format: { kind: 'xlsx' },
  content,
  code,
  words: '',
})

const archives: readonly HostileFile[] = [
  packed('nothing', INVALID, () => ''),
  packed('an empty ZIP', INVALID, () => Buffer.concat([Buffer.from('PK\u0005\u0006', 'latin1'), Buffer.alloc(18)])),
  packed('noise', INVALID, () => noise(2 * MB)),
  packed('a CSV file', INVALID, () => 'id,name\n1,a\n'),
  packed('a ZIP with a directory of four gigabytes', INVALID, () =>
    Buffer.concat([Buffer.from('504b0506000000000100ffff00feffff00000000ffff', 'hex')]),
  ),
]

/** More than forty workbooks, beside those of hostile-files.ts. */
export const hostileWorkbooks: readonly HostileFile[] = [...entities, ...bombs, ...archives]
