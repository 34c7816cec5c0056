import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type, type Static } from 'typebox'
import { adviceOf } from '../feeds/rules.ts'
import { datasetOf } from '../ingest/preview.ts'
import { createRejectionView, type ShownReason, type ShownRejection } from '../ingest/rejections/show.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import { countOpenRejections, listOpenRejections } from '../store/rejections.ts'
import { readScoped } from '../store/row-scope.ts'
import { actorOf } from './accounts.ts'
import { admitToFeed, describeRoute, type ManagementContext } from './management.ts'
import { FeedCode } from './feed-schemas.ts'

const Advice = {
  zh: Type.String({ description: '问题说明' }),
  en: Type.String({ description: 'What is wrong' }),
  adviceZh: Type.String({ description: '处理建议' }),
  adviceEn: Type.String({ description: 'What to do' }),
}

export const ReasonView = Type.Object(
  {
    rule: Type.String({ description: 'Id of the quality rule' }),
    field: Type.Union([Type.String(), Type.Null()], {
      description: 'Property of the dataset; null: the row as a whole',
    }),
    ...Advice,
  },
  { title: 'Reason' },
)

export const viewReason = (reason: ShownReason): Static<typeof ReasonView> => ({ ...reason })

const RejectionGroups = Type.Object(
  {
    rows: Type.Integer({ description: 'Refused rows that wait' }),
    rules: Type.Array(
      Type.Object({
        rule: Type.String({ description: 'Id of the quality rule' }),
        rows: Type.Integer({ description: 'Rows that broke it; a row that broke two counts in both' }),
        ...Advice,
      }),
      { description: 'The most frequent first' },
    ),
  },
  { title: 'RejectionGroups' },
)

const RejectionView = Type.Object(
  {
    rejectionId: Type.Integer({ description: 'Number of the rejection' }),
    runId: Type.Integer({ description: 'Run that refused it' }),
    page: Type.Integer({ description: 'Page within the run, from 0' }),
    row: Type.Integer({ description: 'Row within the page, from 0' }),
    recordId: Type.Union([Type.String(), Type.Null()], { description: 'Ends of the source record id' }),
    rejectedAt: Type.String({ description: 'When it was refused' }),
    attempts: Type.Integer({ description: 'How often it was sent again and refused again' }),
    reasons: Type.Array(ReasonView, { description: 'Why it was refused' }),
    fields: Type.Record(Type.String(), Type.Unknown(), {
      description: 'By property, under the strictest mask; what could not be read is hidden whole',
    }),
  },
  { title: 'Rejection' },
)

const RejectionPage = Type.Object(
  {
    rejections: Type.Array(RejectionView, { description: 'The oldest first' }),
    cursor: Type.Union([Type.Integer(), Type.Null()], { description: 'Give it back for more; null at the end' }),
  },
  { title: 'RejectionPage' },
)

const DEFAULT_LIMIT = 50

const RowsQuery = Type.Object({
  rule: Type.Optional(
    Type.String({ pattern: '^DQ-[0-9]{3}$', maxLength: 6, description: 'Only rows that broke this rule' }),
  ),
  cursor: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'From an earlier answer; none means from the oldest',
    }),
  ),
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 200, default: DEFAULT_LIMIT, description: 'Rows in one page at most' }),
  ),
})

const view = ({ rejectedAt, reasons, fields, ...shown }: ShownRejection): Static<typeof RejectionView> => ({
  ...shown,
  rejectedAt: rejectedAt.toISOString(),
  reasons: reasons.map(viewReason),
  fields: { ...fields },
})

/** The refused rows of a feed: counted for everybody who may see its quality, shown masked to its own department. */
export const rejectionRoutes: FastifyPluginAsyncTypebox<ManagementContext> = async (server, context) => {
  const { database } = context
  const groupsSchema = {
    ...describeRoute(
      'countRejections',
      '问题数据按规则汇总 / Refused rows that wait, by rule, with advice',
      RejectionGroups,
    ),
    params: FeedCode,
  }
  server.get('/api/v1/feeds/:code/rejections', { schema: groupsSchema }, async ({ headers, params }) => {
    const { account, feed } = await admitToFeed(context, headers.authorization, 'quality.read', params.code)
    const counted = await readScoped(database, account.department, (read) => countOpenRejections(read, feed.feedId))
    const { rows, byRule } = counted
    return { rows, rules: byRule.map((group) => ({ ...group, ...adviceOf(group.rule) })) }
  })

  await server.register(rejectedRowsRoute, context)
}

/** The rows themselves, masked, for their own department only. */
const rejectedRowsRoute: FastifyPluginAsyncTypebox<ManagementContext> = async (server, context) => {
  const { database, keys, auditDeadlineMs } = context
  const rowsSchema = {
    ...describeRoute(
      'listRejections',
      '问题数据脱敏明细 / Refused rows, masked, for their own department only',
      RejectionPage,
    ),
    params: FeedCode,
    querystring: RowsQuery,
  }
  server.get('/api/v1/feeds/:code/rejections/rows', { schema: rowsSchema }, async (request, reply) => {
    const { rule, cursor, limit = DEFAULT_LIMIT } = request.query
    const { code } = request.params
    const { account, feed } = await admitToFeed(context, request.headers.authorization, 'rejection.read', code)
    const show = createRejectionView(feed, datasetOf(feed.manifest, context.datasets), keys)
    const filter = {
      feedId: feed.feedId,
      department: account.department ?? '',
      rule: rule ?? null,
      after: cursor ?? 0,
      limit,
    }
    const stored = await readScoped(database, account.department, (read) => listOpenRejections(read, filter))
    const named = stored.map(show)
    const rejections = named.map(({ shown }) => shown)
    await auditBeforeAnswer(database, 'rejections', auditDeadlineMs, ({ audit }) =>
      audit({
        type: 'rejections.viewed',
        actor: actorOf(account),
        outcome: 'ok',
        feed: feed.code,
        dataset: feed.dataset,
        count: rejections.length,
        subjects: keys.personTokens(named.map(({ subject }) => subject)),
        details: { rule: rule ?? null },
      }),
    )
    void reply.header('cache-control', 'no-store')
    const last = rejections.length < limit ? null : (rejections.at(-1)?.rejectionId ?? null)
    return { rejections: rejections.map(view), cursor: last }
  })
}
