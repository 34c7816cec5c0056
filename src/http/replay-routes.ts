import { Type } from 'typebox'
import { abandonReplay, previewReplay, requestReplay, requeue } from '../sharing/replay.ts'
import { findDeadLetter, listDeadLetters } from '../store/dead-letters.ts'
import { findReplay, listReplays } from '../store/replays.ts'
import { admitToSubscription } from './callers.ts'
import { asPlugin, assertImpersonal, describeRoute, type Route } from './management.ts'
import {
  DeadLetterView,
  RangeBody,
  readRange,
  Reason,
  ReplayCountsView,
  ReplayView,
  SubscriptionNumber,
  viewDeadLetter,
  viewReplay,
} from './subscription-schemas.ts'

const BASE = '/api/v1/subscriptions/:subscriptionId'
const bigNumber = (description: string) => Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description })

const LetterNumber = Type.Object({
  ...SubscriptionNumber.properties,
  deliveryId: bigNumber('Number of the delivery'),
})
const ReplayNumber = Type.Object({ ...SubscriptionNumber.properties, replayId: bigNumber('Number of the replay') })

const DEFAULT_LIMIT = 50

const listLetters: Route = (server, context) => {
  const { query } = context.database
  const schema = {
    ...describeRoute(
      'listDeadLetters',
      '死信列表 / Deliveries that the receiver refused for good, the newest first',
      Type.Object(
        {
          deadLetters: Type.Array(DeadLetterView, { description: 'Those that nobody has requeued' }),
          cursor: Type.Union([Type.Integer(), Type.Null()], {
            description: 'Give it back for older ones; null at the end',
          }),
        },
        { title: 'DeadLetterPage' },
      ),
    ),
    params: SubscriptionNumber,
    querystring: Type.Object({
      cursor: Type.Optional(bigNumber('From an earlier answer')),
      limit: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 200,
          default: DEFAULT_LIMIT,
          description: 'Dead letters in one page at most',
        }),
      ),
    }),
  }
  server.get(`${BASE}/dead-letters`, { schema }, async (request) => {
    const { params, query: asked } = request
    await admitToSubscription(context, request, 'subscription.read', params.subscriptionId)
    const limit = asked.limit ?? DEFAULT_LIMIT
    const found = await listDeadLetters(query, params.subscriptionId, asked.cursor ?? null, limit)
    return {
      deadLetters: found.map(viewDeadLetter),
      cursor: found.length < limit ? null : (found.at(-1)?.deliveryId ?? null),
    }
  })
}

const showLetter: Route = (server, context) => {
  const { query } = context.database
  const schema = {
    ...describeRoute('showDeadLetter', '查看死信 / One refused delivery; it shows no record', DeadLetterView),
    params: LetterNumber,
  }
  server.get(`${BASE}/dead-letters/:deliveryId`, { schema }, async (request) => {
    const { params } = request
    await admitToSubscription(context, request, 'subscription.read', params.subscriptionId)
    return viewDeadLetter(await findDeadLetter(query, params.subscriptionId, params.deliveryId))
  })
}

const requeueLetter: Route = (server, context) => {
  const { database } = context
  const schema = {
    ...describeRoute(
      'requeueDeadLetter',
      '重发死信 / Send what is left of a dead letter once more, as a replay',
      ReplayView,
    ),
    params: LetterNumber,
    body: Reason,
  }
  server.post(`${BASE}/dead-letters/:deliveryId/requeue`, { schema }, async (request) => {
    const { params, body } = request
    assertImpersonal('reason', body.reason)
    const { subscriptionId, deliveryId } = params
    const { caller, subscription } = await admitToSubscription(context, request, 'subscription.manage', subscriptionId)
    const letter = await findDeadLetter(database.query, subscriptionId, deliveryId)
    const deed = { actor: caller.actor, reason: body.reason }
    const replayId = await database.transaction((transaction) => requeue(transaction, subscription, letter, deed))
    return viewReplay(await findReplay(database.query, subscriptionId, replayId))
  })
}

const preview: Route = (server, context) => {
  const schema = {
    ...describeRoute(
      'previewReplay',
      '预览重放 / How many records a replay would send, and how many were acknowledged already; sends nothing',
      ReplayCountsView,
    ),
    params: SubscriptionNumber,
    body: RangeBody,
  }
  server.post(`${BASE}/replays/preview`, { schema }, async (request) => {
    const { params, body } = request
    const { subscription } = await admitToSubscription(context, request, 'subscription.manage', params.subscriptionId)
    return previewReplay(context.database.query, subscription, readRange(body))
  })
}

const replayRoute: Route = (server, context) => {
  const { database } = context
  const schema = {
    ...describeRoute(
      'requestReplay',
      '请求重放 / Send what changed in a range once more, in its newest version, beside the feed',
      ReplayView,
      'What changed again after the range is sent by the feed, or was. Preview it first.',
    ),
    params: SubscriptionNumber,
    body: Type.Object({ ...RangeBody.properties, ...Reason.properties }, { additionalProperties: false }),
  }
  server.post(`${BASE}/replays`, { schema }, async (request) => {
    const { params, body } = request
    assertImpersonal('reason', body.reason)
    const { subscriptionId } = params
    const { caller, subscription } = await admitToSubscription(context, request, 'subscription.manage', subscriptionId)
    const deed = { actor: caller.actor, reason: body.reason }
    const range = readRange(body)
    const replayId = await database.transaction((transaction) => requestReplay(transaction, subscription, range, deed))
    return viewReplay(await findReplay(database.query, subscriptionId, replayId))
  })
}

const watch: Route = (server, context) => {
  const { query } = context.database
  const listSchema = {
    ...describeRoute(
      'listReplays',
      '重放列表 / The newest hundred replays of a subscription',
      Type.Object({ replays: Type.Array(ReplayView, { description: 'The newest first' }) }, { title: 'ReplayList' }),
    ),
    params: SubscriptionNumber,
  }
  server.get(`${BASE}/replays`, { schema: listSchema }, async (request) => {
    const { params } = request
    await admitToSubscription(context, request, 'subscription.read', params.subscriptionId)
    return { replays: (await listReplays(query, params.subscriptionId)).map(viewReplay) }
  })
  const showSchema = {
    ...describeRoute('showReplay', '查看重放 / How far a replay is', ReplayView),
    params: ReplayNumber,
  }
  server.get(`${BASE}/replays/:replayId`, { schema: showSchema }, async (request) => {
    const { params } = request
    await admitToSubscription(context, request, 'subscription.read', params.subscriptionId)
    return viewReplay(await findReplay(query, params.subscriptionId, params.replayId))
  })
}

const cancel: Route = (server, context) => {
  const { database } = context
  const schema = {
    ...describeRoute('cancelReplay', '取消重放 / End a replay where it is', ReplayView),
    params: ReplayNumber,
    body: Reason,
  }
  server.post(`${BASE}/replays/:replayId/cancel`, { schema }, async (request) => {
    const { params, body } = request
    assertImpersonal('reason', body.reason)
    const { subscriptionId, replayId } = params
    const { caller, subscription } = await admitToSubscription(context, request, 'subscription.manage', subscriptionId)
    const deed = { actor: caller.actor, reason: body.reason }
    await database.transaction((transaction) => abandonReplay(transaction, subscription, replayId, deed))
    return viewReplay(await findReplay(database.query, subscriptionId, replayId))
  })
}

/** Dead letters and replays of a subscription. */
export const replayRoutes = asPlugin([listLetters, showLetter, requeueLetter, preview, replayRoute, watch, cancel])
