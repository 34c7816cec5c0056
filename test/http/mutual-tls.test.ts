import type { FastifyInstance } from 'fastify'
import { once } from 'node:events'
import { request, type RequestOptions } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { json } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endCredential } from '../../src/sharing/credentials.ts'
import { openCertificateFolder, type Certified } from '../support/certificates.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerConsumer } from '../support/ledger.ts'
import { ASKING, give, openAskingDoor, sign } from './client-stage.ts'
import { basic, formHeaders } from './door.ts'

const folder = openCertificateFolder()
const authority = folder.makeOwn('city')
const own = folder.makeSigned('localhost', 'city')
const first = folder.makeOwn('platform-first')
const second = folder.makeSigned('platform-second', 'city')
const stranger = folder.makeOwn('stranger')
const former = folder.makeSigned('former', 'city', -1)

let installation: TestInstallation
let open: FastifyInstance
let strict: FastifyInstance

beforeAll(async () => {
  installation = await openTestInstallation('api')
  const tls = { certificate: own.cert, key: own.key }
  open = await openAskingDoor(installation, { tls: { ...tls, clientAuthority: null } })
  strict = await openAskingDoor(installation, { tls: { ...tls, clientAuthority: authority.cert } })
  for (const door of [open, strict]) await door.listen({ host: '127.0.0.1', port: 0 })
})
afterAll(async () => {
  await open.close()
  await strict.close()
  await installation.close()
  folder.remove()
})

interface Told {
  readonly status: number | undefined
  readonly code?: string
  readonly access_token?: string
  readonly name?: string
}

/** One request over a TLS connection of its own, with a certificate or without. */
async function over(certificate: Certified | null, options: RequestOptions, body = '', door = open): Promise<Told> {
  const { port } = door.server.address() as { port: number }
  const shown = certificate === null ? {} : { cert: certificate.cert, key: certificate.key }
  const asking = request({ host: '127.0.0.1', port, ca: authority.cert, agent: false, ...shown, ...options })
  asking.end(body)
  const [answer] = (await once(asking, 'response')) as [IncomingMessage]
  return { status: answer.statusCode, ...((await json(answer)) as object) }
}

const ask = (name: string, certificate: Certified | null, door = open): Promise<Told> => {
  const headers = { ...formHeaders, authorization: basic(name, `secret-of-${name}`) }
  return over(certificate, { method: 'POST', path: '/oauth/token', headers }, 'grant_type=client_credentials', door)
}

const use = ({ access_token: token }: Told, certificate: Certified | null): Promise<Told> =>
  over(certificate, { path: ASKING, headers: { authorization: `Bearer ${token ?? ''}` } })

const register = async (name: string, ...certificates: readonly Certified[]): Promise<void> => {
  await registerConsumer(installation, name)
  for (const { thumbprint } of certificates) await give(installation, name, { kind: 'certificate', thumbprint })
}

const retire = ({ thumbprint }: Certified, name: string) =>
  installation.database.transaction((transaction) =>
    endCredential({ transaction, actor: 'system:test' }, name, thumbprint),
  )

const refused = { status: 401, code: 'TOKEN_INVALID' }

describe('a client that registered certificates', () => {
  beforeAll(() => register('bound', first, second))

  test('gets a token over either, which is good over that one alone', async () => {
    for (const [certificate, other] of [
      [first, second],
      [second, first],
    ] as const) {
      const token = await ask('bound', certificate)
      expect(token.status).toBe(200)
      expect(await use(token, certificate)).toMatchObject({ status: 200, name: 'bound' })
      for (const wrong of [other, stranger, null]) expect(await use(token, wrong)).toMatchObject(refused)
    }
  })

  test('gets no token over another connection, with the right secret or with a wrong one', async () => {
    for (const wrong of [stranger, null])
      expect(await ask('bound', wrong)).toMatchObject({ status: 401, code: 'CLIENT_UNAUTHENTICATED' })
  })

  test('signs requests over its own connections alone', async () => {
    const { secret } = await give(installation, 'bound', { kind: 'signing', digest: 'sm3' })
    const headers = () => ({ path: ASKING, headers: { ...sign({ name: 'bound', secret: secret ?? '' }).headers } })
    expect(await over(second, headers() as RequestOptions)).toMatchObject({ status: 200, name: 'bound' })
    for (const wrong of [stranger, null])
      expect(await over(wrong, headers() as RequestOptions)).toMatchObject({ status: 401, code: 'SIGNATURE_INVALID' })
  })
})

test('a token ends with the certificate that it is bound to, also when no other is left', async () => {
  await register('changes', first)
  const token = await ask('changes', first)
  expect(await use(token, first)).toMatchObject({ status: 200 })
  await retire(first, 'changes')
  for (const certificate of [first, null]) expect(await use(token, certificate)).toMatchObject(refused)
})

test('a token that is bound to none ends when its client registers a certificate', async () => {
  await register('begins')
  const token = await ask('begins', null)
  expect(await use(token, stranger)).toMatchObject({ status: 200 })
  await give(installation, 'begins', { kind: 'certificate', thumbprint: first.thumbprint })
  for (const certificate of [first, null]) expect(await use(token, certificate)).toMatchObject(refused)
})

test('a certificate that has run out binds nothing and opens nothing', async () => {
  await register('late', former)
  expect(await ask('late', former)).toMatchObject({ status: 401, code: 'CLIENT_UNAUTHENTICATED' })
})

describe('where an authority was named', () => {
  test('a connection without a certificate of it comes to nothing', async () => {
    await register('strict', second)
    expect(await ask('strict', second, strict)).toMatchObject({ status: 200 })
    for (const wrong of [first, null])
      await expect(ask('strict', wrong, strict)).rejects.toThrow(/alert|ECONNRESET|EPIPE|hang up/)
  })
})

test('a server without TLS of its own knows no certificate', async () => {
  await register('behind', first)
  const plain = await openAskingDoor(installation)
  const headers = { ...formHeaders, authorization: basic('behind', 'secret-of-behind') }
  const answer = await plain.inject({
    method: 'POST',
    url: '/oauth/token',
    headers,
    payload: 'grant_type=client_credentials',
  })
  expect(answer.statusCode).toBe(401)
  await plain.close()
})
