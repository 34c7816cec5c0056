import { randomBytes, timingSafeEqual } from 'node:crypto'
import { AppError } from '../errors.ts'
import type { KeyRing } from '../security/key-ring.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import { findConsumerOfToken, findTokenHolder, insertToken, type TokenHolder } from '../store/access-tokens.ts'
import type { Database } from '../store/database.ts'

export interface ClientContext {
  readonly database: Database
  readonly keys: KeyRing
  readonly tokenSeconds: number
  readonly auditDeadlineMs: number
}

export interface IssuedToken {
  readonly access_token: string
  readonly token_type: 'Bearer'
  readonly expires_in: number
}

interface Credentials {
  readonly name: string
  readonly secret: string
}

/** What a consumer or an account can be called; anything else is not looked up. */
const CLIENT_NAME = /^[a-z][a-z0-9-]{1,39}$/

/** client_secret_basic of RFC 6749 §2.3.1: both parts are form-encoded inside the Base64. */
function readBasicCredentials(header: string | undefined): Credentials {
  const encoded = /^Basic ([A-Za-z0-9+/=]{1,2000})$/i.exec(header ?? '')?.[1]
  const [name, secret] = Buffer.from(encoded ?? '', 'base64')
    .toString('utf8')
    .split(':')
  if (!name || !secret) throw new AppError('CLIENT_UNAUTHENTICATED', 'give HTTP Basic credentials')
  try {
    return { name: decodeURIComponent(name), secret: decodeURIComponent(secret) }
  } catch (error) {
    throw new AppError('CLIENT_UNAUTHENTICATED', 'the credentials are not form-encoded', { cause: error })
  }
}

async function authenticate({ database, keys }: ClientContext, { name, secret }: Credentials): Promise<TokenHolder> {
  if (!CLIENT_NAME.test(name)) throw new AppError('CLIENT_UNAUTHENTICATED')
  const given = keys.token('credential', secret)
  const holder = await findTokenHolder(database.query, name)
  if (holder === null || !timingSafeEqual(Buffer.from(given), Buffer.from(holder.secretHash)))
    throw new AppError('CLIENT_UNAUTHENTICATED')
  return holder
}

/** The client-credentials grant of RFC 6749 §4.4. The refusal is audited too. Throws CLIENT_UNAUTHENTICATED, AUDIT_UNAVAILABLE. */
export async function issueToken(context: ClientContext, authorization: string | undefined): Promise<IssuedToken> {
  const { database, keys, tokenSeconds, auditDeadlineMs } = context
  const credentials = readBasicCredentials(authorization)
  const holder = await authenticate(context, credentials).catch(async (error: unknown) => {
    await auditDenial(context, 'unknown', 'CLIENT_UNAUTHENTICATED')
    throw error
  })
  const token = randomBytes(32).toString('base64url')
  await auditBeforeAnswer(database, 'token', auditDeadlineMs, async ({ query, audit }) => {
    await insertToken(query, keys.token('credential', token), holder, tokenSeconds)
    await audit({ type: 'token.issued', actor: `${holder.kind}:${credentials.name}`, outcome: 'ok' })
  })
  return { access_token: token, token_type: 'Bearer', expires_in: tokenSeconds }
}

/** Writes down that somebody was refused. Throws AUDIT_UNAVAILABLE. */
export async function auditDenial(
  { database, auditDeadlineMs }: ClientContext,
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

/** The consumer behind a bearer token. Throws TOKEN_INVALID. */
export async function recogniseClient(
  { database, keys }: ClientContext,
  authorization: string | undefined,
): Promise<{ readonly consumerId: number; readonly name: string }> {
  return findConsumerOfToken(database.query, readTokenHash(keys, authorization))
}
