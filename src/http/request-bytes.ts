import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AppError } from '../errors.ts'

/** The bodies of signed requests as they came; they go with their requests. */
const bodies = new WeakMap<object, Buffer>()

/** JSON is parsed as Fastify parses it, and the bytes of a signed request are kept: a body written anew has another signature. */
export function keepSignedBodies(server: FastifyInstance): void {
  const parse = server.getDefaultJsonParser('error', 'error')
  server.removeContentTypeParser('application/json')
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if (request.headers['x-signature'] !== undefined) bodies.set(request, body as Buffer)
    void parse(request, body.toString('utf8'), done)
  })
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
