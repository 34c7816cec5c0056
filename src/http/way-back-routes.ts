import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { correctionAnswersRoutes } from './correction-answers-routes.ts'
import { correctionsRoutes } from './corrections-routes.ts'
import type { ManagementContext } from './management.ts'
import { noticesRoute } from './notices-route.ts'

/** The way back: what consumers tell departments, and what departments ask of consumers. */
export const wayBackRoutes: FastifyPluginAsyncTypebox<ManagementContext> = async (server, context) => {
  for (const routes of [correctionsRoutes, correctionAnswersRoutes, noticesRoute])
    await server.register(routes, context)
}
