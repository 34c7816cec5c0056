import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify'
import { AppError } from '../errors.ts'
import { isPermitted } from '../security/permissions.ts'
import { assertPermitted, recogniseAccount } from './accounts.ts'
import type { ClientContext } from './clients.ts'
import { routeAccess, type RouteAccess } from './route-access.ts'
import { findAccount } from './viewer.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who reaches the route, where the table of routes does not say so. */
    readonly access?: RouteAccess
  }
}

/** The page of the description with its scripts and pictures, all of which a library adds. */
const isDocs = (url: string): boolean => url === '/docs' || url.startsWith('/docs/')

/** What is looked up for HEAD is what GET has. */
const keyOf = (method: string, url: string): string => `${method === 'HEAD' ? 'GET' : method} ${url}`

/** Throws INTERNAL for a route of which nobody said who reaches it. */
function accessOf({ method, url, config }: RouteOptions): RouteAccess {
  const [first = ''] = [method].flat()
  const access = config?.access ?? (isDocs(url) ? 'open' : routeAccess[keyOf(first, url)])
  if (access === undefined) throw new AppError('INTERNAL', `nobody says who reaches ${first} ${url}`)
  return access
}

async function admitToRoute(context: ClientContext, request: FastifyRequest, access: RouteAccess): Promise<void> {
  if (typeof access === 'string') return
  const { authorization, 'x-signature': signature } = request.headers
  if (authorization === undefined && signature === undefined) throw new AppError('TOKEN_INVALID')
  const account = access.both ? await findAccount(context, request) : await recogniseAccount(context, authorization)
  const { actions } = access
  if (account === null || actions === 'any') return
  const own = { department: account.department, consumer: account.consumer }
  const [first] = actions
  if (first === undefined || actions.some((action) => isPermitted(account, action, own))) return
  await assertPermitted(context, account, first, own)
}

/**
 * Turns away whoever may do nothing of what a route does, before a byte of the body is read; the route itself then asks whose the
 * thing is. Throws TOKEN_INVALID, FORBIDDEN, AUDIT_UNAVAILABLE.
 */
export function guardRoutes(server: FastifyInstance, context: ClientContext): void {
  server.addHook('onRoute', (route) => {
    route.config = { ...route.config, access: accessOf(route) }
  })
  server.addHook('onRequest', async (request) => {
    const { access } = request.routeOptions.config
    if (access !== undefined) await admitToRoute(context, request, access)
  })
}
