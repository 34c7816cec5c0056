import { randomUUID } from 'node:crypto'
import type { HttpAuth, SortedParametersAuth } from '../../feeds/manifest-auth.ts'
import { digestBody, signForTif, signParameters } from '../../security/department-signatures.ts'
import { signRequest } from '../../security/request-signature.ts'
import type { HttpMessage, QueryPairs } from './http-message.ts'
import { openNationalSigner } from './http-national.ts'
import { openTokens } from './http-oauth.ts'
import type { TokenDoor } from './http-token.ts'
import { takeSecret } from './secrets.ts'
import type { Secrets } from './source.ts'
import { clockOf } from './http-time.ts'

/** What proves who asks: headers, and parameters that replace those of the same name. */
export interface Proof {
  readonly headers: Readonly<Record<string, string>>
  readonly query: QueryPairs
}

/** What is proven of a request; `path` is as it goes over the wire. */
export type Provable = Pick<HttpMessage, 'method' | 'query' | 'body' | 'form'> & { readonly path: string }

export interface Authenticator {
  readonly prove: (request: Provable) => Proof | Promise<Proof>
  /** Forgets a proof that may have run out. Absent where a second try would prove the same. */
  readonly renew?: () => void
}

type AuthByKind = { readonly [Kind in HttpAuth['kind']]: Extract<HttpAuth, { readonly kind: Kind }> }

type Opener<Kind extends keyof AuthByKind> = (
  auth: AuthByKind[Kind],
  take: (name: string) => string,
  door: TokenDoor,
) => Authenticator

const authenticators: { readonly [Kind in keyof AuthByKind]: Opener<Kind> } = {
  none: () => inHeaders(() => ({})),
  basic: ({ user, password }, take) => {
    const pair = Buffer.from(`${take(user)}:${take(password)}`).toString('base64')
    return inHeaders(() => ({ authorization: `Basic ${pair}` }))
  },
  bearer: ({ token }, take) => {
    const authorization = `Bearer ${take(token)}`
    return inHeaders(() => ({ authorization }))
  },
  'api-key': (auth, take) => {
    const key = take(auth.key)
    return { prove: () => placeIn(auth.in, [[auth.name, key]]) }
  },
  oauth2: (auth, take, door) => {
    const tokens = openTokens(auth, { id: take(auth.clientId), secret: take(auth.clientSecret) }, door)
    return {
      prove: async () => ({ headers: { authorization: `Bearer ${await tokens.take()}` }, query: [] }),
      renew: tokens.forget,
    }
  },
  'hmac-sm3': (auth, take) => {
    const keys = { appKey: take(auth.appKey), secret: take(auth.appSecret) }
    return inHeaders((request) => ({
      ...signRequest({ ...request, ...keys, timestamp: Date.now(), nonce: randomUUID() }),
    }))
  },
  'sorted-parameters': (auth, take) => {
    const keys = { appKey: take(auth.appKey), secret: take(auth.secret) }
    return { prove: (request) => proveByParameters(auth, keys, request) }
  },
  'national-platform': (auth, take, door) => {
    const keys = { requester: take(auth.requester), service: take(auth.service), secret: take(auth.secret) }
    const refreshService = auth.refresh === undefined ? null : take(auth.refresh.service)
    const { sign, renew } = openNationalSigner(auth, { ...keys, refreshService }, door)
    return { prove: async () => ({ headers: await sign(), query: [] }), ...(renew === undefined ? {} : { renew }) }
  },
  tif: (auth, take) => {
    const keys = { paasId: take(auth.paasId), token: take(auth.token), letters: auth.letters }
    return inHeaders(() => signForTif(keys, Date.now(), randomUUID()))
  },
}

/** Takes the secrets once. Throws AppError SECRET_MISSING, and EGRESS_FORBIDDEN for a token address that is not listed. */
export function openAuth(auth: HttpAuth, secrets: Secrets, door: TokenDoor): Authenticator {
  return openKind(auth.kind, auth, (name) => takeSecret(secrets, name), door)
}

function openKind<Kind extends keyof AuthByKind>(
  kind: Kind,
  auth: AuthByKind[Kind],
  take: (name: string) => string,
  door: TokenDoor,
): Authenticator {
  return authenticators[kind](auth, take, door)
}

function inHeaders(prove: (request: Provable) => Readonly<Record<string, string>>): Authenticator {
  return { prove: (request) => ({ headers: prove(request), query: [] }) }
}

function placeIn(place: 'header' | 'query', pairs: QueryPairs): Proof {
  return place === 'query' ? { headers: {}, query: pairs } : { headers: Object.fromEntries(pairs), query: [] }
}

function proveByParameters(
  { names, digest, letters, timestamp, in: place }: SortedParametersAuth,
  keys: { readonly appKey: string; readonly secret: string },
  { query, body, form }: Provable,
): Proof {
  const own = [
    [names.appKey, keys.appKey],
    [names.timestamp, String(clockOf({ format: timestamp }).write(Date.now()))],
    [names.nonce, randomUUID()],
  ] as const
  const hashed =
    form === null && body !== '' ? [[names.body ?? 'body', digestBody(body, digest, letters)] as const] : []
  // The link to a next page may hold our own parameters of the page before it.
  const ownNames = new Set([...own.map(([name]) => name), names.signature])
  const given = query.filter(([name]) => !ownNames.has(name))
  const signature = signParameters([...given, ...(form ?? []), ...own, ...hashed], keys.secret, digest, letters)
  return placeIn(place, [...own, [names.signature, signature]])
}
