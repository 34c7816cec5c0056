import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import type { HttpSourceManifest } from '../src/feeds/manifest-types.ts'

/** A body that a department answers with, and what must come of it. */
export interface HostileBody {
  readonly what: string
  readonly bytes: () => Buffer
  /** Null: its rows are read, and refused. */
  readonly code: string | null
  readonly headers?: Readonly<Record<string, string>>
  readonly answer?: HttpSourceManifest['answer']
}

const MEGABYTE = 1024 * 1024

const page = (rows: string): Buffer => Buffer.from(`{"data":{"rows":[${rows}]}}`)
const repeat = (text: string, times: number): string => text.repeat(times)

/** So many megabytes of one character in gzip, as members one after another. */
const packed = (character: string, megabytes: number): Buffer =>
  Buffer.concat(Array<Buffer>(megabytes / 16).fill(gzipSync(Buffer.alloc(16 * MEGABYTE, character))))

const body = (
  what: string,
  code: HostileBody['code'],
  bytes: HostileBody['bytes'],
  rest: Pick<HostileBody, 'headers' | 'answer'> = {},
): HostileBody => ({ what, code, bytes, ...rest })

const gzip = { headers: { 'content-encoding': 'gzip' } }
const xml = { answer: { kind: 'xml' }, headers: { 'content-type': 'application/xml' } } as const

const entities = (): Buffer => {
  const levels = Array.from({ length: 9 }, (_, level) => `<!ENTITY e${level + 1} "${repeat(`&e${level};`, 10)}">`)
  return Buffer.from(`<!DOCTYPE d [<!ENTITY e0 "ha">${levels.join('')}]><data><rows><id>&e9;</id></rows></data>`)
}

export const hostileBodies: readonly HostileBody[] = [
  body('a bomb of 1 GB in gzip', 'SOURCE_LIMIT_EXCEEDED', () => packed('\0', 1024), gzip),
  body('a bomb in brotli', 'SOURCE_BODY_INVALID', () => brotliCompressSync(Buffer.alloc(64 * MEGABYTE)), {
    headers: { 'content-encoding': 'br' },
  }),
  body('a bomb in deflate', 'SOURCE_BODY_INVALID', () => deflateSync(Buffer.alloc(64 * MEGABYTE)), {
    headers: { 'content-encoding': 'deflate' },
  }),
  body('a bomb inside a bomb', 'SOURCE_BODY_INVALID', () => gzipSync(gzipSync(Buffer.alloc(64 * MEGABYTE))), {
    headers: { 'content-encoding': 'gzip, gzip' },
  }),
  body('JSON of 2,000,000 open brackets', 'SOURCE_BODY_INVALID', () => Buffer.from(repeat('[', 2_000_000))),
  body('a row of 300,000 levels', null, () => page(`{"a":${repeat('[', 300_000)}${repeat(']', 300_000)}}`)),
  body('a field of 10 MB', 'SOURCE_LIMIT_EXCEEDED', () => page(`{"ajid":"1","ajbh":"${repeat('案', 3_400_000)}"}`)),
  body('a field of 7 MB', null, () => page(`{"ajid":"1","ajbh":"${repeat('案', 2_400_000)}"}`)),
  body('a number of a megabyte', null, () => page(`{"ajid":${repeat('9', MEGABYTE)}}`)),
  body('300,000 repeated names', null, () => page(`{${repeat('"a":1,', 300_000)}"b":1}`)),
  body('500,000 names in one row', null, () =>
    page(`{${Array.from({ length: 500_000 }, (_, n) => `"n${n}":1`).join(',')}}`),
  ),
  body('a name that is a prototype', null, () =>
    page(repeat('{"__proto__":{"ajid":"1"}},', 999) + '{"constructor":1}'),
  ),
  body('GB 18030 that is called UTF-8', 'SOURCE_BODY_INVALID', () =>
    Buffer.concat([Buffer.from('{"data":{"rows":[{"ajid":"'), Buffer.from([0xd5, 0xc5]), Buffer.from('"}]}}')]),
  ),
  body('a thousand million laughs', 'SOURCE_BODY_INVALID', entities, xml),
  body('XML of 200,000 levels', 'SOURCE_BODY_INVALID', () => Buffer.from(repeat('<a>', 200_000)), xml),
  body(
    'an element of 200,000 attributes',
    'SOURCE_LIMIT_EXCEEDED',
    () => Buffer.from(`<data ${Array.from({ length: 200_000 }, (_, n) => `a${n}="1"`).join(' ')}><rows>`),
    xml,
  ),
]
