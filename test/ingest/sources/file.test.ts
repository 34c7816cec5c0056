import { hash } from 'node:crypto'
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import iconv from 'iconv-lite'
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'
import type { FileSourceManifest } from '../../../src/feeds/manifest-file.ts'
import { openFileSource } from '../../../src/ingest/sources/file.ts'
import { readPointer } from '../../../src/ingest/sources/pointer.ts'
import type { Cursor, Source } from '../../../src/ingest/sources/source.ts'
import { createEgressGuard } from '../../../src/security/egress.ts'
import { codeOf } from '../../support/coded-error.ts'
import { createRandom } from '../../../prove/random.ts'
import { collect, collectReopening } from './collect.ts'

const root = mkdtempSync(path.join(tmpdir(), 'gridbridge-drop-'))
afterAll(() => rmSync(root, { recursive: true }))

let directory = ''
let opened: readonly Source[] = []
beforeEach(() => {
  directory = mkdtempSync(path.join(root, 'drop-'))
})

afterEach(async () => {
  await Promise.all(opened.map((source) => source.close()))
  opened = []
})

interface Drop {
  readonly rows?: number
  readonly sm3?: string
  readonly marker?: string | null
}

/** Writes a data file and its marker, which is right unless it is told otherwise. */
function drop(name: string, content: string | Buffer, { rows, sm3, marker }: Drop = {}): void {
  const bytes = Buffer.from(content)
  const counted = bytes.toString('latin1').trimEnd().split('\n').length - 1
  writeFileSync(path.join(directory, name), bytes)
  const right = JSON.stringify({ rows: rows ?? counted, sm3: sm3 ?? hash('sm3', bytes) })
  if (marker !== null) writeFileSync(path.join(directory, `${name}.ok`), marker ?? right)
}

function open(change: Partial<FileSourceManifest> = {}, limits = { pageBytes: 100_000, pages: 1000 }): Source {
  const manifest: FileSourceManifest = {
    kind: 'file',
    directory,
    pattern: 'people_*.csv',
    marker: { suffix: '.ok' },
    format: { kind: 'csv', encoding: 'utf-8', delimiter: ',' },
    pageSize: 3,
    ...change,
  }
  const source = openFileSource({ manifest, limits, secrets: {}, egress: createEgressGuard([]) })
  opened = [...opened, source]
  return source
}

const gb18030 = { format: { kind: 'csv', encoding: 'gb18030', delimiter: '|' } } as const

const lines = (from: number, count: number) =>
  `id,name\n${Array.from({ length: count }, (_, n) => `${from + n},样例${from + n}\n`).join('')}`

const idsOf = (values: readonly unknown[]) => values.map((value) => readPointer(value, '/id'))

test('files are read in the order of their names, each to its end, and the next run goes on after them', async () => {
  drop('people_20260102.csv', lines(5, 4))
  drop('people_20260101.csv', lines(1, 4))
  drop('other_20260101.csv', lines(100, 4))
  const source = open()
  const first = await collect(source)
  expect(idsOf(first.values)).toEqual(['1', '2', '3', '4', '5', '6', '7', '8'])
  expect(first.values[0]).toEqual({ id: '1', name: '样例1' })
  expect(first.pages).toEqual([3, 1, 0, 3, 1, 0, 0])
  expect((await collect(source, first.cursor)).values).toEqual([])
  drop('people_20260103.csv', lines(9, 1))
  expect(idsOf((await collect(source, first.cursor)).values)).toEqual(['9'])
})

test('a source reopened at every page brings the same rows', async () => {
  drop('people_1.csv', lines(1, 20))
  drop('people_2.csv', lines(21, 7))
  const { values } = await collectReopening(() => open())
  expect(idsOf(values)).toEqual(Array.from({ length: 27 }, (_, n) => String(n + 1)))
})

test('a long file is read through once, not from its beginning for every page', async () => {
  drop('people_1.csv', lines(1, 20_000))
  const source = open({ pageSize: 20 }, { pageBytes: 100_000, pages: 10_000 })
  const begun = performance.now()
  expect((await collectPages(source)).length).toBe(20_000)
  // Reading anew for each of the 1,000 pages would parse 10 million rows, about 50 s.
  expect(performance.now() - begun).toBeLessThan(5000)
})

async function collectPages(source: Source): Promise<readonly unknown[]> {
  const values: unknown[] = []
  let cursor: Cursor | null = null
  for (;;) {
    const page = await source.readPage(cursor, new Date())
    for (const { value } of page.rows) values.push(value)
    if (page.done) return values
    cursor = page.cursor
  }
}

test('an empty directory, a file without a marker and a file without rows give no rows', async () => {
  expect(await collect(open())).toMatchObject({ values: [], pages: [0] })
  drop('people_2.csv', lines(1, 1), { marker: null })
  expect(await collect(open())).toMatchObject({ values: [], pages: [0] })
  drop('people_0.csv', 'id,name\n')
  drop('people_1.csv', '', { rows: 0 })
  expect(await collect(open())).toMatchObject({ values: [], pages: [0, 0, 0], cursor: { done: 'people_1.csv' } })
})

test('a file that waits for its marker is not overtaken by a later one', async () => {
  drop('people_1.csv', lines(1, 1))
  drop('people_2.csv', lines(2, 1), { marker: null })
  drop('people_3.csv', lines(3, 1))
  const source = open()
  const first = await source.readPage(null, new Date())
  expect(first.rows).toHaveLength(1)
  const end = await source.readPage(first.cursor, new Date())
  await expect(source.readPage(end.cursor, new Date())).rejects.toMatchObject({
    code: 'SOURCE_FILE_INVALID',
    detail: expect.stringContaining('people_2.csv has no marker'),
  })
})

test.each([
  ['another digest', { sm3: '0'.repeat(64) }, 'another SM3'],
  ['fewer rows than stated', { rows: 6 }, '5 rows, its marker says 6'],
  ['more rows than stated', { rows: 4 }, '5 rows, its marker says 4'],
  ['a marker that is no JSON', { marker: 'ok' }, 'people_1.csv.ok must hold'],
  ['a marker without a digest', { marker: '{"rows":5}' }, 'people_1.csv.ok must hold'],
  ['a marker with a negative count', { marker: `{"rows":-1,"sm3":"${'0'.repeat(64)}"}` }, 'people_1.csv.ok must hold'],
  [
    'a marker that states its count twice',
    { marker: `{"rows":6,"rows":5,"sm3":"${'0'.repeat(64)}"}` },
    'people_1.csv.ok must hold',
  ],
  ['a marker of a megabyte', { marker: ' '.repeat(1_000_000) }, 'people_1.csv.ok must hold'],
])('a file with %s is refused before its first row', async (_name, fault, words) => {
  drop('people_1.csv', lines(1, 5), fault)
  await expect(open().readPage(null, new Date())).rejects.toMatchObject({
    code: 'SOURCE_FILE_INVALID',
    detail: expect.stringContaining(words),
  })
})

test('GB18030 is decoded with its four-byte characters, a byte-order mark and quoted line breaks', async () => {
  const text = '\uFEFF身份|姓名\n1|𬱖测试𠮷\n2|"张|测""试\n二"\n3|5" 管\n'
  drop('people_1.csv', iconv.encode(text, 'gb18030'), { rows: 3 })
  expect((await collect(open(gb18030))).values).toEqual([
    { 身份: '1', 姓名: '𬱖测试𠮷' },
    { 身份: '2', 姓名: '张|测"试\n二' },
    { 身份: '3', 姓名: '5" 管' },
  ])
})

test.for(['\n', '\r\n', '\r'])(
  'cells with quotes, delimiters and line ends inside come whole, wherever the file is cut (%j)',
  async (end) => {
    const random = createRandom(7)
    const bits = ['张', '"', ',', '\n', '\r\n', ' ', 'a', '样例'] as const
    const cell = (): string => Array.from({ length: random(12) }, () => bits[random(bits.length)]).join('')
    const rows = Array.from({ length: 40_000 }, (_, n) => ({ id: String(n), 备注: cell(), v: `x${cell()}` }))
    const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`
    const written = rows.map((row) => Object.values(row).map(quoted).join(','))
    const content = ['id,备注,v', ...written, ''].join(end)
    drop('people_1.csv', content, { rows: rows.length })
    expect(Buffer.byteLength(content)).toBeGreaterThan(1_000_000)
    expect((await collect(open({ pageSize: 10_000 }))).values).toEqual(rows)
  },
)

test('UTF-8 with a byte-order mark and Windows line ends is read', async () => {
  drop('people_1.csv', '\uFEFFid,name\r\n7,张测试\r\n')
  expect((await collect(open())).values).toEqual([{ id: '7', name: '张测试' }])
})

test.each([
  ['in the first chunk', 10],
  ['in a later chunk', 60_000],
])('a byte that is not GB18030 %s is told with its offset, and no row is read', async (_name, count) => {
  const good = iconv.encode(lines(1, count), 'gb18030')
  const bad = Buffer.concat([good, Buffer.from('9,'), Buffer.from([0xff]), Buffer.from('\n')])
  drop('people_1.csv', bad, { rows: count + 1 })
  await expect(open(gb18030).readPage(null, new Date())).rejects.toMatchObject({
    code: 'SOURCE_FILE_INVALID',
    detail: `people_1.csv byte ${good.length + 2} is not gb18030`,
  })
})

test('a file that ends in the middle of a character is refused', async () => {
  const bytes = iconv.encode('id|name\n1|张', 'gb18030').subarray(0, -1)
  drop('people_1.csv', bytes)
  await expect(open(gb18030).readPage(null, new Date())).rejects.toMatchObject({
    detail: `people_1.csv byte ${bytes.length} is not gb18030`,
  })
})

test('a row of another length is handed on as a list, and its neighbours are not hurt', async () => {
  drop('people_1.csv', 'id,name\n1,a\n2\n3,c,d\n\n4,\u0000\n', { rows: 4 })
  expect((await collect(open())).values).toEqual([
    { id: '1', name: 'a' },
    ['2'],
    ['3', 'c', 'd'],
    { id: '4', name: '\u0000' },
  ])
})

test('a header that names a column twice makes every row a list', async () => {
  drop('people_1.csv', 'id,name,id\n1,a,2\n')
  expect((await collect(open())).values).toEqual([['1', 'a', '2']])
})

test('a header named like a prototype stays a plain value', async () => {
  drop('people_1.csv', 'id,__proto__\n1,polluted\n')
  const [row] = (await collect(open())).values
  expect(readPointer(row, '/__proto__')).toBe('polluted')
  expect(Object.getPrototypeOf(row)).toBe(Object.prototype)
})

test('a quote that is never closed is refused with its place and without its text', async () => {
  drop('people_1.csv', 'id,name\n1,"private\n2,b\n')
  const failure = open().readPage(null, new Date())
  await expect(failure).rejects.toMatchObject({
    code: 'SOURCE_FILE_INVALID',
    detail: expect.stringContaining('a quote is never closed'),
  })
  await expect(failure).rejects.not.toThrow('private')
})

test('a page ends early at its bytes, and a row beyond them is refused', async () => {
  drop('people_1.csv', `id,name\n1,${'a'.repeat(600)}\n2,${'b'.repeat(600)}\n3,c\n`)
  const limits = { pageBytes: 1024, pages: 10 }
  expect((await collect(open({}, limits))).pages).toEqual([2, 1, 0, 0])
  drop('people_2.csv', `id,name\n1,${'a'.repeat(3000)}\n`)
  await expect(collect(open({}, limits))).rejects.toMatchObject({ code: 'SOURCE_LIMIT_EXCEEDED' })
})

test('more pages than the manifest allows are refused', async () => {
  drop('people_1.csv', lines(1, 9))
  expect((await collect(open({}, { pageBytes: 100_000, pages: 3 }))).values).toHaveLength(9)
  await expect(collect(open({}, { pageBytes: 100_000, pages: 2 }))).rejects.toMatchObject({
    code: 'SOURCE_LIMIT_EXCEEDED',
  })
})

test('links, pipes, folders and paths that lead out of the directory are refused', async () => {
  writeFileSync(path.join(root, 'secret.csv'), lines(1, 1))
  symlinkSync(path.join(root, 'secret.csv'), path.join(directory, 'people_1.csv'))
  writeFileSync(path.join(directory, 'people_1.csv.ok'), JSON.stringify({ rows: 1, sm3: hash('sm3', lines(1, 1)) }))
  await expect(collect(open())).rejects.toMatchObject({ code: 'SOURCE_FILE_INVALID' })
  rmSync(path.join(directory, 'people_1.csv'))
  mkdirSync(path.join(directory, 'people_1.csv'))
  await expect(collect(open())).rejects.toMatchObject({ code: 'SOURCE_FILE_INVALID' })
  rmSync(path.join(directory, 'people_1.csv'), { recursive: true })
  drop('people_1.csv', lines(1, 4))
  const { cursor } = await open().readPage(null, new Date())
  for (const file of ['../secret.csv', '/etc/passwd', 'people_/../../secret.csv', 'people_1.csv.ok']) {
    await expect(open().readPage({ ...cursor, file }, new Date())).rejects.toMatchObject({
      code: 'SOURCE_FILE_INVALID',
    })
  }
  expect(await codeOf(() => open({ directory: `${directory}/../x` }))).toBe('MANIFEST_INVALID')
})

test('a directory that is not there is worth trying again', async () => {
  await expect(collect(open({ directory: path.join(root, 'not-mounted') }))).rejects.toMatchObject({
    code: 'SOURCE_UNAVAILABLE',
  })
})

test('a cursor from another content, beyond the file or of another kind is refused', async () => {
  drop('people_1.csv', lines(1, 8))
  const { cursor } = await open().readPage(null, new Date())
  await expect(open().readPage({ ...cursor, row: 9 }, new Date())).rejects.toMatchObject({
    code: 'SOURCE_FILE_INVALID',
  })
  drop('people_1.csv', lines(2, 8))
  await expect(open().readPage(cursor, new Date())).rejects.toMatchObject({
    code: 'SOURCE_FILE_INVALID',
    detail: expect.stringContaining('replaced'),
  })
  await expect(open().readPage({ kind: 'sql' }, new Date())).rejects.toMatchObject({ code: 'CURSOR_INVALID' })
})

test('a file that grew after its marker was written is refused', async () => {
  drop('people_1.csv', lines(1, 3))
  appendFileSync(path.join(directory, 'people_1.csv'), '4,d\n')
  await expect(collect(open())).rejects.toMatchObject({ code: 'SOURCE_FILE_INVALID' })
})
