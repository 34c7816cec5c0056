import type { FastifyInstance } from 'fastify'
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerConsumer } from '../support/ledger.ts'
import {
  assertionForm,
  assertionOf,
  give,
  keyPairs,
  openAskingDoor,
  openReplica,
  publicJwk,
  type Algorithm,
  type Claims,
} from './client-stage.ts'
import { basic, formHeaders, openDoor } from './door.ts'

let installation: TestInstallation
let server: FastifyInstance

beforeAll(async () => {
  installation = await openTestInstallation('api')
  server = await openAskingDoor(installation)
  for (const algorithm of Object.keys(keyPairs) as Algorithm[]) {
    const name = `signs-${algorithm.toLowerCase()}`
    await registerConsumer(installation, name)
    await give(installation, name, { kind: 'key', publicKey: publicJwk(keyPairs[algorithm].publicKey) })
  }
})
afterAll(async () => {
  await server.close()
  await installation.close()
})

const NAME = 'signs-es256'

async function ask(assertion: string, { door = server, headers = {} } = {}) {
  const answer = await door.inject({
    method: 'POST',
    url: '/oauth/token',
    headers: { ...formHeaders, ...headers },
    payload: assertionForm(assertion),
  })
  const { code, detail, access_token: token } = answer.json<Record<'code' | 'detail' | 'access_token', string>>()
  return { status: answer.statusCode, code, detail, token }
}

test.each(Object.keys(keyPairs) as Algorithm[])(
  'an assertion signed by %s gets a token that opens what the secret opens, and the key was used',
  async (algorithm) => {
    const name = `signs-${algorithm.toLowerCase()}`
    const { status, token } = await ask(await assertionOf(name, algorithm))
    expect(status).toBe(200)
    const authorization = `Bearer ${token}`
    const pulled = await server.inject({ url: '/api/v1/datasets/resident/changes', headers: { authorization } })
    expect(pulled.statusCode).toBe(200)
    const used = await installation.asOwner(
      `select from gridbridge.credential join gridbridge.consumer using (consumer_id)
        where name = $1 and kind = 'key' and last_used_at is not null`,
      [name],
    )
    expect(used).toHaveLength(1)
  },
)

test('an assertion is good once, in whichever replica, even when both get it in the same moment', async () => {
  const replica = await openReplica(installation)
  try {
    const assertion = await assertionOf(NAME, 'ES256')
    const both = await Promise.all([ask(assertion), ask(assertion, { door: replica.door })])
    expect(new Set(both.map(({ status }) => status))).toEqual(new Set([200, 409]))
    expect(await ask(assertion, { door: replica.door })).toMatchObject({ status: 409, code: 'REQUEST_REPLAYED' })
  } finally {
    await replica.close()
  }
})

describe('what is not as it should be is refused', () => {
  const now = () => Math.floor(Date.now() / 1000)
  test.each<[string, () => Claims]>([
    ['another issuer', () => ({ iss: 'signs-eddsa' })],
    ['no issuer', () => ({ iss: undefined })],
    ['another audience', () => ({ aud: 'https://elsewhere.example/oauth/token' })],
    ['no audience', () => ({ aud: undefined })],
    ['an audience beside ours', () => ({ aud: ['/oauth/token', 'https://elsewhere.example/oauth/token'] })],
    ['run out', () => ({ exp: now() - 1 })],
    ['six minutes ahead', () => ({ exp: now() + 360 })],
    ['no end', () => ({ exp: undefined })],
    ['not yet good', () => ({ nbf: now() + 60 })],
    ['no jti', () => ({ jti: undefined })],
    ['a short jti', () => ({ jti: '1234567' })],
    ['a jti of another type', () => ({ jti: 12_345_678 })],
    ['a subject that is no client', () => ({ iss: 'nobody', sub: 'nobody' })],
    ['a subject that is no name', () => ({ iss: '__proto__', sub: '__proto__' })],
    ['no subject', () => ({ sub: undefined })],
  ])('%s', async (_what, change) => {
    const { status, code } = await ask(await assertionOf(NAME, 'ES256', change()))
    expect([status, code]).toEqual([401, 'CLIENT_UNAUTHENTICATED'])
  })

  test('an end five minutes ahead is the last that is taken', async () => {
    expect((await ask(await assertionOf(NAME, 'ES256', { exp: now() + 299 }))).status).toBe(200)
  })

  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')

  test('no algorithm, a shared secret, and a key that came with the assertion', async () => {
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const good = await assertionOf(NAME, 'ES256')
    const [, claims = '', signature = ''] = good.split('.')
    const jwk = publicJwk(stranger.publicKey)
    const forged = await assertionOf(NAME, 'ES256', {}, stranger.privateKey)
    const [, , forgedSignature = ''] = forged.split('.')
    const headers = [{ alg: 'none' }, { alg: 'HS256' }, { alg: 'ES256', jwk }, { alg: 'ES256', crit: ['x'], x: 1 }]
    const forgeries = [
      ...headers.map((header) => `${encode(header)}.${claims}.${signature}`),
      `${encode({ alg: 'none' })}.${claims}.`,
      `${encode({ alg: 'ES256', jwk })}.${claims}.${forgedSignature}`,
      forged,
      'a.b.c',
      '',
    ]
    for (const forgery of forgeries) expect((await ask(forgery)).code, forgery).toBe('CLIENT_UNAUTHENTICATED')
  })

  test('an unknown client and a wrong key are told the same, and are written down the same', async () => {
    const wrong = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const unknown = await ask(await assertionOf('nobody', 'ES256', {}, wrong))
    expect(await ask(await assertionOf(NAME, 'ES256', {}, wrong))).toEqual(unknown)
    expect(unknown).toMatchObject({ status: 401, code: 'CLIENT_UNAUTHENTICATED', detail: '' })
    const entries = await installation.asOwner<{ actor: string }>(
      `select actor from audit.entry where event_type = 'access.denied' order by recorded_at desc limit 2`,
    )
    expect(entries).toEqual([{ actor: 'unknown' }, { actor: 'unknown' }])
  })

  test('two ways in one request, and an assertion of another type', async () => {
    const assertion = await assertionOf(NAME, 'ES256')
    const authorization = basic(NAME, `secret-of-${NAME}`)
    expect(await ask(assertion, { headers: { authorization } })).toMatchObject({ status: 400, code: 'REQUEST_INVALID' })
    const answer = await server.inject({
      method: 'POST',
      url: '/oauth/token',
      headers: formHeaders,
      payload: `grant_type=client_credentials&client_assertion_type=saml&client_assertion=${assertion}`,
    })
    expect(answer.json()).toMatchObject({ status: 400, code: 'REQUEST_INVALID' })
  })
})

test('an installation that knows its own address wants assertions meant for it', async () => {
  const door = await openDoor(installation, { publicUrl: 'https://bridge.example' })
  const aud = 'https://bridge.example/oauth/token'
  expect((await ask(await assertionOf(NAME, 'ES256', { aud }), { door })).status).toBe(200)
  expect((await ask(await assertionOf(NAME, 'ES256'), { door })).status).toBe(401)
  await door.close()
})
