import type { FastifyInstance } from 'fastify'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { employAll, type Office } from '../support/office.ts'
import { ASKING, assertionForm, assertionOf, keyPairs, openAskingDoor, publicJwk, sign } from './client-stage.ts'
import { bearerOf, formHeaders, requestToken } from './door.ts'

let installation: TestInstallation
let server: FastifyInstance
let office: Office
let consumers = 0
let name = ''

const CREDIT_CODE = '115105000000000198'

beforeAll(async () => {
  installation = await openTestInstallation('api')
  server = await openAskingDoor(installation)
  office = await employAll(installation, await server.listen({ host: '127.0.0.1', port: 0 }))
})
afterAll(async () => {
  await server.close()
  await installation.close()
})
beforeEach(async () => {
  consumers += 1
  name = `platform-${consumers}`
  await office.officer.post('/api/v1/consumers', { name, title: '网格服务管理平台', creditCode: CREDIT_CODE })
})

const path = (more = ''): string => `/api/v1/consumers/${name}/credentials${more}`
const make = async (body: unknown) => (await office.engineer.post(path(), body)).body
const listed = async () => (await office.auditor.get(path())).body.credentials

async function recognised(authorization: string): Promise<number> {
  return (await server.inject({ url: ASKING, headers: { authorization } })).statusCode
}

const lastEntry = async () => {
  const [entry] = await installation.asOwner<{ body: string }>(
    `select convert_from(body, 'UTF8') as body from audit.entry order by recorded_at desc limit 1`,
  )
  return JSON.parse(entry?.body ?? '') as Record<string, unknown>
}

describe('a consumer', () => {
  test('is registered with its unit, listed, and can do nothing yet', async () => {
    expect(await lastEntry()).toMatchObject({
      type: 'consumer.added',
      actor: 'account:officer',
      object: `consumer/${name}`,
      details: { creditCode: CREDIT_CODE },
    })
    const { body } = await office.auditor.get('/api/v1/consumers')
    expect(body.consumers).toContainEqual({
      name,
      title: '网格服务管理平台',
      creditCode: CREDIT_CODE,
      createdAt: expect.any(String),
    })
    expect(await listed()).toEqual([])
    expect((await requestToken(server, { name, clientSecret: 'any' })).statusCode).toBe(401)
  })

  test.each([
    ['a name that is taken', { name: 'platform-1' }, 409, 'CONSUMER_EXISTS'],
    ['the name of an account', { name: 'officer' }, 409, 'CONSUMER_EXISTS'],
    ['a name that is no name', { name: 'Platform' }, 400, 'REQUEST_INVALID'],
    ['a credit code with a wrong check character', { creditCode: '115105000000000197' }, 400, 'REQUEST_INVALID'],
    ['a title without Chinese', { title: 'Platform' }, 400, 'REQUEST_INVALID'],
    ['a title with the number of a person', { title: '平台510502190001010017' }, 400, 'REQUEST_INVALID'],
    ['a fact that is not asked for', { secret: 'mine' }, 400, 'REQUEST_INVALID'],
  ])('is refused with %s', async (_what, change, status, code) => {
    const body = { name: 'platform-x', title: '平台', creditCode: CREDIT_CODE, ...change }
    expect(await office.engineer.post('/api/v1/consumers', body)).toMatchObject({ status, body: { code } })
  })
})

describe('two versions of a secret live', () => {
  test('the secret is shown once, and kept as a keyed hash', async () => {
    const made = await office.engineer.post(path(), { kind: 'secret' })
    expect(made.headers.get('cache-control')).toBe('no-store')
    expect(made.body).toMatchObject({ consumer: name, kind: 'secret', secret: expect.stringMatching(/^[\w-]{43}$/) })
    expect(await lastEntry()).toMatchObject({
      type: 'credential.made',
      actor: 'account:engineer',
      details: { kind: 'secret', fingerprint: made.body.fingerprint },
    })
    const answer = JSON.stringify((await office.engineer.get(path())).body)
    expect(answer).toContain(made.body.fingerprint)
    expect(answer).not.toContain(made.body.secret)
    const rows = await installation.asOwner<{ text: string }>(
      'select credential::text as text from gridbridge.credential',
    )
    expect(rows.filter(({ text }) => text.includes(made.body.secret))).toEqual([])
  })

  test('both work; the one that is retired ends at once with its tokens, and the other goes on', async () => {
    const [one, two] = [await make({ kind: 'secret' }), await make({ kind: 'secret' })]
    const [first, second] = [
      await bearerOf(server, { name, clientSecret: one.secret }),
      await bearerOf(server, { name, clientSecret: two.secret }),
    ]
    expect([await recognised(first), await recognised(second)]).toEqual([200, 200])
    const ended = await office.officer.remove(path(`/${one.fingerprint}`))
    expect(ended).toMatchObject({ status: 200, body: { kind: 'secret', fingerprint: one.fingerprint } })
    expect(await lastEntry()).toMatchObject({ type: 'credential.retired', actor: 'account:officer' })
    expect([await recognised(first), await recognised(second)]).toEqual([401, 200])
    expect((await requestToken(server, { name, clientSecret: one.secret })).statusCode).toBe(401)
    expect(await listed()).toMatchObject([
      { fingerprint: one.fingerprint, lastUsedAt: expect.any(String), retiredAt: expect.any(String) },
      { fingerprint: two.fingerprint, lastUsedAt: expect.any(String), retiredAt: null },
    ])
  })

  test('a third waits until one is retired, also when ten are asked for at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => office.engineer.post(path(), { kind: 'secret' })),
    )
    const made = answers.filter(({ status }) => status === 200)
    expect(made).toHaveLength(2)
    expect(new Set(answers.map(({ body }) => body.code))).toEqual(new Set([undefined, 'CREDENTIALS_FULL']))
    await office.engineer.remove(path(`/${made[0]?.body.fingerprint}`))
    expect(await make({ kind: 'secret' })).toMatchObject({ kind: 'secret' })
  })

  test('signing secrets are replaced in the same way', async () => {
    const request = { kind: 'signing', digest: 'sm3' } as const
    const [one, two] = [await make(request), await make(request)]
    const ask = async ({ secret }: { secret: string }) => (await server.inject(sign({ name, secret }))).statusCode
    expect([await ask(one), await ask(two)]).toEqual([200, 200])
    await office.engineer.remove(path(`/${one.fingerprint}`))
    expect([await ask(one), await ask(two)]).toEqual([401, 200])
    const [row] = await installation.asOwner(
      'select sealed, secret_hash from gridbridge.credential where fingerprint = $1',
      [one.fingerprint],
    )
    expect(row).toEqual({ sealed: null, secret_hash: null })
  })

  test('a key and the tokens that it got end together, and it is not taken again', async () => {
    const publicKey = publicJwk(keyPairs.EdDSA.publicKey)
    const made = await make({ kind: 'key', publicKey })
    expect(made.secret).toBeNull()
    const payload = assertionForm(await assertionOf(name, 'EdDSA'))
    const answer = await server.inject({ method: 'POST', url: '/oauth/token', headers: formHeaders, payload })
    const authorization = `Bearer ${answer.json<{ access_token: string }>().access_token}`
    expect(await recognised(authorization)).toBe(200)
    await office.engineer.remove(path(`/${made.fingerprint}`))
    expect(await recognised(authorization)).toBe(401)
    expect(await make({ kind: 'key', publicKey })).toMatchObject({ code: 'CREDENTIAL_EXISTS' })
  })
})

describe('what is refused, with nothing kept', () => {
  const rsa = (modulusLength: number, publicExponent = 65_537) =>
    publicJwk(generateKeyPairSync('rsa', { modulusLength, publicExponent }).publicKey)

  test.each<[string, () => unknown]>([
    ['another kind', () => ({ kind: 'password' })],
    ['a secret of its own', () => ({ kind: 'secret', secret: 'mine' })],
    ['a signing secret without a hash', () => ({ kind: 'signing' })],
    ['an MD5 signature', () => ({ kind: 'signing', digest: 'md5' })],
    ['a private key', () => ({ kind: 'key', publicKey: publicJwk(keyPairs.ES256.privateKey) })],
    ['a shared key', () => ({ kind: 'key', publicKey: { kty: 'oct', k: 'AAAA' } })],
    ['RSA of 1024 bits', () => ({ kind: 'key', publicKey: rsa(1024) })],
    ['RSA with the exponent 3', () => ({ kind: 'key', publicKey: rsa(2048, 3) })],
    [
      'P-384',
      () => ({ kind: 'key', publicKey: publicJwk(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey) }),
    ],
    ['X25519', () => ({ kind: 'key', publicKey: publicJwk(generateKeyPairSync('x25519').publicKey) })],
    [
      'a point that is not on the curve',
      () => ({
        kind: 'key',
        publicKey: { ...publicJwk(keyPairs.ES256.publicKey), y: randomBytes(32).toString('base64url') },
      }),
    ],
    ['no key', () => ({ kind: 'key', publicKey: {} })],
    ['a thumbprint in hexadecimal', () => ({ kind: 'certificate', thumbprint: 'ab'.repeat(32) })],
  ])('%s', async (_what, body) => {
    expect(await office.engineer.post(path(), body())).toMatchObject({ status: 400, body: { code: 'REQUEST_INVALID' } })
    expect(await listed()).toEqual([])
  })

  test('a consumer and a fingerprint that nobody has', async () => {
    const nobody = '/api/v1/consumers/nobody/credentials'
    expect(await office.auditor.get(nobody)).toMatchObject({ status: 404, body: { code: 'CONSUMER_UNKNOWN' } })
    expect((await office.engineer.post(nobody, { kind: 'secret' })).body.code).toBe('CONSUMER_UNKNOWN')
    const one = await make({ kind: 'secret' })
    await office.engineer.remove(path(`/${one.fingerprint}`))
    for (const fingerprint of [one.fingerprint, '0'.repeat(16)])
      expect(await office.engineer.remove(path(`/${fingerprint}`))).toMatchObject({
        status: 404,
        body: { code: 'CREDENTIAL_UNKNOWN' },
      })
  })

  test('a role that may not', async () => {
    for (const person of [office.editor, office.reviewer, office.auditor]) {
      expect((await person.post(path(), { kind: 'secret' })).status).toBe(403)
      expect((await person.remove(path(`/${'0'.repeat(16)}`))).status).toBe(403)
      expect(
        (await person.post('/api/v1/consumers', { name: 'mine', title: '平台', creditCode: CREDIT_CODE })).status,
      ).toBe(403)
    }
    for (const person of [office.editor, office.reviewer]) {
      expect((await person.get(path())).status).toBe(403)
      expect((await person.get('/api/v1/consumers')).status).toBe(403)
    }
  })
})
