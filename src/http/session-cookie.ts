import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../errors.ts'

/** The prefix binds it to this host over TLS, whatever a neighbouring host sets (RFC 6265bis §4.1.3.2). */
const COOKIE = '__Host-gridbridge'
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Strict'

/** Methods that change nothing (RFC 9110 §9.2.1). */
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Gives the browser the session, where no script can read it. */
export function setSessionCookie(reply: FastifyReply, token: string, seconds: number): void {
  void reply.header('set-cookie', `${COOKIE}=${token}; Max-Age=${seconds}; ${ATTRIBUTES}`)
}

export function clearSessionCookie(reply: FastifyReply): void {
  void reply.header('set-cookie', `${COOKIE}=; Max-Age=0; ${ATTRIBUTES}`)
}

/** The value of a cookie; undefined where there is none of this name. */
export const cookieIn = ({ headers }: FastifyRequest, name: string): string | undefined =>
  (headers.cookie ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .find((pair) => pair.startsWith(`${name}=`))
    ?.slice(name.length + 1)

/** Whether a page of this installation sent the request. One without an origin was sent by no page that scripts or forms run on. */
function isFromHere({ headers, host, protocol }: FastifyRequest, publicUrl: string | null): boolean {
  const here = publicUrl === null ? `${protocol}://${host}` : new URL(publicUrl).origin
  return headers.origin === here
}

/**
 * Lets a browser use its session: the cookie counts as a bearer token where there is none, and what changes something has to
 * come from a page of this installation. Throws ORIGIN_FOREIGN.
 */
export function takeSessionCookie(server: FastifyInstance, publicUrl: string | null): void {
  server.addHook('onRequest', async (request) => {
    if (request.headers.authorization !== undefined) return
    const token = cookieIn(request, COOKIE)
    if (token === undefined) return
    if (!SAFE.has(request.method) && !isFromHere(request, publicUrl)) throw new AppError('ORIGIN_FOREIGN')
    request.headers.authorization = `Bearer ${token}`
  })
}
