import { gzipSync } from 'node:zlib'
import type { HostileFile } from './hostile-files.ts'

const MB = 1_000_000
const NUL = String.fromCharCode(0)
const csv = { kind: 'csv', encoding: 'utf-8', delimiter: ',' } as const
const gb18030 = { ...csv, encoding: 'gb18030' } as const
const ndjson = { kind: 'ndjson' } as const
const head = 'id,name\n'
const INVALID = 'SOURCE_FILE_INVALID'
const LIMIT = 'SOURCE_LIMIT_EXCEEDED'

const file = (
  what: string,
  code: HostileFile['code'],
  format: HostileFile['format'],
  content: HostileFile['content'],
  rows = 1,
): HostileFile => ({ what, code, format, content, rows, words: '' })

const bytes = (...given: readonly (string | readonly number[])[]): Buffer =>
  Buffer.concat(given.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))))

/** Sequences that are no GB 18030: a lone lead byte, four bytes that break off, a forbidden trail byte. */
const broken = [[0x81], [0x81, 0x30], [0x81, 0x30, 0x81], [0xff, 0xff], [0xa1, 0x20]].map((sequence, place) =>
  file(`GB 18030 that is broken in way ${place}`, INVALID, gb18030, () => bytes(head, '1,', sequence, '\n')),
)
/** Overlong, a surrogate, beyond the last character, and a tail without a head. */
const overlong = [[0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x80], [0xe4, 0xb8]].map(
  (sequence, place) =>
    file(`UTF-8 that is broken in way ${place}`, INVALID, csv, () => bytes(head, '1,', sequence, '\n')),
)

/** CSV, NDJSON and their encodings, beside those of hostile-files.ts. */
export const hostileTexts: readonly HostileFile[] = [
  ...broken,
  ...overlong,
  file('a line of 50 MB without an end', LIMIT, ndjson, () => `{"id":"${'a'.repeat(50 * MB)}`),
  file('NDJSON without a line end in it', LIMIT, ndjson, () => '{"id":"1"}'.repeat(2 * MB)),
  file('a bomb of NDJSON in gzip', LIMIT, { ...ndjson, compression: 'gzip' }, () =>
    gzipSync('{"id":"1"}\n'.repeat(9 * MB)),
  ),
  file('a million columns in the head', LIMIT, csv, () => `${'c,'.repeat(MB)}\n`),
  file('a column that is there twice', null, csv, () => 'id,id\n1,2\n'),
  file('a column that is a prototype', null, csv, () => 'id,__proto__\n1,x\n'),
  file('rows with other numbers of fields', null, csv, () => `${head}1,a,b,c,d\n`),
  file('NUL in every field', null, csv, () => `${head}1${NUL},${NUL}a\n`),
  file('nothing but NUL', LIMIT, csv, () => Buffer.alloc(20 * MB)),
  file('nothing but quotes', LIMIT, csv, () => '"'.repeat(20 * MB)),
  file('quotes in the middle', null, csv, () => `${head}1,a"b"c"\n`),
  file('duplicate names in a line', null, ndjson, () => '{"id":"1","id":"2"}\n'),
  file('a prototype in a line', null, ndjson, () => '{"__proto__":{"id":"1"},"constructor":{"prototype":{}}}\n'),
  file('a number of a megabyte in a line', null, ndjson, () => `{"id":${'9'.repeat(MB - 100)}}\n`),
  file('a lone surrogate in a line', null, ndjson, () => String.raw`{"id":"\ud800"}` + '\n'),
]
