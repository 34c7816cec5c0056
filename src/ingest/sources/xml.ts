import { XMLParser, XMLValidator } from 'fast-xml-parser'
import type { Pointer } from '../../feeds/manifest-types.ts'

// As for JSON: no department nests records beyond 10.
const MAX_DEPTH = 32

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
 * of XML, at most 32 levels. Throws Error, whose message may quote the text: never pass it on.
 */
export function parseXml(text: string, list?: Pointer): unknown {
  if (/<!(DOCTYPE|ENTITY)/i.test(text)) throw new Error('a DTD')
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
