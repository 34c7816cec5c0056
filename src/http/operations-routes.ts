import { collectDefaultMetrics, Gauge, Registry } from '@prometheus-io/client'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type, type TSchema } from 'typebox'
import { countScrubbed } from '../log.ts'
import { alertKinds, countOpenAlerts } from '../store/alerts.ts'
import { listFreshness } from '../store/freshness.ts'
import { readCheckAges, readCheckStates } from '../store/log-check.ts'
import { countDeadLetters } from '../store/dead-letters.ts'
import { countSubscriptions, subscriptionStates } from '../store/subscriptions.ts'
import { countRecords } from '../store/records.ts'
import type { Database, Query } from '../store/database.ts'
import { problemAnswers } from './problem-schema.ts'

interface OperationsContext {
  readonly database: Database
}

const Health = Type.Object({ state: Type.Literal('ok') }, { title: 'Health' })
const Readiness = Type.Object(
  {
    state: Type.Literal('ok'),
    unsignedSeconds: Type.Number({ description: 'Age of the oldest audit entry that no signed checkpoint covers' }),
    disclosures: Type.String({
      enum: ['open', 'stopped'],
      description: 'stopped: answers with data are AUDIT_UNSIGNED',
    }),
  },
  { title: 'Readiness' },
)
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

/** One number, or one for each value of the label: what the metric counts at the moment that it is asked for. */
interface Count {
  readonly name: string
  readonly help: string
  readonly label: string | null
  readonly count: (query: Query) => Promise<number | Readonly<Record<string, number>>>
}

/** Those that are not counted are none. */
const withNone = (
  names: readonly string[],
  counts: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> => Object.fromEntries(names.map((name) => [name, counts[name] ?? 0]))

const counts: readonly Count[] = [
  { name: 'gridbridge_records', help: 'Living records by dataset', label: 'dataset', count: countRecords },
  {
    name: 'gridbridge_alerts_open',
    help: 'Alerts that nobody has acknowledged, by kind',
    label: 'kind',
    count: async (query) => withNone(Object.keys(alertKinds), await countOpenAlerts(query)),
  },
  {
    name: 'gridbridge_subscriptions',
    help: 'Push subscriptions by state',
    label: 'state',
    count: async (query) => withNone(subscriptionStates, await countSubscriptions(query)),
  },
  {
    name: 'gridbridge_dead_letters',
    help: 'Deliveries that were refused for good and that nobody has requeued',
    label: null,
    count: countDeadLetters,
  },
  {
    name: 'gridbridge_feeds_stale',
    help: 'Active feeds that did not succeed within the update cycle that the catalogue promises',
    label: null,
    count: async (query) => (await listFreshness(query)).filter(({ isStale }) => isStale).length,
  },
  {
    name: 'gridbridge_audit_check_age_seconds',
    help: 'Seconds since the product last checked its audit log, new entries or all of it',
    label: 'scope',
    count: readCheckAges,
  },
  {
    name: 'gridbridge_audit_check_whole',
    help: '1 where the last check of the audit log found it whole, 0 where it did not',
    label: 'scope',
    count: readCheckStates,
  },
  {
    name: 'gridbridge_log_scrubbed_lines',
    help: 'Log lines of this process that looked personal and were blotted out; any is a fault of the program',
    label: null,
    count: () => Promise.resolve(countScrubbed()),
  },
]

/** Counts only: a metric's labels are datasets and states, never a person, a record or a feed's rows. */
function createMetrics({ query, signing }: Database): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const unsigned: Gauge = new Gauge({
    name: 'gridbridge_audit_unsigned_seconds',
    help: 'Age of the oldest audit entry that no signed checkpoint covers',
    registers: [registry],
    collect: async () => unsigned.set((await signing()).unsignedSeconds),
  })
  for (const { name, help, label, count } of counts) {
    const gauge: Gauge<string> = new Gauge({
      name,
      help,
      labelNames: label === null ? [] : [label],
      registers: [registry],
      collect: async () => {
        const counted = await count(query)
        if (typeof counted === 'number') {
          gauge.set(counted)
          return
        }
        for (const [value, number] of Object.entries(counted)) gauge.set({ [label ?? '']: value }, number)
      },
    })
  }
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
        Readiness,
      ),
    },
    async () => {
      await database.query('select 1')
      const { unsignedSeconds, isBehind } = await database.signing()
      return { state: 'ok' as const, unsignedSeconds, disclosures: isBehind ? 'stopped' : 'open' }
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
