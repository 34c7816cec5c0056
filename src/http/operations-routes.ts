import { collectDefaultMetrics, Gauge, Registry } from '@prometheus-io/client'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type, type TSchema } from 'typebox'
import { alertKinds, countOpenAlerts } from '../store/alerts.ts'
import { listFreshness } from '../store/freshness.ts'
import { countDeadLetters } from '../store/dead-letters.ts'
import { countSubscriptions, subscriptionStates } from '../store/subscriptions.ts'
import { countRecords } from '../store/records.ts'
import type { Database } from '../store/database.ts'
import { problemAnswers } from './problem-schema.ts'

interface OperationsContext {
  readonly database: Database
}

const Health = Type.Object({ state: Type.Literal('ok') }, { title: 'Health' })
const Description = Type.Unknown({ description: 'OpenAPI 3.1' })

/** The description of a route that asks for no credentials and tells nothing of the data. */
const describeOperation = <Answer extends TSchema>(
  operationId: string,
  summary: string,
  mediaType: string,
  answer: Answer,
) => ({
  operationId,
  tags: ['operations'],
  summary,
  security: [],
  response: { 200: { description: summary, content: { [mediaType]: { schema: answer } } }, ...problemAnswers },
})

/** Counts only: a metric's labels are datasets and states, never a person, a record or a feed's rows. */
function createMetrics(database: Database): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const records = new Gauge({
    name: 'gridbridge_records',
    help: 'Living records by dataset',
    labelNames: ['dataset'],
    registers: [registry],
    collect: async () => {
      for (const [dataset, count] of Object.entries(await countRecords(database.query))) records.set({ dataset }, count)
    },
  })
  const alerts = new Gauge({
    name: 'gridbridge_alerts_open',
    help: 'Alerts that nobody has acknowledged, by kind',
    labelNames: ['kind'],
    registers: [registry],
    collect: async () => {
      const open = await countOpenAlerts(database.query)
      for (const kind of Object.keys(alertKinds)) alerts.set({ kind }, open[kind] ?? 0)
    },
  })
  const subscriptions = new Gauge({
    name: 'gridbridge_subscriptions',
    help: 'Push subscriptions by state',
    labelNames: ['state'],
    registers: [registry],
    collect: async () => {
      const counts = await countSubscriptions(database.query)
      for (const state of subscriptionStates) subscriptions.set({ state }, counts[state] ?? 0)
    },
  })
  const deadLetters = new Gauge({
    name: 'gridbridge_dead_letters',
    help: 'Deliveries that were refused for good and that nobody has requeued',
    registers: [registry],
    collect: async () => {
      deadLetters.set(await countDeadLetters(database.query))
    },
  })
  const stale = new Gauge({
    name: 'gridbridge_feeds_stale',
    help: 'Active feeds that did not succeed within the update cycle that the catalogue promises',
    registers: [registry],
    collect: async () => {
      const feeds = await listFreshness(database.query)
      stale.set(feeds.filter(({ isStale }) => isStale).length)
    },
  })
  return registry
}

/** /healthz: the process answers. /readyz: and so does the database. /metrics: Prometheus. /openapi.json: this API. */
export const operationsRoutes: FastifyPluginAsyncTypebox<OperationsContext> = async (server, { database }) => {
  const metrics = createMetrics(database)
  server.get(
    '/healthz',
    { schema: describeOperation('health', '进程存活 / The process answers', 'application/json', Health) },
    async () => ({ state: 'ok' as const }),
  )
  server.get(
    '/readyz',
    {
      schema: describeOperation(
        'readiness',
        '可以服务 / The process and its database answer',
        'application/json',
        Health,
      ),
    },
    async () => {
      await database.query('select 1')
      return { state: 'ok' as const }
    },
  )
  server.get(
    '/metrics',
    { schema: describeOperation('readMetrics', '运行指标 / Metrics for Prometheus', 'text/plain', Type.String()) },
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()),
  )
  server.get(
    '/openapi.json',
    { schema: describeOperation('describeApi', '接口说明 / This description', 'application/json', Description) },
    async () => server.swagger(),
  )
}
