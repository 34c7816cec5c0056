import type { paths } from '../openapi-types/openapi.d.ts'
import { readApiError } from './api-error.ts'

/** Where the API is, and the name and secret of a consumer. */
export interface ConsumerCredentials {
  readonly baseUrl: string
  readonly client: string
  readonly secret: string
}

/** Where the API is, and the token of a session that a person opened by `POST /api/v1/session`. */
export interface SessionCredentials {
  readonly baseUrl: string
  readonly session: string
}

export type Credentials = ConsumerCredentials | SessionCredentials

type Token = paths['/oauth/token']['post']['responses'][200]['content']['application/json']

interface Held {
  readonly token: string
  readonly renewAt: number
}

/** Renewed after this part of its time, so that a token does not run out on the way. */
const USED_PART = 0.9

/** The client-credentials grant of RFC 6749 §4.4: both parts form-encoded inside the Base64. Throws ApiError. */
async function requestToken({ baseUrl, client, secret }: ConsumerCredentials): Promise<Held> {
  const basic = btoa(`${encodeURIComponent(client)}:${encodeURIComponent(secret)}`)
  const askedAt = Date.now()
  const response = await fetch(`${baseUrl.replace(/\/$/, '')}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${basic}` },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  })
  if (!response.ok) throw await readApiError(response)
  const { access_token: token, expires_in: seconds } = (await response.json()) as Token
  return { token, renewAt: askedAt + seconds * 1000 * USED_PART }
}

export interface TokenSource {
  /** A token that is good for a while; requests made at once share one. */
  readonly get: () => Promise<string>
  /** Another token than the one that was refused. */
  readonly renew: (refused: string) => Promise<string>
}

/** Only a person can open another session. */
const keepSession = (session: string): TokenSource => ({ get: async () => session, renew: async () => session })

export function createTokenSource(credentials: Credentials): TokenSource {
  if ('session' in credentials) return keepSession(credentials.session)
  let held: Held | null = null
  let asked: Promise<Held> | null = null
  const ask = async (): Promise<Held> => {
    try {
      held = await requestToken(credentials)
      return held
    } finally {
      asked = null
    }
  }
  const request = async (): Promise<string> => {
    asked ??= ask()
    return (await asked).token
  }
  return {
    get: async () => (held !== null && Date.now() < held.renewAt ? held.token : request()),
    renew: async (refused) => (held === null || held.token === refused ? request() : held.token),
  }
}
