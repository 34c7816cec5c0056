import { SaxParser } from '@cj-tech-master/excelts/xml'
import { AppError } from '../../errors.ts'
import type { DataFile } from './file-bytes.ts'
import { fileError } from './file-directory.ts'
import type { Archive } from './file-xlsx-archive.ts'

export type Attributes = Readonly<Record<string, string>>

/** What is told of a part's XML. Names come without their prefix. */
export interface XmlHandlers {
  readonly open: (name: string, attributes: Attributes) => void
  readonly text?: (text: string) => void
  readonly close?: (name: string) => void
}

const MAX_DEPTH = 32
const DOCTYPE = '<!doctype'

/**
 * Reads a part of a workbook as XML and yields after each piece of it, when the handlers have been told of everything in it.
 * A document type declaration is refused, so no entity is ever defined. Throws AppError SOURCE_FILE_INVALID, and
 * SOURCE_LIMIT_EXCEEDED for a tag or text of more than the file's `rowBytes`.
 */
export async function* readXml(
  file: DataFile,
  archive: Archive,
  path: string,
  handlers: XmlHandlers,
): AsyncGenerator<void, void> {
  const state = { isBegun: false, silent: 0 }
  const parser = createParser(handlers, state)
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let prologue = ''
  try {
    for await (const chunk of archive.read(path)) {
      const text = decoder.decode(chunk, { stream: true })
      if (!state.isBegun) prologue += text
      if (prologue.toLowerCase().includes(DOCTYPE))
        throw fileError(`${file.name} has a document type declaration in ${path}`)
      state.silent += text.length
      parser.write(text)
      prologue = state.isBegun ? '' : prologue.slice(1 - DOCTYPE.length)
      assertProgress(file, state.silent)
      yield
    }
    parser.write(decoder.decode())
    parser.close()
    yield
  } catch (error) {
    // The parser's own error may quote the text.
    throw error instanceof AppError ? error : fileError(`${file.name} has a part ${path} that is no XML in UTF-8`)
  }
}

/** Reads a part to its end where nothing is to be done in between. */
export async function scanXml(file: DataFile, archive: Archive, path: string, handlers: XmlHandlers): Promise<void> {
  for await (const _piece of readXml(file, archive, path, handlers));
}

function createParser(handlers: XmlHandlers, state: { isBegun: boolean; silent: number }): SaxParser {
  const parser = new SaxParser({ position: false, maxDepth: MAX_DEPTH })
  parser.on('opentag', ({ name, attributes }) => {
    state.isBegun = true
    state.silent = 0
    handlers.open(withoutPrefix(name), attributes)
  })
  if (handlers.text !== undefined) {
    parser.on('text', handlers.text)
    parser.on('cdata', handlers.text)
  }
  parser.on('closetag', ({ name }) => handlers.close?.(withoutPrefix(name)))
  return parser
}

/** What lies between two tags is held in memory. */
function assertProgress(file: DataFile, silent: number): void {
  if (silent <= Math.max(file.rowBytes, MIN_SILENCE)) return
  throw new AppError('SOURCE_LIMIT_EXCEEDED', `${file.name} holds a text of more than ${file.rowBytes} bytes`)
}

// A piece ends anywhere, so that up to one and a half of them can pass between two tags.
const MIN_SILENCE = 128 * 1024

function withoutPrefix(name: string): string {
  const colon = name.indexOf(':')
  return colon === -1 ? name : name.slice(colon + 1)
}
