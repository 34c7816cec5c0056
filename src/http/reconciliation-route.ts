import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { digestNames, digestRecords, type DigestName } from '../sharing/set-digests.ts'
import { addCheckpoint } from './checkpoint-header.ts'
import { asGranted } from './granted.ts'
import type { ManagementContext } from './management.ts'
import { problemAnswers } from './problem-schema.ts'
import { CLOSED, datasetParams, describeSharing, jsonAnswer } from './pull-schemas.ts'

const HashName = (options: object) => Type.String({ enum: [...digestNames], ...options })

const DigestQuery = Type.Object(
  {
    division: Type.Optional(Type.String({ pattern: String.raw`^\d{6}$`, description: 'This division alone' })),
    day: Type.Optional(
      Type.String({ format: 'date', description: 'This day of last change alone, China Standard Time' }),
    ),
    hash: Type.Optional(HashName({ default: 'sha256', description: 'Which hash' })),
  },
  CLOSED,
)

const DigestAnswer = Type.Object(
  {
    hash: HashName({ description: 'Which hash the digests are' }),
    sets: Type.Array(
      Type.Object({
        division: Type.Union([Type.String(), Type.Null()], {
          description: 'First six digits of the area code; null where records have none',
        }),
        day: Type.String({ format: 'date', description: 'Day of last change, China Standard Time' }),
        count: Type.Integer({ minimum: 1, description: 'Living records of the set' }),
        digest: Type.String({ description: 'Hash over the lines id TAB version LF in the order of their bytes' }),
      }),
      { description: 'One for each division and day that has living records' },
    ),
  },
  { title: 'SetDigests' },
)

const describe = (datasets: readonly string[]) => ({
  ...describeSharing(
    'digestRecords',
    '对账：按区划和日期的记录数与集合摘要 / Counts and set digests by division and day, to compare a copy with',
    "Living records of the agreement's area as of one moment. docs/api-guide.md tells how to compute the same.",
  ),
  params: datasetParams(datasets),
  querystring: DigestQuery,
  response: { ...jsonAnswer('各组摘要 / The sets', DigestAnswer), ...problemAnswers },
})

/** GET /api/v1/datasets/:dataset/reconciliation: what a consumer compares its copy with. */
export const reconciliationRoute: FastifyPluginAsyncTypebox<ManagementContext> = async (server, context) => {
  const schema = describe([...context.datasets.keys()].toSorted())
  server.get('/api/v1/datasets/:dataset/reconciliation', { schema }, async (request, reply) => {
    const { division = null, day = null } = request.query
    const hash = (request.query.hash ?? 'sha256') as DigestName
    const sets = await asGranted(context, request, request.params.dataset, (agreement) =>
      digestRecords(context, { agreement, division, day, hash }),
    )
    await addCheckpoint(reply, context.database)
    void reply.header('cache-control', 'no-store')
    return { hash, sets: [...sets] }
  })
}
