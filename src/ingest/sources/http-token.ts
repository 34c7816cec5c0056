import type { Dispatcher } from 'undici'
import { request } from 'undici'
import type { HttpSourceManifest } from '../../feeds/manifest-types.ts'
import type { EgressGuard } from '../../security/egress.ts'
import { readDocument } from './http-body.ts'
import { toBodyError, toRequestError, toStatusError } from './http-errors.ts'

/** How tokens are asked for: through the same guard and with the same certificates as the pages. */
export interface TokenDoor {
  readonly egress: Pick<EgressGuard, 'assertUrl'>
  readonly agent: Dispatcher
  readonly timeouts: HttpSourceManifest['timeouts']
}

/** What a source lends for a while: a token, or a secret to sign with. */
export interface Token {
  readonly text: string
  /** Milliseconds since 1970 from which on another one is asked for. */
  readonly renewAt: number
}

const MAX_ANSWER_BYTES = 65_536

// A request that is on its way when the token ends must still arrive; a short life is not eaten up by it.
const MARGIN_S = 60
const MARGIN_SHARE = 0.1

/** A token that was asked for at `asked` (ms) and lives for so many seconds. */
export function lendFor(text: string, asked: number, seconds: number): Token {
  return { text, renewAt: asked + (seconds - Math.min(MARGIN_S, seconds * MARGIN_SHARE)) * 1000 }
}

export interface TokenRequest {
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

/** `POST host/path`: the query is not shown. */
export const nameRequest = (url: URL, { method }: Pick<TokenRequest, 'method'>): string =>
  `${method} ${url.host}${url.pathname}`

/**
 * Asks for a token and gives the JSON answer; redirects are not followed. Throws AppError SOURCE_UNAVAILABLE, SOURCE_REFUSED,
 * SOURCE_BODY_INVALID and SOURCE_LIMIT_EXCEEDED.
 */
export async function askForToken(url: URL, asking: TokenRequest, { agent, timeouts }: TokenDoor): Promise<unknown> {
  const what = nameRequest(url, asking)
  const signal = AbortSignal.timeout(timeouts.totalMs)
  const answer = await request(url, { ...asking, dispatcher: agent, signal }).catch((error: unknown) => {
    throw toRequestError(error, what)
  })
  answer.body.on('error', () => undefined)
  try {
    if (answer.statusCode !== 200) throw toStatusError(answer.statusCode, answer.headers, what)
    return await readDocument(answer.body, answer.headers, { format: { kind: 'json' }, pageBytes: MAX_ANSWER_BYTES })
  } catch (error) {
    throw toBodyError(error, what)
  } finally {
    answer.body.destroy()
  }
}
