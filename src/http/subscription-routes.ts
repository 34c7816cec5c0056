import { Type } from 'typebox'
import { AppError } from '../errors.ts'
import type { EgressGuard } from '../security/egress.ts'
import type { Action } from '../security/permissions.ts'
import { createWebhookKey, type SignatureKind } from '../security/webhook-signature.ts'
import { rotateSecret, steerSubscription, type Steering } from '../sharing/manage-subscription.ts'
import { subscribe } from '../sharing/subscribe.ts'
import { findAgreement } from '../store/agreements.ts'
import { findConsumer } from '../store/consumers.ts'
import { findLastPlace } from '../store/delivery-totals.ts'
import { findSubscription, listSecrets, listSubscriptions } from '../store/subscriptions.ts'
import { admitCaller, admitToSubscription, type Caller } from './callers.ts'
import { asPlugin, assertImpersonal, describeRoute, type Route } from './management.ts'
import {
  NewSecretView,
  Reason,
  SignatureKindText,
  SubscriptionDetail,
  SubscriptionNumber,
  SubscriptionView,
  viewNewSecret,
  viewSecret,
  viewSubscription,
} from './subscription-schemas.ts'

const NewSubscriptionBody = Type.Object(
  {
    consumer: Type.Optional(
      Type.String({ maxLength: 40, description: 'For accounts: whose it is. A consumer makes its own' }),
    ),
    dataset: Type.String({ maxLength: 60, description: 'Name of the dataset' }),
    endpoint: Type.String({
      minLength: 1,
      maxLength: 500,
      description: 'http or https address that deliveries are posted to',
    }),
    signatures: Type.Array(SignatureKindText, {
      minItems: 1,
      maxItems: 4,
      uniqueItems: true,
      default: ['hmac-sha256'],
      description: 'Kinds of signature; each delivery carries all of them',
    }),
    demandsReceipt: Type.Boolean({ default: false, description: 'An acknowledgement must say what was taken' }),
    from: Type.String({
      enum: ['beginning', 'now'],
      default: 'beginning',
      description: 'beginning: everything there is, then what changes; now: only what changes',
    }),
  },
  { additionalProperties: false },
)

const CreatedSubscription = Type.Object(
  { subscription: SubscriptionView, secrets: Type.Array(NewSecretView, { description: 'Shown once' }) },
  { title: 'CreatedSubscription' },
)

/** Checked at registration as at each call: an address that may not be called is refused before it is kept. */
async function assertCallable(egress: EgressGuard, endpoint: string): Promise<void> {
  assertImpersonal('endpoint', endpoint)
  const url = egress.assertUrl(endpoint)
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80)
  await egress.resolve(url.hostname, port).catch((error: unknown) => {
    if (error instanceof AppError) throw error
    throw new AppError('REQUEST_INVALID', 'body/endpoint: the host name is not known here', { cause: error })
  })
}

/** Whose subscription it will be. Throws REQUEST_INVALID, and CONSUMER_UNKNOWN for an account that names nobody we know. */
function ownerOf({ consumer }: Caller, named: string | undefined): string {
  const owner = consumer ?? named
  if (owner === undefined) throw new AppError('REQUEST_INVALID', 'body/consumer: say whose it is')
  if (consumer !== null && named !== undefined && named !== consumer)
    throw new AppError('REQUEST_INVALID', 'body/consumer: a consumer makes its own subscriptions')
  return owner
}

const create: Route = (server, context) => {
  const { database, keys, egress } = context
  const schema = {
    ...describeRoute(
      'createSubscription',
      '建立推送订阅 / Make a subscription; its secrets are shown once',
      CreatedSubscription,
      'Needs an agreement in force for the dataset, and an address that this installation may call.',
    ),
    body: NewSubscriptionBody,
  }
  server.post('/api/v1/subscriptions', { schema }, async (request) => {
    const { body } = request
    const caller = await admitCaller(context, request, 'subscription.manage')
    const { consumerId, name: consumer } = await findConsumer(database.query, ownerOf(caller, body.consumer))
    const { dataset, datasetId } = await findAgreement(database.query, consumerId, body.dataset)
    await assertCallable(egress, body.endpoint)
    const after = body.from === 'now' ? await findLastPlace(database.query, datasetId) : null
    const secrets = body.signatures.map((kind) => createWebhookKey(kind as SignatureKind))
    const { endpoint, demandsReceipt } = body
    const made = { consumerId, consumer, dataset, endpoint, demandsReceipt, after, secrets, actor: caller.actor }
    const subscriptionId = await database.transaction((transaction) => subscribe(transaction, keys, made))
    const subscription = await findSubscription(database.query, subscriptionId, null)
    return { subscription: viewSubscription(subscription), secrets: secrets.map(viewNewSecret) }
  })
}

const DEFAULT_LIMIT = 50

const list: Route = (server, context) => {
  const schema = {
    ...describeRoute(
      'listSubscriptions',
      '推送订阅列表 / Subscriptions: a consumer sees its own, an account all',
      Type.Object(
        {
          subscriptions: Type.Array(SubscriptionView, { description: 'In the order in which they were made' }),
          cursor: Type.Union([Type.Integer(), Type.Null()], { description: 'Give it back for more; null at the end' }),
        },
        { title: 'SubscriptionPage' },
      ),
    ),
    querystring: Type.Object({
      consumer: Type.Optional(Type.String({ maxLength: 40, description: 'Only of this consumer' })),
      dataset: Type.Optional(Type.String({ maxLength: 60, description: 'Only of this dataset' })),
      cursor: Type.Optional(
        Type.Integer({ minimum: 0, maximum: 2_147_483_647, description: 'From an earlier answer' }),
      ),
      limit: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 200,
          default: DEFAULT_LIMIT,
          description: 'Subscriptions in one page at most',
        }),
      ),
    }),
  }
  server.get('/api/v1/subscriptions', { schema }, async (request) => {
    const { query } = request
    const caller = await admitCaller(context, request, 'subscription.read')
    const limit = query.limit ?? DEFAULT_LIMIT
    const found = await listSubscriptions(context.database.query, {
      consumer: caller.consumer ?? query.consumer ?? null,
      dataset: query.dataset ?? null,
      after: query.cursor ?? 0,
      limit,
    })
    const cursor = found.length < limit ? null : (found.at(-1)?.subscriptionId ?? null)
    return { subscriptions: found.map(viewSubscription), cursor }
  })
}

const show: Route = (server, context) => {
  const schema = {
    ...describeRoute(
      'showSubscription',
      '查看推送订阅 / A subscription: how far behind, what failed, and which secrets sign',
      SubscriptionDetail,
    ),
    params: SubscriptionNumber,
  }
  server.get('/api/v1/subscriptions/:subscriptionId', { schema }, async (request) => {
    const { params } = request
    const { subscriptionId } = params
    const admitted = await admitToSubscription(context, request, 'subscription.read', subscriptionId)
    const secrets = await listSecrets(context.database.query, subscriptionId)
    return { subscription: viewSubscription(admitted.subscription), secrets: secrets.map(viewSecret) }
  })
}

const steerings: readonly (readonly [Steering, string, string, Action])[] = [
  ['pause', 'pauseSubscription', '暂停推送订阅 / Pause a subscription; nothing is lost', 'subscription.pause'],
  ['resume', 'resumeSubscription', '恢复推送订阅 / Let a paused or broken subscription go on', 'subscription.manage'],
  ['stop', 'stopSubscription', '停止推送订阅 / Stop a subscription for good; its secrets go', 'subscription.pause'],
]

const steer: Route = (server, context) => {
  for (const [steering, operationId, summary, action] of steerings) {
    const schema = {
      ...describeRoute(operationId, summary, SubscriptionView),
      params: SubscriptionNumber,
      body: Reason,
    }
    server.post(`/api/v1/subscriptions/:subscriptionId/${steering}`, { schema }, async (request) => {
      const { params, body } = request
      assertImpersonal('reason', body.reason)
      const { subscriptionId } = params
      const { caller, subscription } = await admitToSubscription(context, request, action, subscriptionId)
      const deed = { actor: caller.actor, reason: body.reason }
      await context.database.transaction((transaction) => steerSubscription(transaction, subscription, steering, deed))
      return viewSubscription(await findSubscription(context.database.query, subscriptionId, null))
    })
  }
}

const rotate: Route = (server, context) => {
  const { database, keys } = context
  const schema = {
    ...describeRoute(
      'rotateSubscriptionSecret',
      '更换推送密钥 / A new secret of a kind, shown once; the one before signs beside it for a while',
      NewSecretView,
      'A kind that the subscription did not have is added.',
    ),
    params: SubscriptionNumber,
    body: Type.Object(
      {
        kind: SignatureKindText,
        overlapHours: Type.Integer({
          minimum: 0,
          maximum: 720,
          default: 24,
          description: 'For how long the old secret signs too',
        }),
      },
      { additionalProperties: false },
    ),
  }
  server.post('/api/v1/subscriptions/:subscriptionId/secrets', { schema }, async (request) => {
    const { params, body } = request
    const admitted = await admitToSubscription(context, request, 'subscription.manage', params.subscriptionId)
    const wanted = { kind: body.kind as SignatureKind, overlapHours: body.overlapHours, actor: admitted.caller.actor }
    const key = await database.transaction((transaction) =>
      rotateSecret(transaction, keys, admitted.subscription, wanted),
    )
    return viewNewSecret(key)
  })
}

/** Subscriptions: made, listed, shown, steered, and given new secrets, by their consumer or by an account. */
export const subscriptionRoutes = asPlugin([create, list, show, steer, rotate])
