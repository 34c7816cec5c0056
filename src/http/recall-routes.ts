import { Type } from 'typebox'
import { AppError } from '../errors.ts'
import { askRecall, moveRecall } from '../sharing/recalls.ts'
import type { Query } from '../store/database.ts'
import { listRecallNotices } from '../store/recall-notices.ts'
import { findRecall, listRecalls, type Recall, type RecallScope } from '../store/recalls.ts'
import { readScoped } from '../store/row-scope.ts'
import { FeedCode } from './feed-schemas.ts'
import { admitToFeed, asPlugin, assertImpersonal, describeRoute, type Route } from './management.ts'
import { RecallBody, RecallMoveBody, RecallView, viewRecall } from './recall-schemas.ts'

const DEFAULT_LIMIT = 50

const RecallsQuery = Type.Object({
  cursor: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 2_147_483_647, description: 'From an earlier answer; none means the oldest' }),
  ),
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 200, default: DEFAULT_LIMIT, description: 'Recalls in one page at most' }),
  ),
})

const RecallPage = Type.Object(
  {
    recalls: Type.Array(RecallView, { description: 'The oldest first' }),
    cursor: Type.Union([Type.Integer(), Type.Null()], { description: 'Give it back for more; null at the end' }),
  },
  { title: 'RecallPage' },
)

const RecallPath = Type.Object({
  ...FeedCode.properties,
  recallId: Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'Number of the recall' }),
})

interface NamedScopes {
  readonly runId?: number
  readonly batchNo?: string
  readonly recordIds?: readonly string[]
}

/** Throws REQUEST_INVALID unless exactly one is named. */
function scopeOf({ runId, batchNo, recordIds }: NamedScopes): RecallScope {
  const scopes: readonly RecallScope[] = [
    ...(runId === undefined ? [] : [{ runId }]),
    ...(batchNo === undefined ? [] : [{ batchNo }]),
    ...(recordIds === undefined ? [] : [{ recordIds }]),
  ]
  const [scope] = scopes
  if (scope === undefined || scopes.length > 1)
    throw new AppError('REQUEST_INVALID', 'body: exactly one of runId, batchNo and recordIds wanted')
  return scope
}

const show = async (query: Query, recall: Recall) =>
  viewRecall(recall, recall.state === 'done' ? await listRecallNotices(query, recall.recallId) : [])

const askRecallRoute: Route = (server, context) => {
  server.post(
    '/api/v1/feeds/:code/recalls',
    {
      schema: {
        ...describeRoute(
          'askRecall',
          '数据召回或删除 / Withdraw records that were shared, or erase them',
          RecallView,
          'More than 1,000 records, an erasure, and a run or batch that is still being read wait for a second person. Consumers get the records as deletes with a reason, are told, and acknowledge.',
        ),
        params: FeedCode,
        body: RecallBody,
      },
    },
    async ({ headers, params, body }) => {
      const { kind, reason, ...scopes } = body
      assertImpersonal('reason', reason)
      const scope = scopeOf(scopes)
      const { account, feed } = await admitToFeed(context, headers.authorization, 'recall.ask', params.code)
      return viewRecall(await askRecall(context, account, feed, { scope, kind, reason }), [])
    },
  )
}

const moveRecallRoute: Route = (server, context) => {
  server.post(
    '/api/v1/feeds/:code/recalls/:recallId/moves',
    {
      schema: {
        ...describeRoute(
          'moveRecall',
          '批准、驳回召回，或解除限制 / Approve or refuse a recall as a second person, or lift an erasure',
          RecallView,
        ),
        params: RecallPath,
        body: RecallMoveBody,
      },
    },
    async ({ headers, params, body }) => {
      const { action, reason = null } = body
      assertImpersonal('reason', reason)
      const { account, feed } = await admitToFeed(context, headers.authorization, `recall.${action}`, params.code)
      const recall = await moveRecall(context, account, feed, { recallId: params.recallId, action, reason })
      return show(context.database.query, recall)
    },
  )
}

const showRecallRoute: Route = (server, context) => {
  const { database } = context
  server.get(
    '/api/v1/feeds/:code/recalls/:recallId',
    {
      schema: {
        ...describeRoute('showRecall', '召回执行与回执 / How far a recall has come, and the receipts', RecallView),
        params: RecallPath,
      },
    },
    async ({ headers, params }) => {
      const { account, feed } = await admitToFeed(context, headers.authorization, 'recall.read', params.code)
      return readScoped(database, account.department, async (read) =>
        show(read, await findRecall(read, params.recallId, feed.feedId)),
      )
    },
  )
}

const listRecallsRoute: Route = (server, context) => {
  const { database } = context
  server.get(
    '/api/v1/feeds/:code/recalls',
    {
      schema: {
        ...describeRoute('listRecalls', '召回列表 / Recalls of a feed, with their receipts', RecallPage),
        params: FeedCode,
        querystring: RecallsQuery,
      },
    },
    async ({ headers, params, query }) => {
      const { cursor = 0, limit = DEFAULT_LIMIT } = query
      const { account, feed } = await admitToFeed(context, headers.authorization, 'recall.read', params.code)
      return readScoped(database, account.department, async (read) => {
        const recalls = await listRecalls(read, feed.feedId, cursor, limit)
        const last = recalls.length < limit ? null : (recalls.at(-1)?.recallId ?? null)
        const shown = []
        for (const recall of recalls) shown.push(await show(read, recall))
        return { recalls: shown, cursor: last }
      })
    },
  )
}

/** What a department takes back of what was shared. */
export const recallRoutes = asPlugin([askRecallRoute, moveRecallRoute, showRecallRoute, listRecallsRoute])
