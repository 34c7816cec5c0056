import compress, { type FastifyCompressOptions } from '@fastify/compress'
import helmet from '@fastify/helmet'
import swagger, { type FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import { fastify, type FastifyInstance } from 'fastify'
import { AppError } from '../errors.ts'
import type { Log } from '../log.ts'
import { accountRoute } from './account-route.ts'
import { accountsRoutes } from './accounts-routes.ts'
import { applicationsRoutes } from './applications-routes.ts'
import { auditProofRoute } from './audit-proof-route.ts'
import { auditRoutes } from './audit-routes.ts'
import { auditSearchRoutes } from './audit-search-routes.ts'
import { batchesRoute } from './batches-route.ts'
import { cityIdentityRoutes } from './city-identity-routes.ts'
import { changesRoute } from './changes-route.ts'
import { catalogueRoutes } from './catalogue-routes.ts'
import { datasetsRoutes } from './datasets-routes.ts'
import { docsPage } from './docs-page.ts'
import { emergencyRoutes } from './emergency-routes.ts'
import { exportsRoutes } from './exports-routes.ts'
import { feedVersionsRoutes } from './feed-versions-routes.ts'
import { feedsLifeRoutes } from './feeds-life-routes.ts'
import { feedsRoutes } from './feeds-routes.ts'
import { groundRoutes } from './ground-routes.ts'
import { auditAnswers } from './answer-audit.ts'
import { alertRoutes } from './alert-routes.ts'
import { consumerRoutes } from './consumer-routes.ts'
import { consumerSwitchRoutes } from './consumer-switch-routes.ts'
import { takeJson } from './json-body.ts'
import { resubmissionRoutes } from './resubmission-routes.ts'
import type { ManagementContext } from './management.ts'
import { operationsRoutes } from './operations-routes.ts'
import { oversightRoutes } from './oversight-routes.ts'
import { personsRoutes } from './persons-routes.ts'
import { progressRoute } from './progress-route.ts'
import { reconciliationRoute } from './reconciliation-route.ts'
import { recordRoutes } from './record-routes.ts'
import { replayRoutes } from './replay-routes.ts'
import { rejectionRoutes } from './rejection-routes.ts'
import { runRoutes } from './run-routes.ts'
import { guardRoutes } from './route-guard.ts'
import { schemaRoutes } from './schema-routes.ts'
import { takeSessionCookie } from './session-cookie.ts'
import { sessionRoutes } from './session-routes.ts'
import { problemSchema } from './problem-schema.ts'
import { answerBrokenRequest, answerProblem } from './problems.ts'
import { sharingListRoute } from './sharing-list-route.ts'
import { subscriptionRoutes } from './subscription-routes.ts'
import { tokenRoute } from './token-route.ts'
import { usageRoutes } from './usage-routes.ts'
import { wayBackRoutes } from './way-back-routes.ts'

/** What the server ends TLS with itself, in PEM. */
export interface ServerTls {
  readonly certificate: Buffer
  readonly key: Buffer
  /** The authority that every client's certificate has to be from; null: one is asked for, and any or none will do. */
  readonly clientAuthority: Buffer | null
}

export interface ServerContext extends ManagementContext {
  readonly version: string
  readonly logger: Log
  /** Null where something in front ends TLS; then no token is bound to a certificate. */
  readonly tls: ServerTls | null
  /** Addresses and ranges of what stands in front; it is believed where a request came from. */
  readonly trustedProxies: readonly string[]
}

/** A certificate that no authority stands for still proves that its holder has the key, and that is all a binding needs. */
const tlsOptions = ({ certificate: cert, key, clientAuthority }: ServerTls) => ({
  cert,
  key,
  requestCert: true,
  rejectUnauthorized: clientAuthority !== null,
  ...(clientAuthority === null ? {} : { ca: clientAuthority }),
})

/** Shared schemas keep their own name in the description; the library would number them. */
const nameSchema = ({ $id }: { readonly $id?: unknown }): string => (typeof $id === 'string' ? $id : 'Unnamed')

/** What /openapi.json says of the API as a whole. */
const describe = (version: string): NonNullable<FastifyDynamicSwaggerOptions['openapi']> => ({
  openapi: '3.1.0',
  info: {
    title: 'GridBridge 网格数据桥',
    version,
    description:
      '部门基础数据向网格服务管理平台的共享接口 / How the grid service-management platform receives base data. Guide: docs/api-guide.md',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  servers: [{ url: '/' }],
  tags: [
    { name: 'sharing', description: '共享 / Receiving data under an agreement' },
    { name: 'posting', description: '报送 / Departments post batches of rows to their feeds' },
    { name: 'management', description: '管理 / Registering, reviewing and watching feeds, by account and role' },
    { name: 'operations', description: '运行 / Watching the service' },
  ],
  components: {
    securitySchemes: {
      token: {
        type: 'http',
        scheme: 'bearer',
        description:
          '来自 /oauth/token；账号来自 /api/v1/session / From /oauth/token; of an account from /api/v1/session',
      },
      signature: {
        type: 'apiKey',
        in: 'header',
        name: 'X-Signature',
        description:
          'With X-App-Key (of a consumer: its name), X-Timestamp (ms) and X-Nonce: hex HMAC over METHOD, PATH, sorted query, hex digest of the body, app key, timestamp and nonce, joined by line feeds',
      },
      client: {
        type: 'http',
        scheme: 'basic',
        description: '使用方的名称与密钥 / Name and secret of a consumer',
      },
    },
  },
})

/** What consumers pull, and what accounts, and for the catalogue consumers too, use to manage what is shared, in the order of the description. */
const contextRoutes = [
  changesRoute,
  recordRoutes,
  reconciliationRoute,
  exportsRoutes,
  sessionRoutes,
  cityIdentityRoutes,
  accountRoute,
  accountsRoutes,
  feedsRoutes,
  feedVersionsRoutes,
  feedsLifeRoutes,
  catalogueRoutes,
  datasetsRoutes,
  applicationsRoutes,
  schemaRoutes,
  groundRoutes,
  personsRoutes,
  runRoutes,
  progressRoute,
  rejectionRoutes,
  resubmissionRoutes,
  alertRoutes,
  oversightRoutes,
  auditRoutes,
  consumerRoutes,
  consumerSwitchRoutes,
  subscriptionRoutes,
  replayRoutes,
  usageRoutes,
  sharingListRoute,
  wayBackRoutes,
  emergencyRoutes,
  auditProofRoute,
  auditSearchRoutes,
] as const

/** JSON alone, from one kilobyte on: server-sent events must not wait in a buffer. Compressed bodies are not taken, so none can burst. */
const compression = {
  threshold: 1024,
  encodings: ['gzip', 'identity'],
  customTypes: /^application\/(?:[\w.-]+\+)?json\b/,
  globalDecompression: false,
} satisfies FastifyCompressOptions

/**
 * How long and how much the door listens before it knows who speaks. Node refuses headers beyond 16 KB by itself. The longest name in
 * an address is an export's, 64 characters; a certificate's serial number is shorter. A connection on which nobody says anything, as of
 * one who does not read, is closed after eleven minutes: a preview of a slow source may take ten.
 */
const patience = {
  requestTimeout: 30_000,
  connectionTimeout: 660_000,
  routerOptions: { maxParamLength: 200 },
} as const

/** Node looks once in 30 seconds whether somebody is slow; a flood of half requests would live that long. */
const headPatience = { headersTimeout: 10_000, connectionsCheckingInterval: 1000, maxHeaderSize: 16_384 } as const

/** `removeAdditional` is off because Fastify's default drops what it does not know in silence. */
const openServer = ({ tls, logger, trustedProxies }: ServerContext): FastifyInstance =>
  fastify({
    ...(tls === null ? { http: headPatience } : { https: { ...tlsOptions(tls), ...headPatience } }),
    loggerInstance: logger.forLibrary,
    bodyLimit: 1_048_576,
    ...patience,
    trustProxy: trustedProxies.length === 0 ? false : [...trustedProxies],
    // Fastify's own answer to an address that it cannot read repeats the address.
    frameworkErrors: (error, request, reply) => void answerProblem(error, request, reply),
    clientErrorHandler: answerBrokenRequest,
    ajv: { customOptions: { removeAdditional: false, coerceTypes: true, allErrors: false } },
  })

/** The door: every route of the product, errors as RFC 9457 problems, the description at /openapi.json and as a page at /docs. */
export async function buildServer(context: ServerContext): Promise<FastifyInstance> {
  const server = openServer(context)
  takeJson(server)
  server.setErrorHandler(answerProblem)
  server.setNotFoundHandler(async () => {
    throw new AppError('ROUTE_UNKNOWN')
  })
  auditAnswers(server, context)
  // No database keeps it and nothing is called so.
  server.addHook('onRequest', async ({ url }) => {
    if (url.includes('%00')) throw new AppError('REQUEST_INVALID', 'address: holds NUL')
  })
  await server.register(helmet)
  await server.register(compress, compression)
  takeSessionCookie(server, context.publicUrl)
  guardRoutes(server, context)
  server.addSchema(problemSchema)
  await server.register(swagger, {
    refResolver: { buildLocalReference: nameSchema },
    openapi: describe(context.version),
  })
  await server.register(docsPage)
  await server.register(tokenRoute, context)
  for (const routes of contextRoutes) await server.register(routes, context)
  await server.register(batchesRoute, context)
  await server.register(operationsRoutes, context)
  return server
}
