import type { FastifyRequest } from 'fastify'
import { AppError } from '../errors.ts'

/** The bodies of signed requests as they came; they go with their requests. */
const bodies = new WeakMap<object, Buffer>()

/** Keeps the bytes of a signed request: a body that is written anew has another signature. */
export function keepSignedBytes(request: FastifyRequest, bytes: Buffer): void {
  if (request.headers['x-signature'] !== undefined) bodies.set(request, bytes)
}

/**
 * The body of a signed request as it came; empty where there is none. Throws SIGNATURE_INVALID where its bytes were not kept: what
 * the signature cannot be about is not taken.
 */
export function bytesOf(request: Pick<FastifyRequest, 'body'>): Buffer {
  const { body } = request
  if (body === undefined || body === null) return bodies.get(request) ?? Buffer.alloc(0)
  const bytes = Buffer.isBuffer(body) ? body : bodies.get(request)
  if (bytes === undefined) throw new AppError('SIGNATURE_INVALID', 'sign a body of application/json')
  return bytes
}
