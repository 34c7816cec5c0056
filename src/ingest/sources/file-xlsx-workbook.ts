import { posix } from 'node:path'
import { AppError } from '../../errors.ts'
import type { DataFile } from './file-bytes.ts'
import { fileError } from './file-directory.ts'
import type { Archive } from './file-xlsx-archive.ts'
import type { CellStyle } from './file-xlsx-values.ts'
import { plainStyle, toCellStyle } from './file-xlsx-values.ts'
import { scanXml } from './file-xlsx-xml.ts'

/** What the cells of a sheet refer to. */
export interface Workbook {
  readonly sheetPath: string
  readonly styles: readonly CellStyle[]
  /** True where days are counted from 1904, as old Macs did. */
  readonly from1904: boolean
  readonly strings: SharedStrings
}

export type SharedStrings = (place: number) => string | undefined

// 1.2 million different texts of 15 Chinese characters take 54 MB.
const MAX_STRINGS_BYTES = 64 * 1024 * 1024
const MAX_PART_BYTES = 8 * 1024 * 1024

interface Relation {
  readonly id: string
  readonly type: string
  readonly target: string
}

/**
 * Reads everything of a workbook but the rows of its sheets. Throws AppError SOURCE_FILE_INVALID where it has macros or links to
 * other workbooks, where the sheet is not there or hidden, and where a part is broken.
 */
export async function openWorkbook(file: DataFile, archive: Archive, sheet: string | undefined): Promise<Workbook> {
  assertInert(file, archive)
  const [book] = await readRelations(file, archive, '', 'officeDocument')
  if (book === undefined) throw fileError(`${file.name} is a ZIP file without a workbook in it`)
  const { sheets, from1904 } = await readSheets(file, archive, book.target)
  const relations = await readRelations(file, archive, book.target, '')
  const chosen = chooseSheet(file, sheets, sheet)
  const worksheet = relations.find(({ id, type }) => id === chosen && type === 'worksheet')
  if (worksheet === undefined) throw fileError(`${file.name} has a sheet that is no table of cells`)
  const find = (type: string): string | undefined => relations.find((relation) => relation.type === type)?.target
  return {
    sheetPath: worksheet.target,
    from1904,
    styles: await readStyles(file, archive, find('styles')),
    strings: await readStrings(file, archive, find('sharedStrings')),
  }
}

function assertInert(file: DataFile, archive: Archive): void {
  const holds = (part: RegExp): boolean => archive.paths.some((path) => part.test(path))
  if (holds(/(^|\/)externalLinks\//i)) {
    throw fileError(`${file.name} refers to other workbooks; paste the values in their place`)
  }
  if (holds(/vbaProject\.bin$/i)) throw fileError(`${file.name} has macros; save it as .xlsx without them`)
}

/** Parts that `path` refers to, of the given last word of their type, or of all types. */
async function readRelations(
  file: DataFile,
  archive: Archive,
  path: string,
  wanted: string,
): Promise<readonly Relation[]> {
  const found: Relation[] = []
  const folder = posix.dirname(path)
  const part = posix.join(folder, '_rels', `${posix.basename(path)}.rels`)
  await scanPart(file, archive, part, (name, { Id = '', Type = '', Target = '', TargetMode }) => {
    if (name !== 'Relationship' || TargetMode === 'External') return
    const target = Target.startsWith('/') ? Target.slice(1) : posix.join(folder, Target)
    found.push({ id: Id, type: Type.slice(Type.lastIndexOf('/') + 1), target })
  })
  return found.filter(({ type }) => wanted === '' || type === wanted)
}

interface Sheet {
  readonly name: string
  readonly relation: string
  readonly isHidden: boolean
}

async function readSheets(
  file: DataFile,
  archive: Archive,
  path: string,
): Promise<{ readonly sheets: readonly Sheet[]; readonly from1904: boolean }> {
  const sheets: Sheet[] = []
  let from1904 = false
  await scanPart(file, archive, path, (name, attributes) => {
    if (name === 'workbookPr') from1904 = /^(1|true)$/.test(attributes['date1904'] ?? '')
    if (name !== 'sheet') return
    const relation = Object.entries(attributes).find(([key]) => key.endsWith(':id'))?.[1] ?? ''
    sheets.push({ name: attributes['name'] ?? '', relation, isHidden: /hidden/i.test(attributes['state'] ?? '') })
  })
  return { sheets, from1904 }
}

/** The relation of the sheet that is asked for, or of the first that a person sees. A hidden sheet is never read. */
function chooseSheet(file: DataFile, sheets: readonly Sheet[], name: string | undefined): string {
  const chosen = name === undefined ? sheets.find(({ isHidden }) => !isHidden) : sheets.find((one) => one.name === name)
  const what = name === undefined ? 'visible sheet' : `sheet ${name}`
  if (chosen === undefined) throw fileError(`${file.name} has no ${what}`)
  if (chosen.isHidden) throw fileError(`${file.name} hides its ${what}; show it, so that its sender sees what is sent`)
  return chosen.relation
}

async function readStyles(file: DataFile, archive: Archive, path: string | undefined): Promise<readonly CellStyle[]> {
  const formats = new Map<number, CellStyle>()
  const styles: CellStyle[] = []
  let isCellFormats = false
  const open = (name: string, attributes: Readonly<Record<string, string>>): void => {
    if (name === 'numFmt') {
      const format = Number(attributes['numFmtId'])
      formats.set(format, toCellStyle(format, attributes['formatCode'] ?? ''))
    }
    if (name === 'cellXfs') isCellFormats = true
    if (name !== 'xf' || !isCellFormats) return
    const id = Number(attributes['numFmtId'] ?? 0)
    styles.push(formats.get(id) ?? toCellStyle(id, undefined))
  }
  const close = (name: string): void => {
    if (name === 'cellXfs') isCellFormats = false
  }
  if (path !== undefined) await scanPart(file, archive, path, open, close)
  return styles.length === 0 ? [plainStyle] : styles
}

async function scanPart(
  file: DataFile,
  archive: Archive,
  path: string,
  open: (name: string, attributes: Readonly<Record<string, string>>) => void,
  close?: (name: string) => void,
): Promise<void> {
  assertPart(file, archive, path, MAX_PART_BYTES)
  await scanXml(file, archive, path, close === undefined ? { open } : { open, close })
}

function assertPart(file: DataFile, archive: Archive, path: string, maxBytes: number): void {
  if (archive.bytesOf(path) <= maxBytes) return
  throw new AppError('SOURCE_LIMIT_EXCEEDED', `${file.name} has a part of more than ${maxBytes} bytes beside its rows`)
}

/** The texts that cells share, side by side in one buffer: as strings of their own they would take three times the memory. */
async function readStrings(file: DataFile, archive: Archive, path: string | undefined): Promise<SharedStrings> {
  if (path === undefined) return () => undefined
  assertPart(file, archive, path, MAX_STRINGS_BYTES)
  const bytes = Buffer.allocUnsafeSlow(archive.bytesOf(path))
  const ends: number[] = []
  let end = 0
  const text = createTextCollector()
  await scanXml(file, archive, path, {
    open: text.open,
    text: text.add,
    close: (name) => {
      text.close(name)
      if (name !== 'si') return
      end += bytes.write(text.take(), end)
      ends.push(end)
    },
  })
  return (place) => (place in ends ? bytes.toString('utf8', ends[place - 1] ?? 0, ends[place]) : undefined)
}

/** Puts the text of a shared or inline string together out of its runs; how a word is pronounced is left out. */
export function createTextCollector(): {
  readonly open: (name: string) => void
  readonly add: (text: string) => void
  readonly close: (name: string) => void
  readonly take: () => string
} {
  let collected = ''
  let isText = false
  let isPhonetic = false
  return {
    open: (name) => {
      if (name === 'rPh') isPhonetic = true
      isText = name === 't' && !isPhonetic
    },
    add: (text) => {
      if (isText) collected += text
    },
    close: (name) => {
      if (name === 'rPh') isPhonetic = false
      isText = false
    },
    take: () => {
      const text = collected
      collected = ''
      return text
    },
  }
}
