import { randomBytes, timingSafeEqual } from 'node:crypto'
import { AppError, toAppError } from '../errors.ts'
import { ASSERTION_TYPE, readClaim, verifyAssertion } from '../security/client-assertions.ts'
import { findSecretHolders, insertToken, type SecretHolder, type TokenHolder } from '../store/access-tokens.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import { findPublicKeys, noteUse } from '../store/credentials.ts'
import { takeNonce } from '../store/nonces.ts'
import { auditDenial, CLIENT_NAME, fitsConnection, type ClientContext } from './clients.ts'

export interface IssuedToken {
  readonly access_token: string
  readonly token_type: 'Bearer'
  readonly expires_in: number
}

/** What a client shows when it asks for a token. */
export interface TokenRequest {
  readonly authorization: string | undefined
  readonly assertionType: string | undefined
  readonly assertion: string | undefined
  /** Thumbprint of the certificate that it connected with. */
  readonly thumbprint: string | null
}

interface Proven {
  readonly name: string
  readonly holder: TokenHolder
}

/** client_secret_basic of RFC 6749 §2.3.1: both parts are form-encoded inside the Base64. */
function readBasicCredentials(header: string | undefined): { readonly name: string; readonly secret: string } {
  const encoded = /^Basic ([A-Za-z0-9+/=]{1,2000})$/i.exec(header ?? '')?.[1]
  const [name, secret] = Buffer.from(encoded ?? '', 'base64')
    .toString('utf8')
    .split(':')
  if (!name || !secret) throw new AppError('CLIENT_UNAUTHENTICATED', 'give HTTP Basic credentials or an assertion')
  try {
    return { name: decodeURIComponent(name), secret: decodeURIComponent(secret) }
  } catch (error) {
    throw new AppError('CLIENT_UNAUTHENTICATED', 'the credentials are not form-encoded', { cause: error })
  }
}

/** As many secrets of a client as live at most. */
const MOST_SECRETS = 2

/** Which of the living secrets was given. Always compares two, so that an unknown name costs what a wrong secret costs. */
function findGiven(holders: readonly SecretHolder[], given: string): SecretHolder | null {
  const compared = Array.from({ length: MOST_SECRETS }, (_, place) => {
    const holder = holders[place]
    const isGiven = timingSafeEqual(Buffer.from(given), Buffer.from(holder?.secretHash ?? '0'.repeat(given.length)))
    return isGiven && holder !== undefined ? holder : null
  })
  return compared.find((holder) => holder !== null) ?? null
}

async function proveBySecret({ database, keys }: ClientContext, { authorization }: TokenRequest): Promise<Proven> {
  const { name, secret } = readBasicCredentials(authorization)
  if (!CLIENT_NAME.test(name)) throw new AppError('CLIENT_UNAUTHENTICATED')
  const holder = findGiven(await findSecretHolders(database.query, name), keys.token('credential', secret))
  if (holder === null) throw new AppError('CLIENT_UNAUTHENTICATED')
  return { name, holder }
}

/** Our token endpoint, as an assertion names it. An installation that was not told its own address goes by the path. */
const audienceOf = ({ publicUrl }: ClientContext): string => `${publicUrl ?? ''}/oauth/token`

async function proveByAssertion(context: ClientContext, assertion: string): Promise<Proven> {
  const { query } = context.database
  const { name, keyType } = readClaim(assertion)
  if (!CLIENT_NAME.test(name)) throw new AppError('CLIENT_UNAUTHENTICATED')
  const expected = { name, keyType, audience: audienceOf(context) }
  const { held, jti } = await verifyAssertion(assertion, expected, await findPublicKeys(query, name))
  const { consumerId, credentialId, certificates } = held
  if (!(await takeNonce(query, `assertion:${consumerId}`, jti)))
    throw new AppError('REQUEST_REPLAYED', 'sign a new assertion with another jti')
  return { name, holder: { consumerId, credentialId, certificates } }
}

/** One proof, and over the right connection. Throws REQUEST_INVALID, CLIENT_UNAUTHENTICATED, REQUEST_REPLAYED. */
async function prove(context: ClientContext, request: TokenRequest): Promise<Proven> {
  const { authorization, assertion, assertionType, thumbprint } = request
  // RFC 6749 §2.3: a client uses one way to prove itself in one request.
  if (assertion !== undefined && authorization !== undefined)
    throw new AppError('REQUEST_INVALID', 'give HTTP Basic credentials or an assertion, not both')
  if (assertion !== undefined && assertionType !== ASSERTION_TYPE)
    throw new AppError('REQUEST_INVALID', `client_assertion_type must be ${ASSERTION_TYPE}`)
  const proven = assertion === undefined ? proveBySecret(context, request) : proveByAssertion(context, assertion)
  if (!fitsConnection((await proven).holder, thumbprint))
    throw new AppError('CLIENT_UNAUTHENTICATED', 'connect with the certificate that is registered for this client')
  return proven
}

/**
 * The client-credentials grant of RFC 6749 §4.4. The token of a consumer with registered certificates is bound to the one that it
 * connected with (RFC 8705 §3). A refusal is audited too. Throws CLIENT_UNAUTHENTICATED, REQUEST_REPLAYED, REQUEST_INVALID,
 * AUDIT_UNAVAILABLE.
 */
export async function issueToken(context: ClientContext, request: TokenRequest): Promise<IssuedToken> {
  const { database, keys, tokenSeconds: seconds, auditDeadlineMs } = context
  const { name, holder } = await prove(context, request).catch(async (error: unknown) => {
    const { code, status } = toAppError(error)
    if (status < 500) await auditDenial(context, 'unknown', code)
    throw error
  })
  const token = randomBytes(32).toString('base64url')
  const certificate = holder.certificates.length === 0 ? null : request.thumbprint
  await auditBeforeAnswer(database, 'token', auditDeadlineMs, async ({ query, audit }) => {
    await insertToken(query, { tokenHash: keys.token('credential', token), holder, certificate, seconds })
    await noteUse(query, holder.credentialId)
    await audit({ type: 'token.issued', actor: `consumer:${name}`, outcome: 'ok' })
  })
  return { access_token: token, token_type: 'Bearer', expires_in: seconds }
}
