import { createServer } from 'node:net'
import nock from 'nock'
import { Agent } from 'undici'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { AppError } from '../../../src/errors.ts'
import type { HttpSourceManifest } from '../../../src/feeds/manifest-types.ts'
import { openHttpSource } from '../../../src/ingest/sources/http.ts'
import type { Source } from '../../../src/ingest/sources/source.ts'
import type { EgressGuard } from '../../../src/security/egress.ts'
import { createEgressGuard } from '../../../src/security/egress.ts'
import { listen } from '../../support/listen.ts'

const origin = 'http://10.20.0.5'

const manifest: HttpSourceManifest = {
  kind: 'http',
  baseUrl: origin,
  auth: { kind: 'none' },
  request: { method: 'GET', path: '/people', query: {} },
  records: '/rows',
  paging: { kind: 'token', size: 2, next: '/next' },
  timeouts: { connectMs: 200, totalMs: 300 },
}

// The sockets of nock have no remote address, which the guard's own connector would refuse.
const egress: EgressGuard = { ...createEgressGuard(['10.20.0.0/16', 'loopback']), agent: () => new Agent() }

const open = (baseUrl = origin): Source =>
  openHttpSource({
    manifest: { ...manifest, baseUrl },
    secrets: {},
    egress,
    limits: { pageBytes: 10_000, pages: 5 },
    recordId: '/id',
  })

async function failureOf(source: Source): Promise<Pick<AppError, 'code' | 'detail' | 'cause'>> {
  try {
    await source.readPage(null, new Date())
  } catch (error) {
    if (error instanceof AppError) return { code: error.code, detail: error.detail, cause: error.cause }
    throw error
  }
  throw new Error('the page was read')
}

beforeAll(() => {
  nock.disableNetConnect()
  nock.enableNetConnect('127.0.0.1')
})
afterEach(() => nock.cleanAll())
afterAll(() => nock.restore())

test.each([
  [500, {}, undefined],
  [503, { 'retry-after': '7' }, { retryAfterMs: 7000 }],
  [429, { 'retry-after': '120' }, { retryAfterMs: 120_000 }],
  [429, { 'retry-after': '99999999' }, { retryAfterMs: 86_400_000 }],
  [429, { 'retry-after': 'Mon, 01 Jan 1990 00:00:00 GMT' }, { retryAfterMs: 0 }],
  [408, { 'retry-after': 'soon' }, undefined],
])('an answer of %i with the headers %o is worth trying again', async (status, headers, cause) => {
  nock(origin).get('/people').reply(status, 'private words', headers)
  const detail = `GET 10.20.0.5/people answered ${status}`
  expect(await failureOf(open())).toEqual({ code: 'SOURCE_UNAVAILABLE', detail, cause })
})

const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })

test('one reset before any byte is tried again at once', async () => {
  nock(origin).get('/people').replyWithError(reset)
  nock(origin)
    .get('/people')
    .reply(200, { rows: [{ id: '1' }] })
  expect((await open().readPage(null, new Date())).rows).toEqual([{ row: 0, value: { id: '1' } }])
})

test('a second reset is left to the job that waits', async () => {
  nock(origin).get('/people').times(2).replyWithError(reset)
  const third = nock(origin).get('/people').reply(200, { rows: [] })
  const detail = 'GET 10.20.0.5/people got no answer (ECONNRESET)'
  expect(await failureOf(open())).toEqual({ code: 'SOURCE_UNAVAILABLE', detail, cause: undefined })
  expect(third.isDone()).toBe(false)
})

test('a body that ends in the middle is refused without being quoted', async () => {
  nock(origin).get('/people').reply(200, '{"rows":[{"id":"private', { 'content-type': 'application/json' })
  const failure = await failureOf(open())
  expect(failure).toMatchObject({ code: 'SOURCE_BODY_INVALID', detail: '23 bytes that are not JSON in UTF-8' })
  expect(failure.cause).toBeUndefined()
})

test.each([
  ['never answers', ''],
  ['stops in the middle of a body with a length', 'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"rows":'],
  ['stops in the middle of a body without one', 'HTTP/1.1 200 OK\r\n\r\n{"rows":'],
  ['stops in the middle of a refusal', 'HTTP/1.1 503 Busy\r\nContent-Length: 500\r\n\r\n{'],
])('a source that %s is given up after totalMs', async (_name, bytes) => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => socket.write(bytes))
  })
  const begun = performance.now()
  const failure = await failureOf(open(`http://127.0.0.1:${await listen(server)}`))
  expect(failure.code).toBe('SOURCE_UNAVAILABLE')
  expect(performance.now() - begun).toBeLessThan(1500)
  server.close()
})

test('an answer that is no HTTP is a body that cannot be read', async () => {
  const server = createServer((socket) => socket.once('data', () => socket.end('+OK POP3 ready\r\n')))
  expect(await failureOf(open(`http://127.0.0.1:${await listen(server)}`))).toMatchObject({
    code: 'SOURCE_BODY_INVALID',
  })
  server.close()
})

test('a source that nobody serves is unavailable', async () => {
  expect(await failureOf(open('http://127.0.0.1:9'))).toMatchObject({
    code: 'SOURCE_UNAVAILABLE',
    detail: 'GET 127.0.0.1:9/people got no answer (ECONNREFUSED)',
  })
})
