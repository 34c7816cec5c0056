import type { FastifyInstance } from 'fastify'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerConsumer, type RegisteredConsumer } from '../support/ledger.ts'
import { basic, bearerOf, formHeaders, openDoor, requestToken } from './door.ts'

let installation: TestInstallation
let server: FastifyInstance
let consumer: RegisteredConsumer

beforeAll(async () => {
  installation = await openTestInstallation('api')
  server = await openDoor(installation)
  consumer = await registerConsumer(installation, 'grid-platform')
})
afterAll(async () => {
  await server.close()
  await installation.close()
})
beforeEach(() => installation.asOwner('truncate gridbridge.access_token'))

const readAudit = () =>
  installation.asOwner<{ type: string; actor: string }>(
    'select event_type as type, actor from audit.entry order by recorded_at desc limit 1',
  )

const changes = (door: FastifyInstance, authorization: string) =>
  door.inject({ url: '/api/v1/datasets/resident/changes', headers: { authorization } })

test('a consumer gets a bearer token, of which only a keyed hash is kept, and the audit log has it', async () => {
  const response = await requestToken(server, consumer)
  const token = response.json<{ access_token: string }>().access_token
  expect(response.statusCode).toBe(200)
  expect(response.headers['cache-control']).toBe('no-store')
  expect(response.json()).toEqual({
    access_token: expect.stringMatching(/^[\w-]{43}$/),
    token_type: 'Bearer',
    expires_in: 600,
  })
  const rows = await installation.asOwner<{ hash: Buffer }>('select token_hash as hash from gridbridge.access_token')
  expect(rows).toEqual([{ hash: Buffer.from(installation.keys.token('credential', token), 'hex') }])
  expect(await readAudit()).toEqual([{ type: 'token.issued', actor: 'consumer:grid-platform' }])
  expect((await changes(server, `Bearer ${token}`)).statusCode).toBe(200)
})

describe('a wrong credential is refused with 401, as for an unknown client', () => {
  test.each([
    ['a wrong secret', () => basic('grid-platform', 'wrong')],
    ['an unknown name', () => basic('nobody', consumer.clientSecret)],
    ['a name with a NUL', () => basic('grid%00platform', consumer.clientSecret)],
    ['a name that is no name', () => basic('x'.repeat(500), consumer.clientSecret)],
    ['the name of a built-in', () => basic('__proto__', consumer.clientSecret)],
  ])('%s', async (_what, authorization) => {
    const response = await server.inject({
      method: 'POST',
      url: '/oauth/token',
      headers: { ...formHeaders, authorization: authorization() },
      payload: 'grant_type=client_credentials',
    })
    expect([response.statusCode, response.json()]).toEqual([
      401,
      expect.objectContaining({ code: 'CLIENT_UNAUTHENTICATED', detail: '' }),
    ])
    expect(response.headers['content-type']).toMatch('application/problem+json')
    expect(response.headers['www-authenticate']).toMatch(/^Basic /)
    expect(await readAudit()).toEqual([{ type: 'access.denied', actor: 'unknown' }])
  })
})

test.each([
  ['nothing', undefined],
  ['a bearer', 'Bearer abc'],
  ['no Base64', 'Basic !!!!'],
  ['no colon', `Basic ${Buffer.from('grid-platform').toString('base64')}`],
  ['an empty secret', `Basic ${Buffer.from('grid-platform:').toString('base64')}`],
  ['a broken escape', `Basic ${Buffer.from('grid-platform:%E0%A4%A').toString('base64')}`],
  ['a header of 10,000 characters', `Basic ${'QUFB'.repeat(2500)}`],
])('malformed credentials are refused with 401: %s', async (_what, authorization) => {
  const response = await server.inject({
    method: 'POST',
    url: '/oauth/token',
    headers: { ...formHeaders, ...(authorization === undefined ? {} : { authorization }) },
    payload: 'grant_type=client_credentials',
  })
  expect([response.statusCode, response.json<{ code: string }>().code]).toEqual([401, 'CLIENT_UNAUTHENTICATED'])
})

test.each([
  ['another grant', 'grant_type=password', 'application/x-www-form-urlencoded', 400],
  ['no grant', '', 'application/x-www-form-urlencoded', 400],
  ['a grant that is a list', '{"grant_type":["client_credentials"]}', 'application/json', 400],
  ['JSON that is broken', '{"grant_type":', 'application/json', 400],
  ['a poisoned prototype', '{"grant_type":"client_credentials","__proto__":{"admin":true}}', 'application/json', 400],
  [
    'a poisoned constructor',
    '{"grant_type":"client_credentials","constructor":{"prototype":{"admin":true}}}',
    'application/json',
    400,
  ],
  ['text', 'grant_type=client_credentials', 'text/xml', 400],
  ['too much', `grant_type=client_credentials&more=${'x'.repeat(5000)}`, 'application/x-www-form-urlencoded', 413],
])('a body that does not fit is refused: %s', async (_what, payload, type, status) => {
  const response = await server.inject({
    method: 'POST',
    url: '/oauth/token',
    headers: { 'content-type': type, authorization: basic('grid-platform', consumer.clientSecret) },
    payload,
  })
  expect(response.statusCode).toBe(status)
  expect(response.headers['content-type']).toMatch('application/problem+json')
  expect(await installation.asOwner('select from gridbridge.access_token')).toEqual([])
})

test('a token runs out', async () => {
  const hasty = await openDoor(installation, { tokenSeconds: 1 })
  const authorization = await bearerOf(hasty, consumer)
  expect((await changes(hasty, authorization)).statusCode).toBe(200)
  await wait(1100)
  const response = await changes(hasty, authorization)
  expect([response.statusCode, response.json<{ code: string }>().code]).toEqual([401, 'TOKEN_INVALID'])
  await bearerOf(hasty, consumer)
  expect(await installation.asOwner('select from gridbridge.access_token')).toHaveLength(1)
  await hasty.close()
})

test('while the audit log cannot be written no token is issued, and the answer does not wait', async () => {
  await installation.asOwner(`revoke execute on function audit.append(uuid, bytea, bytea, bytea) from gridbridge_app`)
  const response = await requestToken(server, consumer)
  await installation.asOwner(`grant execute on function audit.append(uuid, bytea, bytea, bytea) to gridbridge_app`)
  expect([response.statusCode, response.json<{ code: string }>().code]).toEqual([503, 'AUDIT_UNAVAILABLE'])
  expect(await installation.asOwner('select from gridbridge.access_token')).toEqual([])
  expect((await requestToken(server, consumer)).statusCode).toBe(200)
})
