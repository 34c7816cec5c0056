import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { AppError } from '../errors.ts'
import type { CityIdentity, SignInSecrets } from '../security/city-identity.ts'
import { open, seal } from '../security/seal.ts'
import { personOf } from '../security/staff-number.ts'
import { findAccountOfPerson } from '../store/accounts.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import { noteSignIn } from '../store/sign-in.ts'
import { asPlugin, type ManagementContext, type Route } from './management.ts'
import { cookieIn, setSessionCookie } from './session-cookie.ts'
import { openSession, refusingEntry, type OpenedSession } from './sign-in.ts'

/** The way to the service and back may take so long. */
const SECONDS = 600
const COOKIE = '__Host-gridbridge-oidc'
const BOUND = 'city-identity'

/** Lax, because the service sends the browser back from another site. */
const setSecrets = (reply: FastifyReply, value: string, seconds: number): void =>
  void reply.header('set-cookie', `${COOKIE}=${value}; Max-Age=${seconds}; Path=/; Secure; HttpOnly; SameSite=Lax`)

interface Kept extends SignInSecrets {
  /** Milliseconds since the epoch. */
  readonly until: number
}

const refused = (why: string): AppError => new AppError('IDENTITY_REFUSED', '', { cause: { refused: why } })

/** What this browser was sent away with. Throws IDENTITY_REFUSED where it was not, or too long ago. */
function readSecrets({ keys }: ManagementContext, request: FastifyRequest): SignInSecrets {
  const value = cookieIn(request, COOKIE)
  if (value === undefined) throw refused('another-browser')
  try {
    const kept = JSON.parse(open(keys.sealKey, BOUND, Buffer.from(value, 'base64url'))) as Kept
    if (kept.until > Date.now()) return kept
  } catch (error) {
    throw new AppError('IDENTITY_REFUSED', '', { cause: error })
  }
  throw refused('too-late')
}

function serviceOf({ cityIdentity }: ManagementContext): CityIdentity {
  if (cityIdentity === null) throw new AppError('IDENTITY_UNSET')
  return cityIdentity
}

/** The session of the account of a person whom the service has recognised; nobody gets an account by it. */
async function openFor(context: ManagementContext, staffNumber: string): Promise<OpenedSession['token']> {
  const { database, keys, auditDeadlineMs } = context
  const account = await findAccountOfPerson(database.query, personOf(keys, staffNumber))
  if (account === null) throw refused('unknown')
  return auditBeforeAnswer(database, 'session', auditDeadlineMs, async (transaction) => {
    await noteSignIn(transaction.query, account.accountId)
    const { token } = await openSession(context, transaction, account.accountId)
    const details = { by: 'city-identity' }
    await transaction.audit({ type: 'session.opened', actor: `account:${account.name}`, outcome: 'ok', details })
    return token
  })
}

/** A browser that is redirected from another site leaves a strict cookie at home; one that goes on from a page of ours does not. */
const ONWARD = '<!doctype html><meta http-equiv="refresh" content="0;url=/"><title>GridBridge</title>'

/** For browsers alone: they answer with the next address, which no description of an API has a word for. */
const hidden = { hide: true } as const

const beginRoute: Route = (server, context) => {
  server.get('/api/v1/session/oidc', { schema: hidden }, async (_request, reply) => {
    const { url, secrets } = await serviceOf(context).begin()
    const kept: Kept = { ...secrets, until: Date.now() + SECONDS * 1000 }
    const sealed = seal(context.keys.sealing, BOUND, JSON.stringify(kept)).toString('base64url')
    setSecrets(reply, sealed, SECONDS)
    return reply.header('cache-control', 'no-store').redirect(url.href, 302)
  })
}

const Answer = Type.Object({
  code: Type.Optional(Type.String({ maxLength: 4000, description: 'Of the service' })),
  state: Type.Optional(Type.String({ maxLength: 4000, description: 'Of the service' })),
})

const finishRoute: Route = (server, context) => {
  const schema = { ...hidden, querystring: Answer }
  server.get('/api/v1/session/oidc/callback', { schema }, async (request, reply) => {
    const service = serviceOf(context)
    const token = await refusingEntry(context, '', async () => {
      const answer = new URL(request.url, context.publicUrl ?? 'http://localhost')
      return openFor(context, await service.finish(answer, readSecrets(context, request)))
    })
    setSecrets(reply, '', 0)
    setSessionCookie(reply, token, context.signIn.sessionSeconds)
    return reply.header('cache-control', 'no-store').type('text/html; charset=utf-8').send(ONWARD)
  })
}

/** Signing in by the city's identity service, for browsers. */
export const cityIdentityRoutes = asPlugin([beginRoute, finishRoute])
