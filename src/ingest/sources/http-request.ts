import type { Agent, Dispatcher } from 'undici'
import { request } from 'undici'
import type { HttpSourceManifest } from '../../feeds/manifest-types.ts'
import { canonicalQuery } from '../../security/request-signature.ts'
import type { Authenticate, QueryPairs } from './http-auth.ts'
import { readJsonBody } from './http-body.ts'
import { isReset, toBodyError, toRequestError, toStatusError } from './http-errors.ts'

/** The JSON of a page, or word that its page token is no longer known (410). */
export type HttpAnswer = { readonly kind: 'page'; readonly body: unknown } | { readonly kind: 'expired' }

/** What all requests of one source share. */
export interface HttpDoor {
  readonly agent: Agent
  readonly authenticate: Authenticate
  /** Base URL and path of the manifest, without a query. */
  readonly url: URL
  readonly timeouts: HttpSourceManifest['timeouts']
  readonly pageBytes: number
}

/**
 * Asks for one page within `totalMs`, body included; redirects are not followed. Throws AppError SOURCE_UNAVAILABLE (its
 * `cause` may hold `retryAfterMs`), SOURCE_REFUSED, SOURCE_BODY_INVALID, SOURCE_LIMIT_EXCEEDED or EGRESS_FORBIDDEN.
 */
export async function requestPage(door: HttpDoor, query: QueryPairs): Promise<HttpAnswer> {
  const signal = AbortSignal.timeout(door.timeouts.totalMs)
  // The query holds page tokens, so no message shows it.
  const what = `GET ${door.url.host}${door.url.pathname}`
  const answer = await send(door, query, signal).catch((error: unknown) => {
    throw toRequestError(error, what)
  })
  // Whoever reads the body meets its errors; destroying an unread one raises an event that would end the process.
  answer.body.on('error', () => undefined)
  if (answer.statusCode === 200) return { kind: 'page', body: await readBody(door, answer, what) }
  await answer.body.dump({ limit: 16_384, signal }).catch(() => undefined)
  if (answer.statusCode === 410) return { kind: 'expired' }
  throw toStatusError(answer.statusCode, answer.headers, what)
}

async function readBody(door: HttpDoor, answer: Dispatcher.ResponseData, what: string): Promise<unknown> {
  try {
    return await readJsonBody(answer.body, answer.headers, door.pageBytes)
  } catch (error) {
    throw toBodyError(error, what)
  } finally {
    answer.body.destroy()
  }
}

/** A kept connection may have been closed meanwhile, so one reset before any byte is worth one more try. */
async function send(door: HttpDoor, query: QueryPairs, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
  try {
    return await sendOnce(door, query, signal)
  } catch (error) {
    if (isReset(error)) return sendOnce(door, query, signal)
    throw error
  }
}

function sendOnce(door: HttpDoor, query: QueryPairs, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
  const url = new URL(door.url)
  url.search = canonicalQuery(query)
  const { totalMs } = door.timeouts
  return request(url, {
    method: 'GET',
    dispatcher: door.agent,
    signal,
    headersTimeout: totalMs,
    bodyTimeout: totalMs,
    headers: {
      accept: 'application/json',
      'accept-encoding': 'gzip',
      ...door.authenticate(url.pathname, query),
    },
  })
}
