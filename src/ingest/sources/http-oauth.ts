import { isObject } from '../../feeds/code-tables.ts'
import { AppError } from '../../errors.ts'
import type { OAuth2Auth } from '../../feeds/manifest-auth.ts'
import { canonicalQuery } from '../../security/request-signature.ts'
import { askForToken, lendFor, nameRequest, type Token, type TokenDoor, type TokenRequest } from './http-token.ts'

export interface Tokens {
  /** A token that lives for a while yet. Throws AppError SOURCE_UNAVAILABLE, SOURCE_REFUSED and SOURCE_BODY_INVALID. */
  readonly take: () => Promise<string>
  readonly forget: () => void
}

// For servers that state no life (RFC 6749 §5.1 only recommends it); a 401 renews it earlier.
const LIFE_UNSTATED_S = 300

/** Tokens by client credentials (RFC 6749 §4.4), one at a time. Throws AppError EGRESS_FORBIDDEN. */
export function openTokens(
  auth: OAuth2Auth,
  client: { readonly id: string; readonly secret: string },
  door: TokenDoor,
): Tokens {
  const url = door.egress.assertUrl(auth.tokenUrl)
  const grant = writeGrant(auth, client)
  let held: Promise<Token> | null = null
  const ask = (): Promise<Token> => {
    const asking = askForBearer(url, grant, door)
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

function writeGrant(auth: OAuth2Auth, { id, secret }: { readonly id: string; readonly secret: string }): TokenRequest {
  const scope = auth.scope === undefined ? [] : [['scope', auth.scope] as const]
  const grant = [['grant_type', 'client_credentials'] as const, ...scope]
  const headers = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' }
  if (auth.clientIn === 'body') {
    const body = canonicalQuery([...grant, ['client_id', id], ['client_secret', secret]])
    return { method: 'POST', headers, body }
  }
  // Each half is form-encoded before they are joined (RFC 6749 §2.3.1).
  const pair = Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')
  return { method: 'POST', headers: { ...headers, authorization: `Basic ${pair}` }, body: canonicalQuery(grant) }
}

async function askForBearer(url: URL, grant: TokenRequest, door: TokenDoor): Promise<Token> {
  const asked = Date.now()
  return toToken(await askForToken(url, grant, door), asked, nameRequest(url, grant))
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
  return lendFor(text, asked, Number.isFinite(stated) && stated > 0 ? stated : LIFE_UNSTATED_S)
}
