import { Type, type Static } from 'typebox'
import type { Action } from '../security/permissions.ts'
import { startEverything, stopEverything } from '../sharing/manage-subscription.ts'
import { findConsumer, type Consumer } from '../store/consumers.ts'
import { actorOf, admit } from './accounts.ts'
import { asPlugin, assertImpersonal, describeRoute, type Route } from './management.ts'
import { Reason } from './subscription-schemas.ts'

const ConsumerState = Type.Object(
  {
    consumer: Type.String({ description: 'Name of the consumer' }),
    stoppedAt: Type.Union([Type.Null(), Type.String()], {
      description: 'Since when nothing is sent to it or answered to it; null: it is served',
    }),
  },
  { title: 'ConsumerState' },
)

const ConsumerName = Type.Object({
  name: Type.String({ pattern: '^[a-z][a-z0-9-]{1,39}$', description: 'Name of the consumer' }),
})

const view = ({ name, stoppedAt }: Consumer): Static<typeof ConsumerState> => ({
  consumer: name,
  stoppedAt: stoppedAt?.toISOString() ?? null,
})

const switches: readonly (readonly [string, string, string, Action, typeof stopEverything])[] = [
  [
    'stop',
    'stopConsumer',
    '停止对使用方的全部服务 / Stop everything for a consumer: deliveries, tokens, pulls, within five seconds',
    'consumer.stop',
    stopEverything,
  ],
  ['start', 'startConsumer', '恢复对使用方的服务 / Serve a consumer again', 'consumer.start', startEverything],
]

const switchConsumer: Route = (server, context) => {
  const { database } = context
  for (const [path, operationId, summary, action, work] of switches) {
    const schema = { ...describeRoute(operationId, summary, ConsumerState), params: ConsumerName, body: Reason }
    server.post(`/api/v1/consumers/:name/${path}`, { schema }, async ({ headers, params, body }) => {
      assertImpersonal('reason', body.reason)
      const account = await admit(context, headers.authorization, action)
      const consumer = await findConsumer(database.query, params.name)
      const deed = { actor: actorOf(account), reason: body.reason }
      await database.transaction((transaction) => work(transaction, consumer, deed))
      return view(await findConsumer(database.query, params.name))
    })
  }
}

/** One switch for everything that a consumer gets. */
export const consumerSwitchRoutes = asPlugin([switchConsumer])
