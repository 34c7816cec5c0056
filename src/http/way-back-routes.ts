import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { correctionAnswersRoutes } from './correction-answers-routes.ts'
import { correctionsRoutes } from './corrections-routes.ts'
import type { ManagementContext } from './management.ts'
import { noticesRoute } from './notices-route.ts'
import { recallNoticesRoutes } from './recall-notices-routes.ts'
import { recallRoutes } from './recall-routes.ts'
import { verificationRoutes } from './verification-routes.ts'
import { verificationTargetRoutes } from './verification-target-routes.ts'

const parts = [
  correctionsRoutes,
  correctionAnswersRoutes,
  verificationRoutes,
  verificationTargetRoutes,
  recallRoutes,
  recallNoticesRoutes,
  noticesRoute,
]

/** The way back: what consumers tell departments, and what departments ask of consumers. */
export const wayBackRoutes: FastifyPluginAsyncTypebox<ManagementContext> = async (server, context) => {
  for (const routes of parts) await server.register(routes, context)
}
