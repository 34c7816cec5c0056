import { hash } from 'node:crypto'
import iconv from 'iconv-lite'

/** One way in which a value may be written. `bounded`: it counts only where no letter or digit is beside it. */
export interface WrittenForm {
  readonly form: string
  readonly bytes: Buffer
  readonly bounded: boolean
}

type Write = (value: string) => readonly (string | Buffer)[]

const codePoints = (value: string): readonly string[] => Array.from(value)
const utf8 = (value: string): Buffer => Buffer.from(value, 'utf8')
const bigEndian = (value: string): Buffer => Buffer.from(value, 'utf16le').swap16()
const bothCases = (text: string): readonly string[] => [text.toLowerCase(), text.toUpperCase()]

const percentEveryByte = (value: string): string => utf8(value).toString('hex').replace(/../g, '%$&')
const lowerEscapes = (text: string): string => text.replace(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase())

const escapeUnit = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
// oxlint-disable-next-line no-control-regex -- every unit beyond ASCII is meant
const escapeBeyondAscii = (value: string): string => value.replace(/[^\0-\x7f]/g, escapeUnit)
const escapeAll = (value: string): string => value.replace(/[\s\S]/g, escapeUnit)
const upperDigits = (text: string): string => text.replace(/(?<=\\u)[0-9a-f]{4}/g, (digits) => digits.toUpperCase())

/** The characters of Base64 that depend on the value alone when `offset` unknown bytes stand before it. */
function base64At(value: string, offset: number): string {
  const bytes = utf8(value)
  const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64')
  return text.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6))
}

const base64 = (value: string): readonly string[] => [0, 1, 2].map((offset) => base64At(value, offset))
const toUrlAlphabet = (text: string): string => text.replaceAll('+', '-').replaceAll('/', '_')

const CITIZEN = /^\d{17}[\dX]$/
const MOBILE = /^1\d{10}$/
const groupings: readonly (readonly [RegExp, RegExp])[] = [
  [CITIZEN, /^(.{6})(.{8})(.{4})$/],
  [MOBILE, /^(.{3})(.{4})(.{4})$/],
]

function grouped(value: string): readonly string[] {
  const groups = groupings.flatMap(([kind, parts]) => (kind.test(value) ? [parts] : []))
  return groups.flatMap((parts) => [value.replace(parts, '$1 $2 $3'), value.replace(parts, '$1-$2-$3')])
}

/** The product's tokens are made over certificate type and number, so an unkeyed one would be a hash of this. */
const hashedTexts = (value: string): readonly string[] =>
  CITIZEN.test(value) ? [value, `CN:citizen:${value}`] : [value]

// Digests may be cut short when they are stored; eight bytes of one are still no accident.
const DIGEST_BYTES = 8

function digests(algorithm: string): Write {
  return (value) =>
    hashedTexts(value).flatMap((text) => {
      const start = hash(algorithm, text, 'buffer').subarray(0, DIGEST_BYTES)
      return [
        start,
        ...bothCases(start.toString('hex')),
        start.toString('base64').slice(0, 10),
        start.toString('base64url').slice(0, 10),
      ]
    })
}

const FULL_WIDTH_OFFSET = 0xfee0
const fullWidth = (value: string): string =>
  value.replace(/[0-9A-Z]/g, (character) => String.fromCharCode(character.charCodeAt(0) + FULL_WIDTH_OFFSET))

const writers: Readonly<Record<string, Write>> = {
  'utf-8': (value) => [value, value.toLowerCase()],
  'utf-16le': (value) => [Buffer.from(value, 'utf16le')],
  'utf-16be': (value) => [bigEndian(value)],
  gb18030: (value) => [iconv.encode(value, 'gb18030')],
  percent: (value) => {
    const encoded = encodeURIComponent(value)
    return [encoded, lowerEscapes(encoded), ...bothCases(percentEveryByte(value))]
  },
  'json-escape': (value) => [escapeBeyondAscii(value), escapeAll(value)].flatMap((text) => [text, upperDigits(text)]),
  base64,
  base64url: (value) => base64(value).map(toUrlAlphabet),
  hex: (value) => bothCases(utf8(value).toString('hex')),
  md5: digests('md5'),
  sha1: digests('sha1'),
  sha256: digests('sha256'),
  sm3: digests('sm3'),
  reversed: (value) => [codePoints(value).toReversed().join('')],
  spaced: (value) => [codePoints(value).join(' '), ...grouped(value)],
  'full-width': (value) => [fullWidth(value)],
}

const LAST = 8

// No shorter text is told from chance, and the search looks at this many bytes at a time.
const SHORTEST_FORM = 8

export const formNames: readonly string[] = [...Object.keys(writers), 'last-8']

/** Every form of one value, each text once and none too short to be told from chance. */
export function formsOf(value: string): readonly WrittenForm[] {
  const known = new Set<string>()
  const forms: WrittenForm[] = []
  const add = (form: string, bytes: Buffer, bounded: boolean): void => {
    const key = bytes.toString('latin1')
    if (bytes.length < SHORTEST_FORM || known.has(key)) return
    known.add(key)
    forms.push({ form, bytes, bounded })
  }
  for (const [form, write] of Object.entries(writers)) {
    for (const text of write(value)) add(form, Buffer.from(text), false)
  }
  // Eight digits between other digits are chance; alone they are a number that lost its head.
  if (CITIZEN.test(value)) add('last-8', utf8(value.slice(-LAST)), true)
  return forms
}

/** One value in one form, as a planted leak writes it. */
export function writeAs(form: string, value: string): Buffer {
  const [first] = writers[form]?.(value) ?? []
  if (first === undefined) throw new RangeError(`there is no form ${form}`)
  return Buffer.from(first)
}
