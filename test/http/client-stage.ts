import type { FastifyInstance, InjectOptions } from 'fastify'
import { generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto'
import { SignJWT } from 'jose'
import { recogniseClient } from '../../src/http/clients.ts'
import { ASSERTION_TYPE } from '../../src/security/client-assertions.ts'
import type { SignatureHash } from '../../src/security/request-signature.ts'
import { signRequest } from '../../src/security/request-signature.ts'
import { giveCredential, type CredentialRequest, type MadeCredential } from '../../src/sharing/credentials.ts'
import { openDatabase } from '../../src/store/database.ts'
import type { TestInstallation } from '../support/installation.ts'
import { openDoor, type DoorOptions } from './door.ts'

/** Where consumers would send something: it only says who was recognised. */
export const ASKING = '/api/v1/asking'

/** A server with a route that takes what consumers send. */
export async function openAskingDoor(
  installation: TestInstallation,
  options: DoorOptions = {},
): Promise<FastifyInstance> {
  const door = await openDoor(installation, options)
  const context = { ...installation, tokenSeconds: 600, auditDeadlineMs: 2000, publicUrl: null }
  const handler = async (request: Parameters<typeof recogniseClient>[1]) => recogniseClient(context, request)
  door.route({ method: ['GET', 'POST', 'DELETE'], url: ASKING, handler, config: { access: 'consumers' } })
  return door
}

/** Another server on the same database, with connections of its own. */
export async function openReplica(
  installation: TestInstallation,
): Promise<{ readonly door: FastifyInstance; readonly close: () => Promise<void> }> {
  const database = openDatabase({ url: installation.databaseUrl, processName: 'replica', connections: 4 })
  const door = await openAskingDoor({ ...installation, database })
  const close = async (): Promise<void> => {
    await door.close()
    await database.close()
  }
  return { door, close }
}

export const give = (
  { database, keys }: TestInstallation,
  name: string,
  request: CredentialRequest,
): Promise<MadeCredential> =>
  database.transaction((transaction) => giveCredential({ transaction, keys, actor: 'system:test' }, name, request))

export interface Asked {
  readonly name: string
  readonly secret: string
  readonly url?: string
  readonly method?: 'GET' | 'POST' | 'DELETE'
  readonly body?: string
  readonly digest?: SignatureHash
  readonly nonce?: string
  readonly aheadMs?: number
}

/** A request that is signed, ready to be sent by inject. */
export function sign({ name, secret, url = ASKING, method = 'GET', body = '', ...more }: Asked): InjectOptions {
  const [path = '', query = ''] = url.split('?')
  const { digest = 'sm3', nonce = randomUUID(), aheadMs = 0 } = more
  const facts = { method, path, query: new URLSearchParams(query), body, appKey: name, secret, nonce }
  const headers = signRequest({ ...facts, timestamp: Date.now() + aheadMs }, digest)
  const typed = body === '' ? headers : { ...headers, 'content-type': 'application/json' }
  return { method, url, headers: { ...typed }, ...(body === '' ? {} : { payload: body }) }
}

/** Key pairs of each algorithm that is taken. */
export const keyPairs = {
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: generateKeyPairSync('ed25519'),
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  PS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
} as const

export type Algorithm = keyof typeof keyPairs

export const publicJwk = (key: KeyObject): Record<string, unknown> => ({ ...key.export({ format: 'jwk' }) })

/** Claims that replace those of a good assertion; undefined leaves one out. */
export type Claims = Readonly<Record<string, unknown>>

/** An assertion of a client as it should be, but for `change`. */
export async function assertionOf(
  name: string,
  algorithm: Algorithm,
  change: Claims = {},
  key: KeyObject = keyPairs[algorithm].privateKey,
): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const claims = { iss: name, sub: name, aud: '/oauth/token', iat: now, exp: now + 60, jti: randomUUID(), ...change }
  return new SignJWT(claims).setProtectedHeader({ alg: algorithm }).sign(key)
}

/** The form that asks for a token with an assertion. */
export const assertionForm = (assertion: string): string =>
  new URLSearchParams({
    grant_type: 'client_credentials',
    client_assertion_type: ASSERTION_TYPE,
    client_assertion: assertion,
  }).toString()
