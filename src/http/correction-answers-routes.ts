import { Type } from 'typebox'
import { correctionStates, type CorrectionState } from '../feeds/correction-life.ts'
import { answerCorrection, openEvidence } from '../sharing/corrections.ts'
import { actorOf, type Account } from '../store/accounts.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import { listCorrections, type Correction } from '../store/corrections.ts'
import type { Feed } from '../store/feeds.ts'
import { readSubjects } from '../store/records.ts'
import { readScoped } from '../store/row-scope.ts'
import { AnswerBody, DepartmentCorrectionView, viewForDepartment } from './correction-schemas.ts'
import { FeedCode } from './feed-schemas.ts'
import {
  admitToFeed,
  asPlugin,
  assertImpersonal,
  describeRoute,
  type ManagementContext,
  type Route,
} from './management.ts'

const DEFAULT_LIMIT = 50

const CorrectionsQuery = Type.Object({
  state: Type.Optional(
    Type.Enum([...correctionStates] as CorrectionState[], { description: 'Only those in this state' }),
  ),
  cursor: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 2_147_483_647, description: 'From an earlier answer; none means the oldest' }),
  ),
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 200, default: DEFAULT_LIMIT, description: 'Corrections in one page at most' }),
  ),
})

const DepartmentCorrectionPage = Type.Object(
  {
    corrections: Type.Array(DepartmentCorrectionView, { description: 'The oldest first' }),
    cursor: Type.Union([Type.Integer(), Type.Null()], { description: 'Give it back for more; null at the end' }),
  },
  { title: 'DepartmentCorrectionPage' },
)

const AnswerPath = Type.Object({
  ...FeedCode.properties,
  correctionId: Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'Number of the correction' }),
})

/** The corrections as the account may see them; the entry is committed before they are answered. */
async function show(
  context: ManagementContext,
  account: Account,
  feed: Feed,
  corrections: readonly Correction[],
): Promise<ReturnType<typeof viewForDepartment>[]> {
  const isOwn = account.department === feed.department
  const evidence = isOwn ? await openEvidence(context, corrections) : new Map<number, never>()
  const shown = corrections.map((one) => viewForDepartment(one, isOwn, evidence.get(one.correctionId) ?? null))
  const subjects = await readSubjects(context.database.query, corrections)
  await auditBeforeAnswer(context.database, 'corrections', context.auditDeadlineMs, ({ audit }) =>
    audit({
      type: 'corrections.viewed',
      actor: actorOf(account),
      outcome: 'ok',
      feed: feed.code,
      dataset: feed.dataset,
      count: shown.length,
      subjects: context.keys.personTokens(subjects),
      outputDigest: context.keys.token('audit', JSON.stringify(shown)),
      details: { clear: isOwn },
    }),
  )
  return shown
}

const listCorrectionsRoute: Route = (server, context) => {
  server.get(
    '/api/v1/feeds/:code/corrections',
    {
      schema: {
        ...describeRoute(
          'listCorrections',
          '数源部门待办校核异议 / Corrections of the records of a feed',
          DepartmentCorrectionPage,
          'What was observed and record ids are shown to accounts of the own department only; the audit entry is committed before.',
        ),
        params: FeedCode,
        querystring: CorrectionsQuery,
      },
    },
    async (request, reply) => {
      const { state = null, cursor = 0, limit = DEFAULT_LIMIT } = request.query
      const { code } = request.params
      const { account, feed } = await admitToFeed(context, request.headers.authorization, 'correction.read', code)
      const filter = { feedId: feed.feedId, state, after: cursor, limit }
      const corrections = await readScoped(context.database, account.department, (read) =>
        listCorrections(read, filter),
      )
      void reply.header('cache-control', 'no-store')
      const last = corrections.length < limit ? null : (corrections.at(-1)?.correctionId ?? null)
      return { corrections: await show(context, account, feed, corrections), cursor: last }
    },
  )
}

const answerCorrectionRoute: Route = (server, context) => {
  server.post(
    '/api/v1/feeds/:code/corrections/:correctionId/answers',
    {
      schema: {
        ...describeRoute(
          'answerCorrection',
          '答复校核异议 / Accept a correction, then say that the source is fixed, why not, or that it cannot be found',
          DepartmentCorrectionView,
          'After fix the correction is synced by itself when the record comes in anew.',
        ),
        params: AnswerPath,
        body: AnswerBody,
      },
    },
    async (request, reply) => {
      const { code, correctionId } = request.params
      const { answer, reason = null, version = null } = request.body
      assertImpersonal('reason', reason)
      const { account, feed } = await admitToFeed(context, request.headers.authorization, 'correction.answer', code)
      const place = { feedId: feed.feedId, correctionId }
      const correction = await answerCorrection(context, account, place, { answer, reason, version })
      void reply.header('cache-control', 'no-store')
      // What was observed is shown by the list, which says who looked at it.
      return viewForDepartment(correction, true, null)
    },
  )
}

/** What a department does with corrections of its records. */
export const correctionAnswersRoutes = asPlugin([listCorrectionsRoute, answerCorrectionRoute])
