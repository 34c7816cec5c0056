import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { AuditEvent } from '../audit/events.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import { followTrail, type AuditTrail } from '../store/audit-trail.ts'
import type { ClientContext } from './clients.ts'

/** What is answered without an entry: what holds nothing of anybody and is asked for by machines all day. `/docs` is a page with its parts. */
export const UNAUDITED = ['/healthz', '/readyz', '/metrics', '/openapi.json', '/docs'] as const

const isUnaudited = (route: string): boolean =>
  UNAUDITED.some((one) => route === one || (one === '/docs' && route.startsWith('/docs/')))

interface Followed extends AuditTrail {
  /** Its entry could not be written, so that the answer says so and is not audited again. */
  failed: boolean
}

const DENIED: ReadonlySet<number> = new Set([401, 403, 429])

function outcomeOf(status: number): AuditEvent['outcome'] {
  if (DENIED.has(status)) return 'denied'
  return status < 400 ? 'ok' : 'failed'
}

type Params = Readonly<Record<string, unknown>>

/** What a request was about, as far as it is there: what does not exist may be anything that somebody typed. */
function aboutOf(route: string, params: Params): Pick<AuditEvent, 'feed' | 'dataset'> {
  const { code, dataset } = params
  const feed = route.startsWith('/api/v1/feeds/:code') && typeof code === 'string' ? { feed: code } : {}
  return { ...feed, ...(typeof dataset === 'string' ? { dataset } : {}) }
}

const numbersOf = (params: Params): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(params).filter((pair): pair is [string, number] => typeof pair[1] === 'number'))

function eventOf(request: FastifyRequest, { statusCode: status }: FastifyReply, trail: AuditTrail): AuditEvent {
  const route = request.routeOptions.url ?? ''
  const params = status < 300 ? ((request.params ?? {}) as Params) : {}
  return {
    type: 'api.answered',
    actor: trail.actor ?? 'unknown',
    outcome: outcomeOf(status),
    object: `${request.method} ${route}`,
    ...aboutOf(route, params),
    details: { status, ...numbersOf(params) },
  }
}

/**
 * No audit, no answer: a request that left no entry of its own in the audit log gets one before a byte of its answer goes out. When that
 * fails, the answer is AUDIT_UNAVAILABLE. Has to come before all other hooks.
 */
export function auditAnswers(server: FastifyInstance, { database, auditDeadlineMs }: ClientContext): void {
  const trails = new WeakMap<FastifyRequest, Followed>()
  server.addHook('onRequest', (request, _reply, done) => {
    const trail = { entries: 0, actor: null, failed: false }
    trails.set(request, trail)
    followTrail(trail, done)
  })
  // A body arrives by events of the socket, which know nothing of the request that they belong to.
  server.addHook('preValidation', (request, _reply, done) => {
    const trail = trails.get(request)
    if (trail === undefined) done()
    else followTrail(trail, done)
  })
  server.addHook('onSend', async (request, reply, payload) => {
    const trail = trails.get(request)
    const isNothing = request.is404 || isUnaudited(request.routeOptions.url ?? '')
    // What could not be written within the deadline is not tried for another one: a failure is answered within two seconds.
    if (trail === undefined || trail.entries > 0 || trail.failed || isNothing || reply.statusCode === 503)
      return payload
    trail.failed = true
    const event = eventOf(request, reply, trail)
    await auditBeforeAnswer(database, event.type, auditDeadlineMs, ({ audit }) => audit(event))
    trail.failed = false
    return payload
  })
}
