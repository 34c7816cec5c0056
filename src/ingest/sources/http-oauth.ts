import type { Dispatcher } from 'undici'
import { request } from 'undici'
import { isObject } from '../../feeds/code-tables.ts'
import { AppError } from '../../errors.ts'
import type { HttpSourceManifest, OAuth2Auth } from '../../feeds/manifest-types.ts'
import { canonicalQuery } from '../../security/request-signature.ts'
import type { EgressGuard } from '../../security/egress.ts'
import { readDocument } from './http-body.ts'
import { toBodyError, toRequestError, toStatusError } from './http-errors.ts'

/** How tokens are asked for: through the same guard and with the same certificates as the pages. */
export interface TokenDoor {
  readonly egress: Pick<EgressGuard, 'assertUrl'>
  readonly agent: Dispatcher
  readonly timeouts: HttpSourceManifest['timeouts']
}

export interface Tokens {
  /** A token that lives for a while yet. Throws AppError SOURCE_UNAVAILABLE, SOURCE_REFUSED and SOURCE_BODY_INVALID. */
  readonly take: () => Promise<string>
  readonly forget: () => void
}

interface Token {
  readonly text: string
  /** Milliseconds since 1970 from which on another one is asked for. */
  readonly renewAt: number
}

const MAX_ANSWER_BYTES = 65_536

// For servers that state no life (RFC 6749 §5.1 only recommends it); a 401 renews it earlier.
const LIFE_UNSTATED_S = 300

// A request that is on its way when the token ends must still arrive; a short life is not eaten up by it.
const MARGIN_S = 60
const MARGIN_SHARE = 0.1

/** Tokens by client credentials (RFC 6749 §4.4), one at a time. Throws AppError EGRESS_FORBIDDEN. */
export function openTokens(
  auth: OAuth2Auth,
  client: { readonly id: string; readonly secret: string },
  door: TokenDoor,
): Tokens {
  const url = door.egress.assertUrl(auth.tokenUrl)
  let held: Promise<Token> | null = null
  const ask = (): Promise<Token> => {
    const asking = askForToken(url, writeGrant(auth, client), door)
    held = asking
    asking.catch(() => (held = null))
    return asking
  }
  return {
    take: async () => {
      const token = await (held ?? ask())
      return token.renewAt > Date.now() ? token.text : (await ask()).text
    },
    forget: () => {
      held = null
    },
  }
}

type Grant = { readonly headers: Readonly<Record<string, string>>; readonly body: string }

function writeGrant(auth: OAuth2Auth, { id, secret }: { readonly id: string; readonly secret: string }): Grant {
  const scope = auth.scope === undefined ? [] : [['scope', auth.scope] as const]
  const grant = [['grant_type', 'client_credentials'] as const, ...scope]
  const headers = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' }
  if (auth.clientIn === 'body') {
    return { headers, body: canonicalQuery([...grant, ['client_id', id], ['client_secret', secret]]) }
  }
  // Each half is form-encoded before they are joined (RFC 6749 §2.3.1).
  const pair = Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')
  return { headers: { ...headers, authorization: `Basic ${pair}` }, body: canonicalQuery(grant) }
}

async function askForToken(url: URL, grant: Grant, { agent, timeouts }: TokenDoor): Promise<Token> {
  const what = `POST ${url.host}${url.pathname}`
  const asked = Date.now()
  const signal = AbortSignal.timeout(timeouts.totalMs)
  const answer = await request(url, { ...grant, method: 'POST', dispatcher: agent, signal }).catch((error: unknown) => {
    throw toRequestError(error, what)
  })
  answer.body.on('error', () => undefined)
  try {
    if (answer.statusCode !== 200) throw toStatusError(answer.statusCode, answer.headers, what)
    const body = await readDocument(answer.body, answer.headers, {
      format: { kind: 'json' },
      pageBytes: MAX_ANSWER_BYTES,
    })
    return toToken(body, asked, what)
  } catch (error) {
    throw toBodyError(error, what)
  } finally {
    answer.body.destroy()
  }
}

function toToken(body: unknown, asked: number, what: string): Token {
  const { access_token: text, token_type: type = 'bearer', expires_in: life } = isObject(body) ? body : {}
  // What is no visible ASCII could not be sent in a header.
  const isToken = typeof text === 'string' && /^[\x21-\x7e]{1,8000}$/.test(text)
  if (!isToken || typeof type !== 'string' || type.toLowerCase() !== 'bearer') {
    throw new AppError(
      'SOURCE_BODY_INVALID',
      `${what} gave no bearer token; wanted access_token and token_type (RFC 6749 §5.1)`,
    )
  }
  const stated = Number(life)
  const seconds = Number.isFinite(stated) && stated > 0 ? stated : LIFE_UNSTATED_S
  const margin = Math.min(MARGIN_S, seconds * MARGIN_SHARE)
  return { text, renewAt: asked + (seconds - margin) * 1000 }
}
