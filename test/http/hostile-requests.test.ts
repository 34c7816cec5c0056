import type { FastifyInstance } from 'fastify'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import description from '../../docs/openapi.json' with { type: 'json' }
import { errorTable, type ErrorCode } from '../../src/errors.ts'
import { boundTo, roles } from '../../src/security/permissions.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerAccount, registerConsumer, registerFeed, residentRows, storeRows } from '../support/ledger.ts'
import { bearerOf, openDoor } from './door.ts'
import { makeRequests, NUMBER, type MadeRequest, type Operation } from './hostile-maker.ts'

let installation: TestInstallation
let server: FastifyInstance
let tokens: readonly string[] = []
let port = 0

const code = 'LZ-GA-RK-001'
/** The name of what is there is the same in every address that has one. */
const known = {
  code,
  runId: '1',
  department: 'public-security',
  dataset: 'resident',
  consumer: 'grid-platform',
  grant_type: 'client_credentials',
}

beforeAll(async () => {
  installation = await openTestInstallation('api')
  await storeRows(installation, await registerFeed(installation, code), residentRows(1, 3))
  server = await openDoor(installation)
  const holders = [await registerConsumer(installation, 'grid-platform')]
  const accounts = roles.map((role) =>
    registerAccount(
      installation,
      `the-${role}`,
      role,
      boundTo[role] === 'department' ? 'public-security' : null,
      boundTo[role] === 'consumer' ? 'grid-platform' : null,
    ),
  )
  tokens = await Promise.all([...holders, ...(await Promise.all(accounts))].map((one) => bearerOf(server, one)))
  await server.listen({ port: 0, host: '127.0.0.1' })
  port = (server.server.address() as { port: number }).port
})
afterAll(async () => {
  await server.close()
  await installation.close()
})

interface Told {
  readonly status: number
  readonly code: string | null
}

/** Sends a request and says what is wrong with its answer, if anything, beside what was answered. */
async function send(
  request: MadeRequest,
  token: string | null,
): Promise<Told & { readonly faults: readonly string[] }> {
  const { what, ...made } = request
  const authorization = token === null ? {} : { authorization: token }
  const begun = { us: process.threadCpuUsage().user, at: performance.now() }
  const response = await server.inject({ ...made, headers: { ...made.headers, ...authorization } })
  const worked = (process.threadCpuUsage().user - begun.us) / 1000
  const waited = performance.now() - begun.at
  const status = response.statusCode
  const isAnswer = status >= 200 && status < 300
  const told = isAnswer ? null : readProblem(response.body)
  const faults = [
    // Of this thread's own work a second at most; the machine may be busy with other tests.
    (worked > 1000 || waited > 5000) && `took ${Math.round(waited)} ms`,
    !isAnswer && !String(response.headers['content-type']).startsWith('application/problem+json') && 'is no problem',
    !isAnswer && errorTable[told as ErrorCode]?.status !== status && `has the code ${told}`,
    // A department's system that is away is no fault of the request.
    status >= 500 && !told?.startsWith('SOURCE_') && `is ${status} ${told}`,
    /\.ts:\d+|node_modules|\bat \w+ \(|relation "|select |syntax error/.test(response.body) && 'shows the inside',
    !isAnswer && response.body.includes(NUMBER) && 'repeats a number',
    response.body.length > 2_000_000 && 'is endless',
  ]
  return { status, code: told, faults: faults.flatMap((fault) => (fault === false ? [] : [`${what} ${fault}`])) }
}

function readProblem(body: string): string | null {
  try {
    return (JSON.parse(body) as { readonly code?: string }).code ?? null
  } catch {
    return null
  }
}

const operations = Object.entries(description.paths as unknown as Record<string, Record<string, Operation>>).flatMap(
  ([address, methods]) =>
    Object.entries(methods).map(
      ([method, operation]) => [`${method.toUpperCase()} ${address}`, method, address, operation] as const,
    ),
)

describe('every operation of /openapi.json answers whatever it is sent, without a token and with one that it admits', () => {
  test.each(operations)('%s', { timeout: 60_000 }, async (_name, method, address, operation) => {
    const { shaped, spoilt } = makeRequests(method, address, operation, known)
    const isOpen = operation.security.length === 0
    const usual: (Told & { readonly token: string | null; readonly faults: readonly string[] })[] = []
    for (const token of [null, ...tokens]) usual.push({ token, ...(await send(shaped, token)) })
    expect(usual.flatMap(({ faults }) => faults)).toEqual([])
    // Some bodies fit only together with what their texts mean; those are refused for their shape first.
    expect(isOpen ? [200] : [400, 401]).toContain(usual[0]?.status)
    const admitted =
      usual.find(({ token, status }) => token !== null && status !== 401 && status !== 403)?.token ?? null
    const faults: string[] = []
    for (const request of spoilt) if (admitted !== null) faults.push(...(await send(request, admitted)).faults)
    // Most of these are refused before anybody asks who it is, so a part of them will do.
    for (const request of spoilt.filter((_, place) => isOpen || place % 4 === 0)) {
      const stranger = await send(request, null)
      faults.push(...stranger.faults, ...(isOpen || stranger.status >= 400 ? [] : [`${request.what} needs no token`]))
    }
    expect(faults.slice(0, 10)).toEqual([])
  })

  test('and nothing of it is lost: the records are there, and no poison is', async () => {
    expect(await installation.asOwner('select from gridbridge.record where masked is not null')).toHaveLength(3)
    expect(({} as { readonly admin?: unknown }).admin).toBeUndefined()
    expect((await server.inject({ url: '/readyz' })).statusCode).toBe(200)
  })
})

/** Bytes as they are, and the answer as it is. */
async function sendRaw(bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.end(bytes)
  return text(socket)
}

describe('what is no HTTP request gets a problem too', () => {
  test.each([
    ['no HTTP', 'HELLO\r\n\r\n'],
    ['a method that nobody knows', 'STEAL /api/v1/account HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['headers of 100,000 bytes', `GET /api/v1/account HTTP/1.1\r\nHost: x\r\nX-More: ${'x'.repeat(100_000)}\r\n\r\n`],
    ['two lengths', 'POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello'],
    [
      'a length and chunks',
      'POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a chunk without an end', 'POST /oauth/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
    ['a NUL in a header', `GET /api/v1/account HTTP/1.1\r\nHost: x\r\nX-More: a${String.fromCharCode(0)}b\r\n\r\n`],
  ])('%s', async (_what, bytes) => {
    const startedAt = performance.now()
    const answer = await sendRaw(bytes)
    expect(performance.now() - startedAt).toBeLessThan(1000)
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer.toLowerCase()).toContain('content-type: application/problem+json')
    expect(answer).toContain('"code":"REQUEST_INVALID"')
  })
})
