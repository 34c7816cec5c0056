import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { AppError } from '../errors.ts'
import type { SignableRequest } from '../security/request-signature.ts'
import { bytesOf } from './request-bytes.ts'

/** As verifyRequest has it. */
const CLOCK_MS = 5 * 60_000

/** The headers that sign a request. */
export const SignatureHeaders = Type.Object({
  'x-app-key': Type.String({ maxLength: 200, description: "The department's app key" }),
  'x-timestamp': Type.String({ pattern: '^\\d{13}$', description: 'Milliseconds since 1970' }),
  'x-nonce': Type.String({ minLength: 8, maxLength: 64, description: 'Never the same again' }),
  'x-signature': Type.String({ pattern: '^[0-9A-Fa-f]{64}$', description: 'As the security scheme says' }),
})

/** A request and what its sender says of it, before anything was checked. */
export interface SignedRequest extends Omit<SignableRequest, 'secret'> {
  readonly signature: string
}

const headerOf = (request: FastifyRequest, name: string): string => String(request.headers[name] ?? '')

/** What is signed is text: another spelling of the same number would be another signature. */
const TIMESTAMP = /^\d{13}$/
const NONCE = /^[ -~]{8,64}$/

/** A request with the headers that sign it. Throws SIGNATURE_INVALID where they are not of their shape. */
export function readSignedRequest(request: FastifyRequest): SignedRequest {
  const url = request.raw.url ?? ''
  const end = url.includes('?') ? url.indexOf('?') : url.length
  const [timestamp, nonce] = [headerOf(request, 'x-timestamp'), headerOf(request, 'x-nonce')]
  if (!TIMESTAMP.test(timestamp) || !NONCE.test(nonce))
    throw new AppError('SIGNATURE_INVALID', 'wanted X-Timestamp of 13 digits and X-Nonce of 8 to 64 ASCII characters')
  return {
    method: request.method,
    path: url.slice(0, end),
    query: new URLSearchParams(url.slice(end)),
    body: bytesOf(request),
    appKey: headerOf(request, 'x-app-key'),
    timestamp: Number(timestamp),
    nonce,
    signature: headerOf(request, 'x-signature'),
  }
}

/** The moment that a request was signed for. Whether that is now is asked later, by assertClock. */
export const signedAt = ({ timestamp }: SignedRequest): Date => new Date(timestamp)

/**
 * Throws CLOCK_SKEWED where a request was not signed within five minutes of now. It is asked after the signature, so that only who
 * holds the secret learns that a clock is wrong.
 */
export function assertClock({ timestamp }: SignedRequest): void {
  const skewMs = timestamp - Date.now()
  if (Math.abs(skewMs) > CLOCK_MS)
    throw new AppError('CLOCK_SKEWED', `by ${Math.round(skewMs / 1000)} s; set the clock right`)
}
