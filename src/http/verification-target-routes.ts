import { Type } from 'typebox'
import { AppError } from '../errors.ts'
import { assertTargetUrl, sealTargetSecret } from '../sharing/push-verifications.ts'
import { actorOf } from '../store/accounts.ts'
import { findTarget, removeTarget, saveTarget } from '../store/verification-targets.ts'
import { FeedCode } from './feed-schemas.ts'
import { admitToFeed, asPlugin, describeRoute, type Route } from './management.ts'

const TARGET = '/api/v1/feeds/:code/verification-target'

const TargetBody = Type.Object(
  {
    url: Type.String({
      minLength: 1,
      maxLength: 500,
      description: 'Where results are posted; a registered endpoint of the department must cover it',
    }),
    appKey: Type.String({ minLength: 1, maxLength: 200, description: 'Sent as X-App-Key' }),
    appSecret: Type.String({
      minLength: 16,
      maxLength: 200,
      description: 'What requests are signed with; nothing ever gives it back',
    }),
  },
  { additionalProperties: false, title: 'NewVerificationTarget' },
)

const TargetView = Type.Object(
  {
    url: Type.String({ description: 'Where results are posted' }),
    failures: Type.Integer({ description: 'Failures since the last delivery that was acknowledged' }),
    fault: Type.Union([Type.String(), Type.Null()], { description: 'Code of the last one, docs/errors.md' }),
  },
  { title: 'VerificationTarget' },
)

const showTargetRoute: Route = (server, context) => {
  server.get(
    TARGET,
    {
      schema: {
        ...describeRoute('showVerificationTarget', '核实结果回传地址 / Where results of a feed are sent', TargetView),
        params: FeedCode,
      },
    },
    async ({ headers, params }) => {
      const { feed } = await admitToFeed(context, headers.authorization, 'feed.read', params.code)
      const target = await findTarget(context.database.query, feed.feedId)
      if (target === null) throw new AppError('ENDPOINT_UNKNOWN', 'results of this feed are sent nowhere')
      return target
    },
  )
}

const setTargetRoute: Route = (server, context) => {
  server.put(
    TARGET,
    {
      schema: {
        ...describeRoute(
          'setVerificationTarget',
          '设置核实结果回传地址 / Have results of a feed sent to the department',
          TargetView,
          'Requests are signed as departments sign what they post, and repeated with the same Idempotency-Key until they are answered with 2xx.',
        ),
        params: FeedCode,
        body: TargetBody,
      },
    },
    async ({ headers, params, body }) => {
      const { account, feed } = await admitToFeed(context, headers.authorization, 'verification.route', params.code)
      const { url, ...secret } = body
      await assertTargetUrl(context.database.query, feed.department, url)
      await context.database.transaction(async ({ query, audit }) => {
        await saveTarget(query, feed.feedId, url, sealTargetSecret(context.keys, feed.code, secret))
        const { host } = new URL(url)
        const fact = { actor: actorOf(account), outcome: 'ok', feed: feed.code, dataset: feed.dataset } as const
        await audit({ ...fact, type: 'verification-target.set', details: { host } })
      })
      return { url, failures: 0, fault: null }
    },
  )
}

const removeTargetRoute: Route = (server, context) => {
  server.delete(
    TARGET,
    {
      schema: {
        ...describeRoute(
          'removeVerificationTarget',
          '停止回传核实结果 / Have results of a feed sent nowhere; they are pulled',
          FeedCode,
        ),
        params: FeedCode,
      },
    },
    async ({ headers, params }) => {
      const { account, feed } = await admitToFeed(context, headers.authorization, 'verification.route', params.code)
      await context.database.transaction(async ({ query, audit }) => {
        await removeTarget(query, feed.feedId)
        const fact = { actor: actorOf(account), outcome: 'ok', feed: feed.code, dataset: feed.dataset } as const
        await audit({ ...fact, type: 'verification-target.removed' })
      })
      return { code: feed.code }
    },
  )
}

/** Where a department has verification results sent. */
export const verificationTargetRoutes = asPlugin([showTargetRoute, setTargetRoute, removeTargetRoute])
