import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { TSchema } from 'typebox'
import { decodeCursor, decodeSnapshotCursor } from '../sharing/cursors.ts'
import { pullChanges } from '../sharing/pull.ts'
import { pullSnapshot } from '../sharing/snapshot.ts'
import { asGranted, sendAnswer } from './granted.ts'
import type { ManagementContext } from './management.ts'
import {
  ChangePage,
  datasetParams,
  DEFAULT_LIMIT,
  describeSharing,
  grantedAnswers,
  HeldTags,
  jsonAnswer,
  PageQuery,
  SnapshotPage,
} from './pull-schemas.ts'

const describePages = <Page extends TSchema>(
  operationId: string,
  summary: string,
  description: string,
  page: Page,
  datasets: readonly string[],
) => ({
  ...describeSharing(operationId, summary, description),
  params: datasetParams(datasets),
  querystring: PageQuery,
  headers: HeldTags,
  response: {
    ...jsonAnswer('一页 / One page', page),
    ...grantedAnswers,
  },
})

/**
 * GET /api/v1/datasets/:dataset/changes and /snapshot: the change feed in commit order, and the living records that hand over to it, as the
 * caller's agreement grants them.
 */
export const changesRoute: FastifyPluginAsyncTypebox<ManagementContext> = async (server, context) => {
  const datasets = [...context.datasets.keys()].toSorted()
  const changes = describePages(
    'pullChanges',
    '按提交顺序拉取变更 / Pull changes in commit order',
    'Needs an agreement for the dataset. The audit entry is committed before the answer; if it cannot be, the answer is 503.',
    ChangePage,
    datasets,
  )
  const snapshot = describePages(
    'pullSnapshot',
    '拉取快照 / Pull a snapshot of the living records',
    'The records as of the first page, without tombstones. What changes meanwhile comes by the change feed from feedCursor: no gap, no overlap.',
    SnapshotPage,
    datasets,
  )

  server.get('/api/v1/datasets/:dataset/changes', { schema: changes }, async (request, reply) => {
    const { cursor, limit = DEFAULT_LIMIT } = request.query
    const heldTags = request.headers['if-none-match']
    const page = await asGranted(context, request, request.params.dataset, async (agreement, bounded) => {
      const after = decodeCursor(agreement.version, cursor)
      return pullChanges(bounded, { agreement, after, limit: Math.min(limit, agreement.pageSize), heldTags })
    })
    return sendAnswer(reply, page.answer, context.database)
  })

  server.get('/api/v1/datasets/:dataset/snapshot', { schema: snapshot }, async (request, reply) => {
    const { cursor, limit = DEFAULT_LIMIT } = request.query
    const heldTags = request.headers['if-none-match']
    const page = await asGranted(context, request, request.params.dataset, async (agreement, bounded) => {
      const place = decodeSnapshotCursor(agreement.version, cursor)
      return pullSnapshot(bounded, { agreement, place, limit: Math.min(limit, agreement.pageSize), heldTags })
    })
    return sendAnswer(reply, page.answer, context.database)
  })
}
