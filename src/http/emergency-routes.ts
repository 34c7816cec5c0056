import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { freezeRoutes } from './freeze-routes.ts'
import { incidentRoutes } from './incident-routes.ts'
import type { ManagementContext } from './management.ts'
import { revealRoutes } from './reveal-routes.ts'

/** What is seldom done and always looked at afterwards: clear values that people see, freezes, incidents. */
export const emergencyRoutes: FastifyPluginAsyncTypebox<ManagementContext> = async (server, context) => {
  for (const routes of [revealRoutes, freezeRoutes, incidentRoutes]) await server.register(routes, context)
}
