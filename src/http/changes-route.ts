import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { decodeCursor, decodeSnapshotCursor } from '../sharing/cursors.ts'
import { pullChanges } from '../sharing/pull.ts'
import { pullSnapshot } from '../sharing/snapshot.ts'
import { asGranted } from './granted.ts'
import { consumerSecurity } from './clients.ts'
import type { ManagementContext } from './management.ts'
import { problemAnswers } from './problem-schema.ts'
import { ChangePage, datasetParams, DEFAULT_LIMIT, PageQuery, SnapshotPage } from './pull-schemas.ts'

const describeChanges = (datasets: readonly string[]) => ({
  operationId: 'pullChanges',
  tags: ['sharing'],
  summary: '按提交顺序拉取变更 / Pull changes in commit order',
  description:
    'Needs an agreement for the dataset. The audit entry is committed before the answer; if it cannot be, the answer is 503.',
  security: consumerSecurity,
  params: datasetParams(datasets),
  querystring: PageQuery,
  response: {
    200: { description: '一页变更 / One page of changes', content: { 'application/json': { schema: ChangePage } } },
    ...problemAnswers,
  },
})

const describeSnapshot = (datasets: readonly string[]) => ({
  operationId: 'pullSnapshot',
  tags: ['sharing'],
  summary: '拉取快照 / Pull a snapshot of the living records',
  description:
    'The records as of the first page, without tombstones. What changes meanwhile comes by the change feed from feedCursor: no gap, no overlap.',
  security: consumerSecurity,
  params: datasetParams(datasets),
  querystring: PageQuery,
  response: {
    200: { description: '一页快照 / One page', content: { 'application/json': { schema: SnapshotPage } } },
    ...problemAnswers,
  },
})

/**
 * GET /api/v1/datasets/:dataset/changes and /snapshot: the change feed in commit order, and the living records that hand over to it, as the
 * caller's agreement grants them.
 */
export const changesRoute: FastifyPluginAsyncTypebox<ManagementContext> = async (server, context) => {
  const datasets = [...context.datasets.keys()].toSorted()

  server.get('/api/v1/datasets/:dataset/changes', { schema: describeChanges(datasets) }, async (request, reply) => {
    const { cursor, limit = DEFAULT_LIMIT } = request.query
    void reply.header('cache-control', 'no-store')
    return asGranted(context, request, request.params.dataset, async (agreement) => {
      const after = decodeCursor(agreement.version, cursor)
      const page = await pullChanges(context, { agreement, after, limit: Math.min(limit, agreement.pageSize) })
      return { ...page, changes: [...page.changes] }
    })
  })

  server.get('/api/v1/datasets/:dataset/snapshot', { schema: describeSnapshot(datasets) }, async (request, reply) => {
    const { cursor, limit = DEFAULT_LIMIT } = request.query
    void reply.header('cache-control', 'no-store')
    return asGranted(context, request, request.params.dataset, async (agreement) => {
      const place = decodeSnapshotCursor(agreement.version, cursor)
      const page = await pullSnapshot(context, { agreement, place, limit: Math.min(limit, agreement.pageSize) })
      return { ...page, changes: [...page.changes] }
    })
  })
}
