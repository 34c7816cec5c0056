import { hash } from 'node:crypto'
import { TLSSocket } from 'node:tls'
import type { FastifyRequest } from 'fastify'

/**
 * `x5t#S256` of RFC 8705 §3.1: the SHA-256 of the DER form of the certificate that the client connected with, Base64url. Null over
 * a connection without one, or with one that has run out. Whoever signed it is of no account here, because what counts is that this
 * very certificate was registered, and TLS proves that the client holds its key.
 */
export function thumbprintOf({ raw }: Pick<FastifyRequest, 'raw'>): string | null {
  const certificate = raw.socket instanceof TLSSocket ? raw.socket.getPeerX509Certificate() : undefined
  if (certificate === undefined) return null
  const now = new Date()
  const isCurrent = certificate.validFromDate <= now && now <= certificate.validToDate
  return isCurrent ? hash('sha256', certificate.raw, 'buffer').toString('base64url') : null
}
