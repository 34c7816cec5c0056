import { XMLParser, XMLValidator } from 'fast-xml-parser'
import { AppError } from '../../errors.ts'
import type { Pointer } from '../../feeds/manifest-types.ts'

// As for JSON: no department nests records beyond 10.
const MAX_DEPTH = 32

// The parser gathers text sign by sign, which takes 40 bytes for each until the text ends: 10 MB in one element took 380 MB.
// Sections of CDATA and comments are taken whole. 150,000 elements take 130 MB.
const MAX_RUN = 1_000_000
const MAX_TAGS = 300_000

const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/** The five names of XML and numbers; whatever else an entity may stand for is refused, as a DTD is. */
const entityDecoder = {
  decode: (text: string): string => (text.includes('&') ? text.replaceAll(/&([^;&\s]{0,12});?/g, toCharacter) : text),
  reset: (): void => undefined,
  setExternalEntities: (): void => undefined,
  addInputEntities: (): void => undefined,
  setXmlVersion: (): void => undefined,
}

/**
 * Parses XML that others wrote: elements become members without namespace prefixes, in lists where they repeat; attributes are
 * dropped; text stays text, trimmed. The element at `list` is a list even when it stands alone. No DTD, no entity but the five
 * of XML, at most 32 levels. Throws AppError SOURCE_LIMIT_EXCEEDED for more than 300,000 tags or a million signs between two
 * of them outside CDATA, and Error, whose message may quote the text: never pass it on.
 */
export function parseXml(text: string, list?: Pointer): unknown {
  if (/<!(DOCTYPE|ENTITY)/i.test(text)) throw new Error('a DTD')
  assertSize(text)
  const path = list?.slice(1).replaceAll('/', '.')
  const parser = new XMLParser({
    ignoreAttributes: true,
    removeNSPrefix: true,
    ignoreDeclaration: true,
    ignorePiTags: true,
    parseTagValue: false,
    maxNestedTags: MAX_DEPTH,
    entityDecoder,
    isArray: (_name, at) => at === path,
  })
  const document: unknown = parser.parse(text)
  // The parser forgives what is not well-formed. It goes first, because it stops at the depth that the validator would go on from.
  if (XMLValidator.validate(text) !== true) throw new Error('no well-formed XML')
  return document
}

function assertSize(text: string): void {
  let tags = 0
  for (let at = text.indexOf('<'); at !== -1; tags++) {
    const next = text.indexOf('<', at + 1)
    const isLong = (next === -1 ? text.length : next) - at > MAX_RUN
    if (tags > MAX_TAGS || (isLong && !/^<!(\[CDATA\[|--)/.test(text.slice(at, at + 9)))) {
      throw new AppError('SOURCE_LIMIT_EXCEEDED', `more than ${MAX_TAGS} tags, or a text of more than ${MAX_RUN} signs`)
    }
    at = next
  }
}

function toCharacter(whole: string, name: string): string {
  const character = named[name] ?? numbered(name)
  if (character === null || !whole.endsWith(';')) throw new Error('an entity that is not one of XML')
  return character
}

function numbered(name: string): string | null {
  const [, hex, decimal] = /^#(?:x([\da-f]{1,6})|(\d{1,7}))$/i.exec(name) ?? []
  const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : null
}
