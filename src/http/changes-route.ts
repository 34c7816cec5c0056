import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { toAppError } from '../errors.ts'
import { decodeCursor, pullChanges } from '../sharing/pull.ts'
import { findAgreement } from '../store/agreements.ts'
import { auditDenial, recogniseClient } from './clients.ts'
import type { ManagementContext } from './management.ts'
import { problemAnswers } from './problem-schema.ts'

const Change = Type.Object(
  {
    operation: Type.String({ enum: ['upsert', 'delete'], description: 'delete is a tombstone: forget the record' }),
    id: Type.String({ description: 'Identity of the record: feed code and source record id' }),
    version: Type.Integer({
      minimum: 1,
      description: 'Apply a change only when its version is newer than the one you hold',
    }),
    changedAt: Type.String({ format: 'date-time', description: 'When this version came about here' }),
    record: Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()], {
      description: 'The fields that the agreement grants, in their granted forms; null in a tombstone',
    }),
  },
  { title: 'Change' },
)

const ChangePage = Type.Object(
  {
    changes: Type.Array(Change, { description: 'In commit order; only the newest version of a record is there' }),
    cursor: Type.String({ description: 'Opaque; give it back to go on from here' }),
    hasMore: Type.Boolean({ description: 'true: ask again at once; false: ask again later with the same cursor' }),
  },
  { title: 'ChangePage' },
)

const DEFAULT_LIMIT = 500

const ChangesQuery = Type.Object({
  cursor: Type.Optional(
    Type.String({ maxLength: 200, description: 'From an earlier answer; none means from the beginning' }),
  ),
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 1000, default: DEFAULT_LIMIT, description: 'Changes in one page at most' }),
  ),
})

const describeChanges = (datasets: readonly string[]) => ({
  operationId: 'pullChanges',
  tags: ['sharing'],
  summary: '按提交顺序拉取变更 / Pull changes in commit order',
  description:
    'Needs an agreement for the dataset. The audit entry is committed before the answer; if it cannot be, the answer is 503.',
  security: [{ token: [] }],
  params: Type.Object({ dataset: Type.String({ enum: [...datasets], description: 'Name of the dataset' }) }),
  querystring: ChangesQuery,
  response: {
    200: { description: '一页变更 / One page of changes', content: { 'application/json': { schema: ChangePage } } },
    ...problemAnswers,
  },
})

/** GET /api/v1/datasets/:dataset/changes: the change feed in commit order, as the caller's agreement grants it. */
export const changesRoute: FastifyPluginAsyncTypebox<ManagementContext> = async (server, context) => {
  const datasets = [...context.datasets.keys()].toSorted()
  server.get('/api/v1/datasets/:dataset/changes', { schema: describeChanges(datasets) }, async (request, reply) => {
    const { dataset } = request.params
    const client = await recogniseClient(context, request.headers.authorization)
    const agreement = await findAgreement(context.database.query, client.consumerId, dataset).catch(
      async (error: unknown) => {
        await auditDenial(context, `consumer:${client.name}`, toAppError(error).code, dataset)
        throw error
      },
    )
    const after = decodeCursor(agreement.version, request.query.cursor)
    void reply.header('cache-control', 'no-store')
    const limit = Math.min(request.query.limit ?? DEFAULT_LIMIT, agreement.pageSize)
    const page = await pullChanges(context, { agreement, after, limit })
    return { ...page, changes: [...page.changes] }
  })
}
