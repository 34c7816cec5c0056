import { randomUUID } from 'node:crypto'
import type { HttpAuth } from '../../feeds/manifest-types.ts'
import { signRequest } from '../../security/request-signature.ts'
import { takeSecret } from './secrets.ts'
import type { Secrets } from './source.ts'

export type QueryPairs = readonly (readonly [string, string])[]

/** The headers that prove who asks, for one GET request. */
export type Authenticate = (path: string, query: QueryPairs) => Readonly<Record<string, string>>

type AuthByKind = { readonly [Kind in HttpAuth['kind']]: Extract<HttpAuth, { readonly kind: Kind }> }

const authenticators: {
  readonly [Kind in keyof AuthByKind]: (auth: AuthByKind[Kind], secrets: Secrets) => Authenticate
} = {
  none: () => () => ({}),
  bearer: (auth, secrets) => {
    const authorization = `Bearer ${takeSecret(secrets, auth.token)}`
    return () => ({ authorization })
  },
  'hmac-sm3': (auth, secrets) => {
    const keys = { appKey: takeSecret(secrets, auth.appKey), secret: takeSecret(secrets, auth.appSecret) }
    return (path, query) => ({
      ...signRequest({ ...keys, method: 'GET', path, query, body: '', timestamp: Date.now(), nonce: randomUUID() }),
    })
  },
}

/** Takes the secrets once. Throws AppError SECRET_MISSING. */
export function openAuth(auth: HttpAuth, secrets: Secrets): Authenticate {
  return openKind(auth.kind, auth, secrets)
}

function openKind<Kind extends keyof AuthByKind>(kind: Kind, auth: AuthByKind[Kind], secrets: Secrets): Authenticate {
  return authenticators[kind](auth, secrets)
}
