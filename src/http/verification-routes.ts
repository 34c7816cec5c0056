import { Type } from 'typebox'
import { viewVerification } from '../sharing/push-verifications.ts'
import { receiveVerifications } from '../sharing/verifications.ts'
import { actorOf } from '../store/accounts.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import { readSubjects } from '../store/records.ts'
import { readVerifications, verificationResults, type VerificationResult } from '../store/verifications.ts'
import { readScoped } from '../store/row-scope.ts'
import { recogniseClient } from './clients.ts'
import { describeSharing, NoticeQuery, pageEnd, readPage, refusing } from './consumers.ts'
import { EvidenceTime, RecordName, Reference, SeenVersion } from './correction-schemas.ts'
import { FeedCode } from './feed-schemas.ts'
import { admitToFeed, asPlugin, describeRoute, type Route } from './management.ts'

const results = Object.keys(verificationResults) as VerificationResult[]
const resultWords = Object.entries(verificationResults)
  .map(([result, { zh, en }]) => `${result} ${zh}, ${en}`)
  .join('; ')

const MOST_RESULTS = 1000

const VerificationsBody = Type.Object(
  {
    verifications: Type.Array(
      Type.Object(
        {
          dataset: Type.String({ minLength: 1, maxLength: 60, description: 'Name of the dataset' }),
          id: RecordName,
          version: SeenVersion,
          result: Type.Enum(results, { description: resultWords }),
          evidenceAt: EvidenceTime,
          reference: Reference,
        },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: MOST_RESULTS, description: 'Results, each with a reference of its own' },
    ),
  },
  { additionalProperties: false, title: 'Verifications' },
)

const VerificationOutcomes = Type.Object(
  {
    results: Type.Array(
      Type.Object({
        reference: Type.String({ description: 'Your number of it' }),
        outcome: Type.String({
          enum: ['accepted', 'repeated', 'refused'],
          description: 'repeated: it was taken before',
        }),
        code: Type.Union([Type.String(), Type.Null()], {
          description: 'Why it was refused: RECORD_UNKNOWN, VERIFICATION_CONFLICT, REQUEST_INVALID; else null',
        }),
      }),
      { description: 'In the order of what was sent' },
    ),
  },
  { title: 'VerificationOutcomes' },
)

const VerificationPage = Type.Object(
  {
    verifications: Type.Array(
      Type.Object({
        consumer: Type.String({ description: 'Who verified' }),
        recordId: Type.String({ description: 'Record id at the source' }),
        version: Type.Integer({ description: 'Version that the consumer held' }),
        result: Type.Enum(results, { description: resultWords }),
        evidenceAt: Type.String({ description: 'When it was seen' }),
        receivedAt: Type.String({ description: 'When it was received' }),
        reference: Type.String({ description: "The consumer's number of it" }),
        implausible: Type.Boolean({
          description: 'true: too many results of one consumer came within a minute with this one evidence time',
        }),
      }),
      { description: 'In commit order; a result never changes' },
    ),
    ...pageEnd,
  },
  { title: 'VerificationPage' },
)

const sendVerificationsRoute: Route = (server, context) => {
  server.post(
    '/api/v1/verifications',
    {
      schema: {
        ...describeSharing(
          'sendVerifications',
          '报送核实结果 / Send back what was found at the place, for the departments of the records',
          VerificationOutcomes,
          'Each result is judged by itself. Needs an agreement for every dataset that is named; else the whole is refused.',
        ),
        body: VerificationsBody,
      },
    },
    async (request) => {
      const { body } = request
      const client = await recogniseClient(context, request)
      const reports = body.verifications.map((one) => ({ ...one, evidenceAt: new Date(one.evidenceAt) }))
      const receive = () => receiveVerifications(context, client, reports)
      const outcomes = await refusing(context, client, reports[0]?.dataset ?? '', receive)
      return { results: outcomes.map((outcome) => ({ ...outcome })) }
    },
  )
}

const listVerificationsRoute: Route = (server, context) => {
  const { database, keys, auditDeadlineMs } = context
  server.get(
    '/api/v1/feeds/:code/verifications',
    {
      schema: {
        ...describeRoute(
          'listVerifications',
          '部门获取核实结果 / What consumers found at the place, for the department of the records',
          VerificationPage,
        ),
        params: FeedCode,
        querystring: NoticeQuery,
      },
    },
    async (request, reply) => {
      const { code } = request.params
      const { account, feed } = await admitToFeed(context, request.headers.authorization, 'verification.read', code)
      const { items, ...end } = await readPage(request.query, (after, most) =>
        readScoped(database, account.department, (read) => readVerifications(read, feed.feedId, after, most)),
      )
      const verifications = items.map(viewVerification)
      const named = items.map(({ recordId }) => ({ feed: code, recordId }))
      const subjects = keys.personTokens(await readSubjects(database.query, named))
      await auditBeforeAnswer(database, 'verifications', auditDeadlineMs, ({ audit }) =>
        audit({
          type: 'verifications.viewed',
          actor: actorOf(account),
          outcome: 'ok',
          feed: feed.code,
          dataset: feed.dataset,
          count: verifications.length,
          subjects,
          outputDigest: keys.token('audit', JSON.stringify(verifications)),
        }),
      )
      void reply.header('cache-control', 'no-store')
      return { verifications, ...end }
    },
  )
}

/** Verification results on their way back, taken from consumers and read by departments. */
export const verificationRoutes = asPlugin([sendVerificationsRoute, listVerificationsRoute])
