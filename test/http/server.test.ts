import type { FastifyInstance } from 'fastify'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { errorTable } from '../../src/errors.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerFeed, residentRows, storeRows } from '../support/ledger.ts'
import { openDoor } from './door.ts'

let installation: TestInstallation
let server: FastifyInstance
let handled: unknown[] = []
let port = 0

beforeAll(async () => {
  installation = await openTestInstallation('api')
  await storeRows(installation, await registerFeed(installation, 'LZ-GA-RK-001'), residentRows(1, 3))
  server = await openDoor(installation)
  // A route as any later one will be: what reaches its handler has passed its schema.
  const body = {
    type: 'object',
    required: ['count'],
    additionalProperties: false,
    properties: { count: { type: 'integer' } },
  }
  server.post('/probe', { schema: { hide: true, body }, config: { access: 'open' } }, async (request) => {
    handled.push(request.body)
    return {}
  })
  await server.listen({ port: 0, host: '127.0.0.1' })
  port = (server.server.address() as { port: number }).port
})
afterAll(async () => {
  await server.close()
  await installation.close()
})

/** A request written byte by byte, as no client library would send it. Returns the status line. */
async function sendRaw(headers: readonly string[], body: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const head = [
    'POST /probe HTTP/1.1',
    'Host: 127.0.0.1',
    'Connection: close',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...headers,
  ]
  // The server takes a half-closed socket for a client that went away, and an answer waits for its audit entry.
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  return (await text(socket)).split('\r\n', 1)[0] ?? ''
}

describe('no spelling of the content type lets a body past its schema', () => {
  const types = [
    'application/json\ta',
    '\tapplication/json',
    ' application/json',
    'application/json ',
    'application/json;',
    'application/json; charset=utf-8\ta',
    'APPLICATION/JSON',
    'application/json,text/plain',
    'application/jsonx',
    'application /json',
    'text/plain',
    '',
  ]

  test.each(types)('"%s"', async (type) => {
    handled = []
    for (const body of ['{"count":"not a number"}', '{"other":1}', '{}', '[]', 'null', '"text"']) {
      const status = await sendRaw([`Content-Type: ${type}`], body)
      expect([body, status]).toEqual([body, expect.stringMatching(/^HTTP\/1\.1 4\d\d /)])
      const response = await server.inject({
        method: 'POST',
        url: '/probe',
        headers: { 'content-type': type },
        payload: body,
      })
      expect([body, Math.floor(response.statusCode / 100)]).toEqual([body, 4])
    }
    expect(handled).toEqual([])
  })

  test('a body that fits reaches the handler, so the refusals above mean something', async () => {
    handled = []
    expect(await sendRaw(['Content-Type: application/json'], '{"count":3}')).toBe('HTTP/1.1 200 OK')
    expect(handled).toEqual([{ count: 3 }])
  })

  test.each([
    '{"count":1,"__proto__":{"admin":true}}',
    '{"count":1,"constructor":{"prototype":{}}}',
    '{"count":1,"more":1}',
    `{"count":${'9'.repeat(1_100_000)}}`,
  ])('a body with what does not belong there is refused (%#)', async (body) => {
    handled = []
    const response = await server.inject({
      method: 'POST',
      url: '/probe',
      headers: { 'content-type': 'application/json' },
      payload: body,
    })
    expect([400, 413]).toContain(response.statusCode)
    expect(response.headers['content-type']).toMatch('application/problem+json')
    expect(handled).toEqual([])
  })
})

test.each([
  '/nothing',
  '/api/v1/dataset',
  '/api/v2/datasets/resident/changes',
  '/../etc/passwd',
  '/%2e%2e/',
  '//',
  '/metrics/x',
])('there is nothing at %s', async (url) => {
  const response = await server.inject({ url })
  expect([response.statusCode, response.json()]).toEqual([
    404,
    {
      type: 'urn:gridbridge:problem:ROUTE_UNKNOWN',
      title: errorTable.ROUTE_UNKNOWN.en,
      titleZh: errorTable.ROUTE_UNKNOWN.zh,
      status: 404,
      code: 'ROUTE_UNKNOWN',
      detail: '',
      retry: false,
    },
  ])
  expect(response.headers['content-type']).toMatch('application/problem+json')
})

test.each(['/healthz', '/nothing', '/openapi.json', '/metrics', '/api/v1/datasets/resident/changes'])(
  '%s has the security headers',
  async (url) => {
    const { headers } = await server.inject({ url })
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'SAMEORIGIN',
      'referrer-policy': 'no-referrer',
      'strict-transport-security': expect.stringContaining('max-age='),
      'content-security-policy': expect.stringContaining(`default-src 'self'`),
    })
    expect(headers).not.toHaveProperty('x-powered-by')
  },
)

interface OpenApi {
  readonly openapi: string
  readonly paths: Readonly<
    Record<
      string,
      Readonly<
        Record<string, { readonly operationId?: string; readonly responses: object; readonly security?: unknown }>
      >
    >
  >
}

/** What is no part of the API: the page that shows its description, with its files, what browsers sign in by, and the probe of this test. */
const isUndescribed = (route: string): boolean =>
  /^get \/docs(\/|$)|^get \/api\/v1\/session\/oidc(\/|$)|^post \/probe$/.test(route)

/** Every route as the server itself lists it, but for the HEAD that comes with each GET. */
function listRoutes(listed: FastifyInstance): readonly string[] {
  const branches: string[] = []
  const routes = listed
    .printRoutes({ commonPrefix: false })
    .split('\n')
    .flatMap((line) => {
      const [, indent = '', name = '', methods] = /^([│├└─ ]*)(\S*)(?: \(([A-Z, ]+)\))?$/.exec(line) ?? []
      branches.splice(indent.length / 4 - 1, Infinity, name)
      const path = branches.join('').replaceAll(/:(\w+)/g, '{$1}')
      return (methods ?? '')
        .split(', ')
        .flatMap((method) => (method === '' || method === 'HEAD' ? [] : [`${method.toLowerCase()} ${path}`]))
    })
  return routes.filter((route) => !isUndescribed(route)).toSorted()
}

test('/openapi.json describes every route of the API, each with its operation and its problems', async () => {
  const description = (await server.inject({ url: '/openapi.json' })).json<OpenApi>()
  expect(description.openapi).toMatch(/^3\.1\.\d$/)
  const operations = Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, operation })),
  )
  expect(operations.map(({ name }) => name).toSorted()).toEqual(listRoutes(server))
  expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(operations.length)
  for (const { name, operation } of operations) {
    expect([name, operation.security]).toEqual([name, expect.any(Array)])
    const answers = Object.keys(operation.responses)
    expect([name, answers]).toEqual([name, expect.arrayContaining(['4XX', '5XX'])])
    expect([name, answers.filter((status) => status.startsWith('20'))]).toEqual([
      name,
      expect.arrayContaining([expect.any(String)]),
    ])
  }
  const references = JSON.stringify(description).matchAll(/"\$ref":"#\/([^"]+)"/g)
  for (const [, pointer = ''] of references) {
    const target = pointer
      .split('/')
      .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], description)
    expect([pointer, target]).toEqual([pointer, expect.any(Object)])
  }
})

test('/metrics counts records by dataset, and has no other label of ours and no value of a record', async () => {
  const response = await server.inject({ url: '/metrics' })
  const lines = response.body.split('\n').filter((line) => line.startsWith('gridbridge_'))
  expect(lines).toContain('gridbridge_records{dataset="resident"} 3')
  expect(lines.filter((line) => line.startsWith('gridbridge_records{'))).toHaveLength(installation.datasets.size)
  expect(lines).toContain('gridbridge_alerts_open{kind="feed-stale"} 0')
  expect(lines).toContain('gridbridge_feeds_stale 0')
  const labels = [...response.body.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, label]) => label)
  const ours = new Set(['dataset', 'state'])
  const ofTheRuntime = ['version', 'major', 'minor', 'patch', 'kind', 'space', 'type', 'le', 'quantile']
  expect(labels.filter((label = '') => !ours.has(label) && !ofTheRuntime.includes(label))).toEqual([])
  expect(response.body).not.toMatch(/R-1|LZ-GA|1990000|51050219/)
})

test('a process whose database is away is alive and not ready', async () => {
  const broken = await openTestInstallation('broken')
  const door = await openDoor(broken)
  expect((await door.inject({ url: '/readyz' })).statusCode).toBe(200)
  await broken.close()
  expect((await door.inject({ url: '/healthz' })).json()).toEqual({ state: 'ok' })
  const response = await door.inject({ url: '/readyz' })
  expect(response.statusCode).toBeGreaterThanOrEqual(500)
  expect(response.body).not.toMatch(/postgres|pool/i)
  await door.close()
})
