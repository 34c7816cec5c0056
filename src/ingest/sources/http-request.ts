import type { Agent, Dispatcher } from 'undici'
import { request } from 'undici'
import type { HttpSourceManifest } from '../../feeds/manifest-types.ts'
import { canonicalQuery } from '../../security/request-signature.ts'
import type { Authenticator } from './http-auth.ts'
import { acceptOf, type ExpectedBody, readDocument } from './http-body.ts'
import { isReset, toBodyError, toRequestError, toStatusError } from './http-errors.ts'
import type { HttpMessage } from './http-message.ts'
import type { HttpDocument } from './http-page.ts'
import { refuseFault } from './http-soap.ts'

/** The document of a page, or word that its page token is no longer known (410). */
export type HttpAnswer = ({ readonly kind: 'page' } & HttpDocument) | { readonly kind: 'expired' }

/** What all requests of one source share. */
export interface HttpDoor {
  readonly agent: Agent
  readonly authenticator: Authenticator
  /** Base URL and path of the manifest, without a query. */
  readonly url: URL
  readonly timeouts: HttpSourceManifest['timeouts']
  readonly expected: ExpectedBody
}

/**
 * Asks for one page within `totalMs`, body included; redirects are not followed. A proof of identity that ran out (401) is
 * renewed once. Throws AppError SOURCE_UNAVAILABLE (its `cause` may hold `retryAfterMs`), SOURCE_REFUSED, SOURCE_BODY_INVALID,
 * SOURCE_LIMIT_EXCEEDED or EGRESS_FORBIDDEN.
 */
export async function requestPage(door: HttpDoor, message: HttpMessage): Promise<HttpAnswer> {
  const signal = AbortSignal.timeout(door.timeouts.totalMs)
  // The query, and the path of a link, hold page tokens, so no message shows them.
  const what = `${message.method} ${door.url.host}${door.url.pathname}`
  const answer = await sendProven(door, message, signal).catch((error: unknown) => {
    throw toRequestError(error, what)
  })
  if (answer.statusCode === 200) return { kind: 'page', ...(await readPage(door, answer, what)) }
  if (answer.statusCode === 500 && door.expected.format.kind === 'xml') await refuseFaultIn(door, answer)
  await drain(answer, signal)
  if (answer.statusCode === 410) return { kind: 'expired' }
  throw toStatusError(answer.statusCode, answer.headers, what)
}

async function readPage(door: HttpDoor, answer: Dispatcher.ResponseData, what: string): Promise<HttpDocument> {
  try {
    const body = await readDocument(answer.body, answer.headers, door.expected)
    refuseFault(body)
    const { link, date } = answer.headers
    return { body, link: Array.isArray(link) ? link.join(', ') : link, date: String(date) }
  } catch (error) {
    throw toBodyError(error, what)
  } finally {
    answer.body.destroy()
  }
}

/** SOAP sends its Faults with status 500 (SOAP 1.1 §6.2). What is no readable Fault stays a broken server. */
async function refuseFaultIn(door: HttpDoor, answer: Dispatcher.ResponseData): Promise<void> {
  const expected: ExpectedBody = {
    format: { kind: 'xml' },
    pageBytes: Math.min(door.expected.pageBytes, MAX_FAULT_BYTES),
  }
  const body = await readDocument(answer.body, answer.headers, expected).catch(() => null)
  refuseFault(body)
}

const MAX_FAULT_BYTES = 65_536

async function drain(answer: Dispatcher.ResponseData, signal: AbortSignal): Promise<void> {
  if (!answer.body.destroyed) await answer.body.dump({ limit: 16_384, signal }).catch(() => undefined)
}

async function sendProven(door: HttpDoor, message: HttpMessage, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
  const answer = await send(door, message, signal)
  const { renew } = door.authenticator
  if (answer.statusCode !== 401 || renew === undefined) return answer
  await drain(answer, signal)
  renew()
  return send(door, message, signal)
}

/** A kept connection may have been closed meanwhile, so one reset before any byte is worth one more try. */
async function send(door: HttpDoor, message: HttpMessage, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
  try {
    return await sendOnce(door, message, signal)
  } catch (error) {
    if (isReset(error)) return sendOnce(door, message, signal)
    throw error
  }
}

async function sendOnce(door: HttpDoor, message: HttpMessage, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
  const { method, query, body } = message
  const proof = await door.authenticator.prove({ ...message, path: message.url.pathname })
  const proven = new Set(proof.query.map(([name]) => name))
  const url = new URL(message.url)
  url.search = canonicalQuery([...query.filter(([name]) => !proven.has(name)), ...proof.query])
  const { totalMs } = door.timeouts
  const answer = await request(url, {
    method,
    dispatcher: door.agent,
    signal,
    headersTimeout: totalMs,
    bodyTimeout: totalMs,
    headers: {
      accept: acceptOf(door.expected.format),
      'accept-encoding': 'gzip',
      ...message.headers,
      ...proof.headers,
    },
    ...(body === '' ? {} : { body }),
  })
  // Whoever reads the body meets its errors; destroying an unread one raises an event that would end the process.
  answer.body.on('error', () => undefined)
  return answer
}
