import type { FastifyInstance } from 'fastify'
import { createServer, type RequestListener, type Server } from 'node:http'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newerCheckpoint } from '../tools/api-client/checkpoints.ts'
import { ApiError, createApiClient } from '../tools/api-client/client.ts'
import { bearerOf, openDoor } from './http/door.ts'
import { openTestInstallation, type TestInstallation } from './support/installation.ts'
import { registerAccount, registerConsumer, registerFeed, residentRows, storeRows } from './support/ledger.ts'
import { listen } from './support/listen.ts'

let installation: TestInstallation
let server: FastifyInstance
let baseUrl = ''
let session = ''

beforeAll(async () => {
  installation = await openTestInstallation('api')
  await storeRows(installation, await registerFeed(installation, 'LZ-GA-RK-001'), residentRows(1, 5))
  await registerConsumer(installation, 'grid-platform')
  const engineer = await registerAccount(installation, 'engineer', 'system-administrator')
  server = await openDoor(installation)
  baseUrl = await server.listen({ port: 0, host: '127.0.0.1' })
  session = (await bearerOf(server, engineer)).replace('Bearer ', '')
})
afterAll(async () => {
  await server.close()
  await installation.close()
})

const clientOf = (client: string, at = baseUrl) =>
  createApiClient({ baseUrl: at, client, secret: `secret-of-${client}` })
const changes = '/api/v1/datasets/{dataset}/changes'
const residents = { params: { path: { dataset: 'resident' } } } as const

const countTokens = async (): Promise<number> =>
  (await installation.asOwner(`select from audit.entry where event_type = 'token.issued'`)).length

const noteOf = (size: number, root: string): string => `log/1\n${size}\n${root}\n\n— log/1 AAAA\n`

test('the newest of the checkpoints that come with answers is kept, and two that contradict each other are not taken', async () => {
  await installation.asOwner('insert into audit.checkpoint (size, note) values (5, $1)', [noteOf(5, 'root')])
  const kept: string[] = []
  const credentials = { baseUrl, client: 'grid-platform', secret: 'secret-of-grid-platform' }
  await createApiClient(credentials, (note) => kept.push(note)).get(changes, residents)
  await installation.asOwner('delete from audit.checkpoint')
  expect(kept).toEqual([noteOf(5, 'root')])
  expect(newerCheckpoint(null, noteOf(5, 'root'))).toBe(noteOf(5, 'root'))
  expect(newerCheckpoint(noteOf(5, 'root'), noteOf(4, 'other'))).toBe(noteOf(5, 'root'))
  expect(newerCheckpoint(noteOf(5, 'root'), noteOf(6, 'other'))).toBe(noteOf(6, 'other'))
  expect(() => newerCheckpoint(noteOf(5, 'root'), noteOf(5, 'other'))).toThrow('contradict')
})

describe('a client', () => {
  test('gets one token for all that it asks, also at once', async () => {
    const before = await countTokens()
    const api = clientOf('grid-platform')
    const pages = await Promise.all(Array.from({ length: 5 }, () => api.get(changes, residents)))
    await api.get(changes, residents)
    expect(pages.map((page) => page.changes.length)).toEqual(Array(5).fill(5))
    expect(await countTokens()).toBe(before + 1)
  })

  test('renews a token before it runs out, and once more where it was withdrawn', async () => {
    const hasty = await openDoor(installation, { tokenSeconds: 1 })
    const api = clientOf('grid-platform', await hasty.listen({ port: 0, host: '127.0.0.1' }))
    const startedAt = Date.now()
    while (Date.now() - startedAt < 2200) expect((await api.get(changes, residents)).changes).toHaveLength(5)
    await hasty.close()

    const lasting = clientOf('grid-platform')
    await lasting.get(changes, residents)
    await installation.asOwner(`delete from gridbridge.access_token where kind = 'consumer'`)
    const before = await countTokens()
    await Promise.all(Array.from({ length: 5 }, () => lasting.get(changes, residents)))
    expect(await countTokens()).toBe(before + 1)
  })

  test('sends bodies and reads answers of every method', async () => {
    const api = createApiClient({ baseUrl, session })
    const params = { path: { code: 'LZ-QD-002' } }
    const item = {
      name: '走访慰问',
      county: '510502',
      approvalNo: '江府发〔2026〕2号',
      validFrom: '2026-01-01',
      validTo: null,
    }
    expect(await api.put('/api/v1/service-items/{code}', { params, body: item })).toMatchObject({
      code: 'LZ-QD-002',
      ...item,
    })
    expect((await api.get('/api/v1/service-items')).items.map(({ code }) => code)).toContain('LZ-QD-002')
    expect((await api.get('/api/v1/account')).role).toBe('system-administrator')
    expect(await api.get('/metrics', { parseAs: 'text' })).toContain('gridbridge_records')
  })
})

/** What a call was refused with. */
const refusalOf = async (asked: Promise<unknown>): Promise<ApiError> => {
  const error = await asked.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof ApiError)) throw new Error('wanted a refusal', { cause: error })
  return error
}

describe('a refusal is an error with its code', () => {
  test.each([
    [
      'of the API',
      () => clientOf('grid-platform').get(changes, { params: { path: { dataset: 'housing' } } }),
      403,
      'AGREEMENT_MISSING',
      false,
    ],
    [
      'of a request',
      () => clientOf('grid-platform').get(changes, { params: { ...residents.params, query: { cursor: 'AAAA' } } }),
      400,
      'CURSOR_INVALID',
      false,
    ],
    [
      'of a consumer where an account is wanted',
      () => clientOf('grid-platform').get('/api/v1/account'),
      401,
      'TOKEN_INVALID',
      false,
    ],
    [
      'of a wrong secret',
      () => createApiClient({ baseUrl, client: 'grid-platform', secret: 'wrong' }).get(changes, residents),
      401,
      'CLIENT_UNAUTHENTICATED',
      false,
    ],
  ] as const)('%s', async (_what, ask, status, code, retry) => {
    expect(await refusalOf(ask())).toMatchObject({ name: 'ApiError', status, code, retry, retryAfterMs: null })
  })

  test.each<readonly [what: string, answer: RequestListener, wanted: object]>([
    [
      'a proxy that has nobody behind it',
      (_, response) => response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>'),
      { status: 502, code: null, retry: true },
    ],
    [
      'a wait in seconds',
      (_, response) => response.writeHead(429, { 'retry-after': '7' }).end(),
      { status: 429, retryAfterMs: 7000, retry: true },
    ],
    [
      'a wait until a time that is past',
      (_, response) => response.writeHead(503, { 'retry-after': 'Wed, 21 Oct 2015 07:28:00 GMT' }).end(),
      { retryAfterMs: 0 },
    ],
    [
      'a wait that nobody understands',
      (_, response) => response.writeHead(503, { 'retry-after': 'soon' }).end(),
      { retryAfterMs: null },
    ],
  ])('%s', async (_what, answer, wanted) => {
    const between: Server = createServer((request, response) =>
      request.url === '/oauth/token'
        ? response.end('{"access_token":"x","expires_in":600}')
        : answer(request, response),
    )
    const port = await listen(between)
    expect(
      await refusalOf(clientOf('grid-platform', `http://127.0.0.1:${port}`).get(changes, residents)),
    ).toMatchObject(wanted)
    between.close()
  })
})

test('what the description does not have does not compile', async () => {
  const api = clientOf('grid-platform')
  const wrong = [
    // @ts-expect-error -- there is no such address
    () => api.get('/api/v1/nothing'),
    // @ts-expect-error -- the address has no such method
    () => api.delete('/api/v1/account'),
    // @ts-expect-error -- a part of the address is left out
    () => api.get(changes),
    // @ts-expect-error -- there is no such dataset
    () => api.get(changes, { params: { path: { dataset: 'religion' } } }),
    // @ts-expect-error -- the body lacks what is wanted
    () => api.put('/api/v1/service-items/{code}', { params: { path: { code: 'LZ-QD-003' } }, body: { name: 'x' } }),
    // @ts-expect-error -- the answer has no such member
    async () => (await api.get(changes, residents)).rows,
  ]
  expect(wrong).toHaveLength(6)
})

test('it runs wherever there is fetch: nothing in it is of Node', () => {
  const files = ['client', 'token', 'api-error', 'checkpoints'].map((name) =>
    readFileSync(new URL(`../tools/api-client/${name}.ts`, import.meta.url), 'utf8'),
  )
  const imports = files.flatMap((text) => [...text.matchAll(/from '([^']+)'/g)].map(([, name]) => name))
  expect(new Set(imports)).toEqual(
    new Set(['openapi-fetch', '../openapi-types/openapi.d.ts', './token.ts', './api-error.ts', './checkpoints.ts']),
  )
  expect(files.join('\n')).not.toMatch(/\bBuffer\b|\bprocess\b|\brequire\b|\bglobal\b/)
})
