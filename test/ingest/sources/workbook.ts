import { zip } from '@cj-tech-master/excelts/archive'

export type Parts = Readonly<Record<string, string | Uint8Array>>

const officeRelations = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships'
const main = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main'
const head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'

const relations = (...entries: readonly string[]): string =>
  `${head}<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">${entries.join('')}</Relationships>`

const relation = (id: string, type: string, target: string): string =>
  `<Relationship Id="${id}" Type="${officeRelations}/${type}" Target="${target}"/>`

/** A sheet whose rows are given as XML, and what comes after them. */
export const sheetXml = (rows: string, after = ''): string =>
  `${head}<worksheet xmlns="${main}"><sheetData>${rows}</sheetData>${after}</worksheet>`

/** A row of inline texts; `from` is its number. */
export const textRow = (number: number, ...texts: readonly string[]): string =>
  `<row r="${number}">${texts.map((text) => `<c t="inlineStr"><is><t>${text}</t></is></c>`).join('')}</row>`

/** Rows that are formatted and hold nothing, as Excel writes them. */
export const emptyRows = (first: number, count: number): string =>
  Array.from({ length: count }, (_, n) => `<row r="${first + n}" s="1" ht="15"/>`).join('')

export const sharedStringsXml = (items: readonly string[]): string =>
  `${head}<sst xmlns="${main}">${items.map((item) => `<si>${item}</si>`).join('')}</sst>`

export const workbookXml = (sheets: string, properties = ''): string =>
  `${head}<workbook xmlns="${main}" xmlns:r="${officeRelations}">${properties}<sheets>${sheets}</sheets></workbook>`

// Styles of the cells by their number: plain, a built-in date, a date by its format, 000000, a format with letters in quotes.
const stylesXml = `${head}<styleSheet xmlns="${main}">
  <numFmts><numFmt numFmtId="164" formatCode="yyyy&quot;年&quot;m&quot;月&quot;d&quot;日&quot;"/><numFmt numFmtId="165" formatCode="000000"/>
  <numFmt numFmtId="166" formatCode="0.00&quot; mm&quot;"/></numFmts>
  <cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>
  <cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/><xf numFmtId="166"/><xf numFmtId="22"/></cellXfs></styleSheet>`

/** The parts of a workbook with one sheet of these rows; `change` replaces parts, an empty text takes one away. */
export function workbookParts(rows: string, change: Parts = {}): Parts {
  const parts: Parts = {
    '[Content_Types].xml': `${head}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>`,
    '_rels/.rels': relations(relation('rId1', 'officeDocument', 'xl/workbook.xml')),
    'xl/workbook.xml': workbookXml('<sheet name="数据" sheetId="1" r:id="rId1"/>'),
    'xl/_rels/workbook.xml.rels': relations(
      relation('rId1', 'worksheet', 'worksheets/sheet1.xml'),
      relation('rId2', 'worksheet', '/xl/worksheets/sheet2.xml'),
      relation('rId3', 'styles', 'styles.xml'),
      relation('rId4', 'sharedStrings', 'sharedStrings.xml'),
    ),
    'xl/styles.xml': stylesXml,
    'xl/sharedStrings.xml': sharedStringsXml([]),
    'xl/worksheets/sheet1.xml': sheetXml(rows),
    ...change,
  }
  return Object.fromEntries(Object.entries(parts).filter(([, content]) => content !== ''))
}

/** The parts as the ZIP file that Excel would write. */
export async function packWorkbook(parts: Parts): Promise<Buffer> {
  const archive = zip({ smartStore: false, path: false })
  for (const [path, content] of Object.entries(parts)) archive.add(path, Buffer.from(content))
  return Buffer.from(await archive.bytes())
}
