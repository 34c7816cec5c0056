import { createHmac, hash, timingSafeEqual } from 'node:crypto'
import type { Request } from './serve.ts'

/** Half of the time a signature may be used in, by either clock. */
const WINDOW_MS = 5 * 60 * 1000

/** Keeps the nonces of the last two windows, so that none is used twice and none is kept for ever. */
interface NonceBook {
  readonly isFresh: (nonce: string, now: number) => boolean
}

function openNonceBook(): NonceBook {
  let older = new Set<string>()
  let newer = new Set<string>()
  let turnedAt = 0
  return {
    isFresh: (nonce, now) => {
      if (now - turnedAt > 2 * WINDOW_MS) {
        older = newer
        newer = new Set()
        turnedAt = now
      }
      if (nonce === '' || older.has(nonce) || newer.has(nonce)) return false
      newer.add(nonce)
      return true
    },
  }
}

function byteOrder(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right))
}

/** The pairs of the query as they were sent, percent-encoding untouched, in byte order. */
function sortQuery(query: string): string {
  return query
    .split('&')
    .filter((pair) => pair !== '')
    .toSorted(byteOrder)
    .join('&')
}

function header(request: Request, name: string): string {
  const value = request.headers[name]
  return typeof value === 'string' ? value : ''
}

/** The text a caller signs: METHOD, PATH, sorted query, hex SM3 of the body, app key, timestamp (ms) and nonce. */
function textToSign(request: Request): string {
  return [
    request.method,
    request.path,
    sortQuery(request.query),
    hash('sm3', request.body),
    header(request, 'x-app-key'),
    header(request, 'x-timestamp'),
    header(request, 'x-nonce'),
  ].join('\n')
}

/** The lower-case hex HMAC-SM3 that belongs to a request with its other headers. */
export function signatureOf(request: Request, appSecret: string): string {
  return createHmac('sm3', appSecret).update(textToSign(request)).digest('hex')
}

function equals(given: string, wanted: string): boolean {
  const left = Buffer.from(given)
  const right = Buffer.from(wanted)
  return left.length === right.length && timingSafeEqual(left, right)
}

/**
 * The door of a department system: returns why a request is refused, or null when it may pass. The signature is
 * hex HMAC-SM3, the timestamp within five minutes, the nonce never used before.
 */
export function openDoor(appKey: string, appSecret: string): (request: Request, now: number) => string | null {
  const nonces = openNonceBook()
  return (request, now) => {
    if (!equals(header(request, 'x-app-key'), appKey)) return 'app key'
    const timestamp = Number(header(request, 'x-timestamp'))
    if (!Number.isSafeInteger(timestamp) || Math.abs(now - timestamp) > WINDOW_MS) return 'timestamp'
    if (!equals(header(request, 'x-signature').toLowerCase(), signatureOf(request, appSecret))) return 'signature'
    return nonces.isFresh(header(request, 'x-nonce'), now) ? null : 'nonce'
  }
}
