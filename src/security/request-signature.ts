import { createHmac, hash as digest, timingSafeEqual } from 'node:crypto'

/** SM3 is the rule; SHA-256 is for departments whose software has no SM3. */
export type SignatureHash = 'sm3' | 'sha256'

/** What is signed of one request. */
export interface SignableRequest {
  readonly method: string
  /** Path as it goes over the wire, without the query. */
  readonly path: string
  /** Names and values before percent-encoding, in any order. */
  readonly query: Iterable<readonly [string, string]>
  /** The raw bytes of the body: a re-serialised body has another signature. */
  readonly body: string | Uint8Array
  readonly appKey: string
  readonly secret: string
  /** Milliseconds since 1970. */
  readonly timestamp: number
  readonly nonce: string
}

export interface SignatureHeaders {
  readonly 'X-App-Key': string
  readonly 'X-Timestamp': string
  readonly 'X-Nonce': string
  readonly 'X-Signature': string
}

// Department clocks without NTP are minutes off; public practice is 5 to 10 minutes.
const WINDOW_MS = 5 * 60 * 1000

/**
 * The headers that prove who sent a request: X-Signature is the lower-case hex HMAC over METHOD, PATH, canonical query,
 * hex digest of the body, app key, timestamp and nonce, joined by line feeds.
 */
export function signRequest(request: SignableRequest, hash: SignatureHash = 'sm3'): SignatureHeaders {
  return {
    'X-App-Key': request.appKey,
    'X-Timestamp': String(request.timestamp),
    'X-Nonce': request.nonce,
    'X-Signature': computeSignature(request, hash).toString('hex'),
  }
}

/**
 * True when `signature` (hex) belongs to the request and its timestamp is within five minutes of `now`. Takes the same time
 * for every wrong signature. That a nonce is used once is for the caller to keep.
 */
export function verifyRequest(
  request: SignableRequest,
  signature: string,
  now: Date,
  hash: SignatureHash = 'sm3',
): boolean {
  const expected = computeSignature(request, hash)
  // A wrong length is not secret, and timingSafeEqual wants equal lengths.
  const given = /^[\da-f]{64}$/i.test(signature) ? Buffer.from(signature, 'hex') : Buffer.alloc(expected.length)
  return timingSafeEqual(given, expected) && Math.abs(now.getTime() - request.timestamp) <= WINDOW_MS
}

/**
 * The one spelling of a query that both sides sign: RFC 3986 percent-encoding of UTF-8, pairs sorted by encoded name and
 * then encoded value in byte order, joined by &. It is also a valid query to send.
 */
export function canonicalQuery(query: Iterable<readonly [string, string]>): string {
  return [...query]
    .map(([name, value]) => [percentEncode(name), percentEncode(value)] as const)
    .toSorted((left, right) => byteOrder(left[0], right[0]) || byteOrder(left[1], right[1]))
    .map((pair) => pair.join('='))
    .join('&')
}

function computeSignature(request: SignableRequest, hash: SignatureHash): Buffer {
  const text = [
    request.method.toUpperCase(),
    request.path,
    canonicalQuery(request.query),
    digest(hash, request.body),
    request.appKey,
    request.timestamp,
    request.nonce,
  ].join('\n')
  return createHmac(hash, request.secret).update(text).digest()
}

// encodeURIComponent leaves !'()* alone, which RFC 3986 reserves; other languages' libraries encode them.
function percentEncode(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replaceAll(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function byteOrder(left: string, right: string): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}
