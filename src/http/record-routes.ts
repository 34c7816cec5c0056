import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type, type Static } from 'typebox'
import { AppError } from '../errors.ts'
import { pullRecord, queryRecords, type RecordQuery } from '../sharing/records.ts'
import { asGranted, sendAnswer } from './granted.ts'
import { assertImpersonal, type ManagementContext } from './management.ts'
import { problemAnswers } from './problem-schema.ts'
import { Change, CLOSED, datasetParams, describeSharing, grantedAnswers, HeldTags, jsonAnswer } from './pull-schemas.ts'

const FEED = '[A-Z0-9][A-Z0-9-]{1,39}'
const RECORD = '[0-9A-Za-z._:-]{1,64}'

const recordParams = (datasets: readonly string[]) =>
  Type.Object({
    ...datasetParams(datasets).properties,
    feed: Type.String({ pattern: `^${FEED}$`, description: 'The part of the id before the slash' }),
    recordId: Type.String({ pattern: `^${RECORD}$`, description: 'The part of the id behind the slash' }),
  })

const QueryBody = Type.Object(
  {
    subject: Type.Optional(
      Type.Object(
        {
          certType: Type.String({
            minLength: 1,
            maxLength: 20,
            description: 'Code of the certificate type; 111 is the identity card',
          }),
          certNumber: Type.String({
            minLength: 4,
            maxLength: 40,
            description: 'As it is written; it is made uniform here',
          }),
        },
        CLOSED,
      ),
    ),
    id: Type.Optional(Type.String({ pattern: `^${FEED}/${RECORD}$`, description: 'Id of a record' })),
    reason: Type.String({
      minLength: 6,
      maxLength: 200,
      description: 'Why, for the audit log; without numbers of persons',
    }),
    caseNumber: Type.String({
      pattern: String.raw`^[\p{L}\p{N}][\p{L}\p{N}〔〕（）()\[\]_./-]{3,59}$`,
      description: 'Number of the case or the work order that needs it',
    }),
  },
  { title: 'RecordQuery', description: 'subject or id, one of the two', ...CLOSED },
)

const QueryAnswer = Type.Object(
  {
    records: Type.Array(Change, {
      description: 'At most 20, the newest first; none where nothing is there or granted',
    }),
  },
  { title: 'QueriedRecords' },
)

/** The query of a body, refused where it names both or neither of person and record, or where its words hold a number of a person. */
function readQuery({ subject, id, reason, caseNumber }: Static<typeof QueryBody>): RecordQuery {
  if ((subject === undefined) === (id === undefined))
    throw new AppError('REQUEST_INVALID', 'body: give subject or id, one of the two')
  assertImpersonal('reason', reason)
  assertImpersonal('caseNumber', caseNumber)
  if (reason.trim().length < 6) throw new AppError('REQUEST_INVALID', 'body/reason: say why in six characters or more')
  if (subject !== undefined) return { about: subject, reason, caseNumber }
  const [feed = '', recordId = ''] = id?.split('/') ?? []
  return { about: { feed, recordId }, reason, caseNumber }
}

const describeRecord = (datasets: readonly string[]) => ({
  ...describeSharing(
    'pullRecord',
    '读取一条记录 / One record',
    'What is unknown, deleted or outside the area is answered alike: RECORD_UNKNOWN.',
  ),
  params: recordParams(datasets),
  querystring: Type.Object({}, CLOSED),
  headers: HeldTags,
  response: { ...jsonAnswer('记录 / The record', Change), ...grantedAnswers },
})

const describeQueries = (datasets: readonly string[]) => ({
  ...describeSharing(
    'queryRecords',
    '按事由逐条查询 / Ask about one person or record with a reason',
    'The only way to a register that may not be copied. Person, reason and case number go into the audit log before anything is answered.',
  ),
  params: datasetParams(datasets),
  body: QueryBody,
  response: { ...jsonAnswer('查询结果 / What was found', QueryAnswer), ...problemAnswers },
})

/**
 * One record, and queries with a reason for registers that may not be copied: GET /api/v1/datasets/:dataset/records/:feed/:recordId,
 * POST /api/v1/datasets/:dataset/queries.
 */
export const recordRoutes: FastifyPluginAsyncTypebox<ManagementContext> = async (server, context) => {
  const datasets = [...context.datasets.keys()].toSorted()

  server.get(
    '/api/v1/datasets/:dataset/records/:feed/:recordId',
    { schema: describeRecord(datasets) },
    async (request, reply) => {
      const { dataset, feed, recordId } = request.params
      const heldTags = request.headers['if-none-match']
      const answer = await asGranted(context, request, dataset, (agreement, bounded) =>
        pullRecord(bounded, agreement, { feed, recordId }, heldTags),
      )
      return sendAnswer(reply, answer, context.database)
    },
  )

  server.post('/api/v1/datasets/:dataset/queries', { schema: describeQueries(datasets) }, async (request, reply) => {
    const asked = readQuery(request.body)
    const answer = await asGranted(context, request, request.params.dataset, (agreement, bounded) =>
      queryRecords(bounded, agreement, asked),
    )
    return sendAnswer(reply, answer, context.database)
  })
}
