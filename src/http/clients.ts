import type { FastifyRequest } from 'fastify'
import { AppError, toAppError } from '../errors.ts'
import { findSigner } from '../security/client-signatures.ts'
import type { KeyRing } from '../security/key-ring.ts'
import { findConsumerOfToken } from '../store/access-tokens.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import { noteActor } from '../store/audit-trail.ts'
import { findSigningSecrets, noteUse, type LiveCredential } from '../store/credentials.ts'
import type { Database } from '../store/database.ts'
import { takeNonce } from '../store/nonces.ts'
import { thumbprintOf } from './peer-certificate.ts'
import { assertClock, readSignedRequest } from './signed-requests.ts'

export interface ClientContext {
  readonly database: Database
  readonly keys: KeyRing
  readonly tokenSeconds: number
  readonly auditDeadlineMs: number
  /** Where clients reach this installation, without a slash at the end; null where nobody said. */
  readonly publicUrl: string | null
}

/** A consumer that proved who it is. */
export interface Client {
  readonly consumerId: number
  readonly name: string
}

/** What a route for consumers says it takes, one or the other. */
export const consumerSecurity = [{ token: [] }, { signature: [] }]

/** What a consumer or an account can be called; anything else is not looked up. */
export const CLIENT_NAME = /^[a-z][a-z0-9-]{1,39}$/

/** Writes down that somebody was refused. Throws AUDIT_UNAVAILABLE. */
export async function auditDenial(
  { database, auditDeadlineMs }: Pick<ClientContext, 'database' | 'auditDeadlineMs'>,
  actor: string,
  reason: string,
  dataset?: string,
): Promise<void> {
  const about = dataset === undefined ? {} : { dataset }
  await auditBeforeAnswer(database, reason, auditDeadlineMs, ({ audit }) =>
    audit({ type: 'access.denied', actor, outcome: 'denied', ...about, details: { reason } }),
  )
}

/** The keyed hash of the bearer token in a request. Throws TOKEN_INVALID where there is none of that shape. */
export function readTokenHash(keys: KeyRing, authorization: string | undefined): string {
  const token = /^Bearer ([A-Za-z0-9_-]{20,200})$/i.exec(authorization ?? '')?.[1]
  if (token === undefined) throw new AppError('TOKEN_INVALID', 'give a bearer token from /oauth/token')
  return keys.token('credential', token)
}

/** Whether a consumer may come over a connection with this certificate: any or none, until it has registered its own. */
export const fitsConnection = ({ certificates }: Pick<LiveCredential, 'certificates'>, thumbprint: string | null) =>
  certificates.length === 0 || certificates.some((registered) => registered === thumbprint)

/** Checks signature, time, certificate and nonce, in this order: each tells something only to whoever got so far. */
async function verifySigner({ database, keys }: ClientContext, request: FastifyRequest): Promise<Client> {
  const signed = readSignedRequest(request)
  const { appKey: name, nonce } = signed
  const secrets = CLIENT_NAME.test(name) ? await findSigningSecrets(database.query, name) : []
  const signer = findSigner(keys, signed, secrets)
  if (signer === null) throw new AppError('SIGNATURE_INVALID')
  assertClock(signed)
  if (!fitsConnection(signer, thumbprintOf(request)))
    throw new AppError('SIGNATURE_INVALID', 'connect with the certificate that is registered for this client')
  if (!(await takeNonce(database.query, `consumer:${signer.consumerId}`, nonce)))
    throw new AppError('REQUEST_REPLAYED', 'sign it anew with another nonce')
  await noteUse(database.query, signer.credentialId)
  return { consumerId: signer.consumerId, name }
}

async function recogniseSigner(context: ClientContext, request: FastifyRequest): Promise<Client> {
  try {
    return await verifySigner(context, request)
  } catch (error) {
    const { code, status } = toAppError(error)
    if (status < 500) await auditDenial(context, 'unknown', code)
    throw error
  }
}

async function proveClient(context: ClientContext, request: FastifyRequest): Promise<Client> {
  const { authorization, 'x-signature': signature } = request.headers
  if (authorization === undefined && signature !== undefined) return recogniseSigner(context, request)
  const { database, keys } = context
  return findConsumerOfToken(database.query, readTokenHash(keys, authorization), thumbprintOf(request))
}

/**
 * The consumer that makes a request: by a bearer token from /oauth/token or, where there is none, by a signature over the request
 * (X-App-Key is its name; `signRequest`). Either is good only over a connection with a certificate of the consumer, once it has
 * registered one (RFC 8705). Throws TOKEN_INVALID; SIGNATURE_INVALID, CLOCK_SKEWED, REQUEST_REPLAYED, which are audited.
 */
export async function recogniseClient(context: ClientContext, request: FastifyRequest): Promise<Client> {
  const client = await proveClient(context, request)
  noteActor(`consumer:${client.name}`)
  return client
}
