import { brotliCompressSync, gzipSync } from 'node:zlib'
import { afterAll, expect, test } from 'vitest'
import { verifyRequest } from '../../../src/security/request-signature.ts'
import { collect, collectReopening } from './collect.ts'
import type { Answer } from './emulated-source.ts'
import { offsetPaging, people, sendJson, serveByToken, startEmulatedSource } from './emulated-source.ts'

const { open, answerWith, asked, close } = await startEmulatedSource()
afterAll(close)

const serveByOffset =
  (rows: readonly unknown[], total: number | undefined, size = 2): Answer =>
  (query, response) => {
    const from = Number(query.get('offset'))
    sendJson(response, { data: { rows: rows.slice(from, from + size) }, total })
  }

test('pages by token come whole and in order, and the query carries each variable', async () => {
  answerWith(serveByToken(people(5)))
  const { values, pages } = await collect(open())
  expect(values).toEqual(people(5))
  expect(pages).toEqual([2, 2, 1])
  expect(asked()).toEqual(['?limit=2&state=all', '?limit=2&state=all&token=2', '?limit=2&state=all&token=4'])
})

test('a source reopened at every page brings the same rows', async () => {
  answerWith(serveByToken(people(9)))
  expect((await collectReopening(() => open())).values).toEqual(people(9))
  answerWith(serveByOffset(people(9), 9))
  expect((await collectReopening(() => open({ paging: offsetPaging }))).values).toEqual(people(9))
})

test('an empty page in the middle does not end paging by token', async () => {
  answerWith((query, response) => {
    const token = query.get('token')
    const bodies: Readonly<Record<string, unknown>> = {
      b: { data: { rows: [] }, next: 'c' },
      c: { data: { rows: [{ id: '2' }] } },
    }
    sendJson(response, bodies[token ?? ''] ?? { data: { rows: [{ id: '1' }] }, next: 'b' })
  })
  expect((await collect(open())).values).toEqual([{ id: '1' }, { id: '2' }])
})

test('a short page does not end paging by offset, an empty one does', async () => {
  answerWith(serveByOffset(people(5), 5, 1))
  const { values, pages, total } = await collect(open({ paging: offsetPaging }))
  expect(values).toEqual(people(5))
  expect(pages).toEqual([1, 1, 1, 1, 1, 0])
  expect(total).toBe(5)
})

test('fewer rows than the source states are an error with both counts', async () => {
  answerWith(serveByOffset(people(3), 7))
  await expect(collect(open({ paging: offsetPaging }))).rejects.toMatchObject({
    code: 'SOURCE_BODY_INVALID',
    detail: expect.stringContaining('7 rows and sent 3'),
  })
  answerWith(serveByOffset([], 4))
  await expect(collect(open({ paging: offsetPaging }))).rejects.toMatchObject({ code: 'SOURCE_BODY_INVALID' })
})

test.each([
  ['at once', { '': 'a', a: 'a' }],
  ['A to B to A', { '': 'a', a: 'b', b: 'a' }],
  ['over five pages', { '': 'a', a: 'b', b: 'c', c: 'd', d: 'e', e: 'b' }],
])('a page token that comes back (%s) is refused, also when the source is reopened', async (_name, nextOf) => {
  const links = new Map(Object.entries(nextOf))
  answerWith((query, response) => {
    const token = query.get('token') ?? ''
    sendJson(response, { data: { rows: [{ id: token }] }, next: links.get(token) })
  })
  await expect(collectReopening(() => open())).rejects.toMatchObject({ code: 'SOURCE_PAGE_REPEATED' })
  expect(asked().length).toBe(links.size)
})

test('a source that ignores the offset is noticed', async () => {
  answerWith((_query, response) => sendJson(response, { data: { rows: people(2) } }))
  await expect(collect(open({ paging: offsetPaging }))).rejects.toMatchObject({ code: 'SOURCE_PAGE_REPEATED' })
})

test('the page after the last one that the manifest allows is refused', async () => {
  const limits = { pageBytes: 100_000, pages: 3 }
  answerWith(serveByToken(people(6)))
  expect((await collect(open({}, limits))).values).toHaveLength(6)
  answerWith(serveByToken(people(7)))
  await expect(collect(open({}, limits))).rejects.toMatchObject({ code: 'SOURCE_LIMIT_EXCEEDED' })
  answerWith(serveByOffset(people(6), 6))
  expect((await collect(open({ paging: offsetPaging }, limits))).values).toHaveLength(6)
  let token = 0
  answerWith((_query, response) => sendJson(response, { data: { rows: [] }, next: (token += 1) }))
  await expect(collect(open({}, limits))).rejects.toMatchObject({ code: 'SOURCE_LIMIT_EXCEEDED' })
})

test('the cursor stays small over many pages', async () => {
  answerWith(serveByToken(people(300)))
  const source = open({}, { pageBytes: 100_000, pages: 1000 })
  expect(JSON.stringify((await collect(source)).cursor).length).toBeLessThan(1500)
})

const gzipped = (body: unknown) => gzipSync(JSON.stringify(body))

test('a gzip body is read, and an integer of 18 digits keeps them', async () => {
  answerWith((_query, response, message) => {
    expect(message.headers['accept-encoding']).toBe('gzip')
    response.setHeader('content-encoding', 'gzip').end(gzipSync('{"data":{"rows":[{"id":510599190001010017}]}}'))
  })
  expect((await collect(open())).values).toEqual([{ id: '510599190001010017' }])
})

const bodies: readonly (readonly [string, string, Answer])[] = [
  [
    'a bomb of zeros in gzip',
    'SOURCE_LIMIT_EXCEEDED',
    (_q, r) => r.setHeader('content-encoding', 'gzip').end(gzipSync(Buffer.alloc(50_000_000))),
  ],
  [
    'a gzip body that grows a hundredfold within the limit',
    'SOURCE_LIMIT_EXCEEDED',
    (_q, r) => r.setHeader('content-encoding', 'gzip').end(gzipped({ data: { rows: [] }, x: 'a'.repeat(90_000) })),
  ],
  [
    'a truncated gzip body',
    'SOURCE_BODY_INVALID',
    (_q, r) => r.setHeader('content-encoding', 'gzip').end(gzipped({ data: { rows: people(50) } }).subarray(0, 200)),
  ],
  [
    'a brotli body',
    'SOURCE_BODY_INVALID',
    (_q, r) => r.setHeader('content-encoding', 'br').end(brotliCompressSync('{"data":{"rows":[]}}')),
  ],
  [
    'a stated length beyond the limit',
    'SOURCE_LIMIT_EXCEEDED',
    (_q, r) => r.setHeader('content-length', 200_000).flushHeaders(),
  ],
  ['an endless body', 'SOURCE_LIMIT_EXCEEDED', (_q, r) => r.write(`{"data":"${'a'.repeat(150_000)}`)],
  [
    'a body cut off before its stated length',
    'SOURCE_BODY_INVALID',
    (_q, r) => r.setHeader('content-length', 500).write('{"data":', () => r.destroy()),
  ],
  ['an empty body', 'SOURCE_BODY_INVALID', (_q, r) => r.end()],
  ['no content', 'SOURCE_BODY_INVALID', (_q, r) => r.writeHead(204).end()],
  ['half a page of JSON', 'SOURCE_BODY_INVALID', (_q, r) => r.end('{"data":{"rows":[{"id":"secret-name"')],
  [
    'bytes that are not UTF-8',
    'SOURCE_BODY_INVALID',
    (_q, r) => r.end(Buffer.from([0x7b, 0x22, 0xd5, 0xc5, 0x22, 0x7d])),
  ],
  ['a login page', 'SOURCE_BODY_INVALID', (_q, r) => r.setHeader('content-type', 'text/html').end('<html>')],
  ['no records at the pointer', 'SOURCE_BODY_INVALID', (_q, r) => sendJson(r, { data: {} })],
  ['records that are no list', 'SOURCE_BODY_INVALID', (_q, r) => sendJson(r, { data: { rows: { 0: {} } } })],
  [
    'a next token that is no text',
    'SOURCE_BODY_INVALID',
    (_q, r) => sendJson(r, { data: { rows: [] }, next: { a: 1 } }),
  ],
  ['a redirect', 'SOURCE_REFUSED', (_q, r) => r.writeHead(302, { location: '/api/other' }).end()],
  ['401', 'SOURCE_REFUSED', (_q, r) => r.writeHead(401).end()],
  ['404', 'SOURCE_REFUSED', (_q, r) => r.writeHead(404).end()],
  ['410 for the first page', 'SOURCE_REFUSED', (_q, r) => r.writeHead(410).end()],
]

test.each(bodies)('%s gives %s', async (_name, code, given) => {
  answerWith(given)
  const failure = collect(open())
  await expect(failure).rejects.toMatchObject({ code })
  await expect(failure).rejects.not.toThrow(/secret-name|aaaa|limit=2/)
  expect(asked()).toHaveLength(1)
})

test('rows of any shape are handed on as they came', async () => {
  const rows = [null, 7, 'text', [1], { id: '1\u0000' }, { id: '\ud800' }, { deep: {} }]
  answerWith((_query, response) => sendJson(response, { data: { rows } }))
  expect((await collect(open())).values).toEqual(rows)
})

test('a bearer token and a signature reach the source', async () => {
  answerWith((_query, response, message) => {
    expect(message.headers.authorization).toBe('Bearer s3cret')
    sendJson(response, { data: { rows: [] } })
  })
  await collect(open({ auth: { kind: 'bearer', token: 'token' } }))
  let verdict = false
  answerWith((query, response, message) => {
    const header = (name: string) => String(message.headers[name])
    const request = {
      method: 'GET',
      path: '/api/people',
      query,
      body: '',
      appKey: header('x-app-key'),
      secret: 'pass-1',
    }
    const signed = { ...request, timestamp: Number(header('x-timestamp')), nonce: header('x-nonce') }
    verdict = header('x-app-key') === 'app-1' && verifyRequest(signed, header('x-signature'), new Date())
    sendJson(response, { data: { rows: [] } })
  })
  await collect(open({ auth: { kind: 'hmac-sm3', appKey: 'key', appSecret: 'word' } }))
  expect(verdict).toBe(true)
})

test('a path that begins with two slashes stays at its host', async () => {
  answerWith((_query, response, message) => sendJson(response, { data: { rows: [message.url?.split('?')[0]] } }))
  const request = { method: 'GET' as const, path: '//example.org/x', query: {} }
  expect((await collect(open({ request }))).values).toEqual(['/api//example.org/x'])
})

test('the cursor of another kind of source is refused', async () => {
  await expect(open().readPage({ kind: 'file', file: null }, new Date())).rejects.toMatchObject({
    code: 'CURSOR_INVALID',
  })
})
