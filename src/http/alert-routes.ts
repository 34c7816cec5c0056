import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type, type Static } from 'typebox'
import { oversightTexts } from '../audit/oversight-texts.ts'
import { AppError } from '../errors.ts'
import type { Action } from '../security/permissions.ts'
import { acknowledgeAlert, alertKinds, findAlert, listAlerts, type Alert } from '../store/alerts.ts'
import { findFreshness } from '../store/freshness.ts'
import { countOpenRejections } from '../store/rejections.ts'
import { readSourceHealth } from '../store/source-health.ts'
import { readScoped } from '../store/row-scope.ts'
import { actorOf, assertPermitted, recogniseAccount } from './accounts.ts'
import { admitToFeed, describeRoute, type ManagementContext } from './management.ts'
import { FeedCode } from './feed-schemas.ts'

const textOrNull = (description: string) => Type.Union([Type.String(), Type.Null()], { description })

const AlertView = Type.Object(
  {
    alertId: Type.Integer({ description: 'Number of the alert' }),
    kind: Type.String({ enum: Object.keys(alertKinds), description: 'What it is about' }),
    en: Type.String({ description: 'The same in words' }),
    zh: Type.String({ description: '告警含义' }),
    adviceEn: Type.String({ description: 'What to do' }),
    adviceZh: Type.String({ description: '处理建议' }),
    feed: textOrNull('Code of the feed; null where it is about something else'),
    object: textOrNull('What it is about where that is no feed, application/7'),
    department: textOrNull('Department whose it is; null: of the whole city'),
    runId: Type.Union([Type.Integer(), Type.Null()], { description: 'Number of the run, where it is about one' }),
    details: Type.Record(Type.String(), Type.Unknown(), { description: 'Codes and counts' }),
    raisedAt: Type.String({ description: 'When it was raised' }),
    acknowledgedAt: textOrNull('When a person said that it was seen'),
    acknowledgedBy: Type.Union([Type.String(), Type.Null()], { description: 'Who that was' }),
    clearedAt: textOrNull('When its cause was gone'),
  },
  { title: 'Alert' },
)

const AlertPage = Type.Object(
  {
    alerts: Type.Array(AlertView, { description: 'The newest first' }),
    cursor: Type.Union([Type.Integer(), Type.Null()], { description: 'Give it back for older ones; null at the end' }),
  },
  { title: 'AlertPage' },
)

const DEFAULT_LIMIT = 50

const AlertsQuery = Type.Object({
  open: Type.Optional(
    Type.Boolean({ default: true, description: 'Only those that are neither acknowledged nor cleared' }),
  ),
  cursor: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'From an earlier answer; none means from the newest',
    }),
  ),
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 200, default: DEFAULT_LIMIT, description: 'Alerts in one page at most' }),
  ),
})

const AlertNumber = Type.Object({
  alertId: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'Number of the alert' }),
})

const view = (alert: Alert): Static<typeof AlertView> => ({
  ...alert,
  ...alertKinds[alert.kind],
  details: { ...alert.details },
  raisedAt: alert.raisedAt.toISOString(),
  acknowledgedAt: alert.acknowledgedAt?.toISOString() ?? null,
  clearedAt: alert.clearedAt?.toISOString() ?? null,
})

const HealthView = Type.Object(
  {
    feed: Type.String({ description: 'Code of the feed' }),
    source: Type.Object(
      {
        state: Type.String({
          enum: ['closed', 'open', 'half-open'],
          description: 'Circuit breaker; open: the source failed again and again and is left alone',
        }),
        failures: Type.Integer({ description: 'Failures since the last page that was saved' }),
        fault: Type.Union([Type.String(), Type.Null()], { description: 'Code of the last one' }),
        restsUntil: textOrNull('Until when it is left alone'),
      },
      { description: 'How the source answers' },
    ),
    cycle: Type.Union([Type.String(), Type.Null()], {
      description: 'Update cycle that the catalogue promises, ISO 8601',
    }),
    lastDoneAt: textOrNull('When a run last read everything there was'),
    dueAt: textOrNull('When the next success is due at the latest, with a tenth of the cycle granted on top'),
    stale: Type.Boolean({ description: 'Whether that time is over' }),
    openRejections: Type.Integer({ description: 'Refused rows that wait for the department' }),
  },
  { title: 'FeedHealth' },
)

/** Whether those who may be the cause can say that it was seen. */
const acknowledging = ({ kind }: Alert): Action =>
  kind === 'log-tampered' || kind in oversightTexts ? 'oversight.acknowledge' : 'alert.acknowledge'

/** What asks for a person, and how a feed is. */
export const alertRoutes: FastifyPluginAsyncTypebox<ManagementContext> = async (server, context) => {
  const { database } = context
  const listSchema = {
    ...describeRoute('listAlerts', '告警列表 / Alerts of the own department, or of all', AlertPage),
    querystring: AlertsQuery,
  }
  server.get('/api/v1/alerts', { schema: listSchema }, async ({ headers, query }) => {
    const account = await recogniseAccount(context, headers.authorization)
    await assertPermitted(context, account, 'quality.read', account.department)
    const { open: isOpen = true, cursor, limit = DEFAULT_LIMIT } = query
    const filter = { department: account.department, isOpen, before: cursor ?? null, limit }
    const alerts = await readScoped(database, account.department, (read) => listAlerts(read, filter))
    return { alerts: alerts.map(view), cursor: alerts.length < limit ? null : (alerts.at(-1)?.alertId ?? null) }
  })

  const acknowledgeSchema = {
    ...describeRoute('acknowledgeAlert', '确认告警 / Say that an alert was seen', AlertView),
    params: AlertNumber,
  }
  server.post('/api/v1/alerts/:alertId/acknowledge', { schema: acknowledgeSchema }, async ({ headers, params }) => {
    const account = await recogniseAccount(context, headers.authorization)
    const alert = await findAlert(database.query, params.alertId, account.department)
    await assertPermitted(context, account, acknowledging(alert), alert.department)
    if (`${alert.object}/`.startsWith(`account/${account.name}/`))
      throw new AppError('SECOND_PERSON', 'this alert is about your own account')
    await database.transaction((transaction) => acknowledgeAlert(transaction, alert, actorOf(account)))
    return view(await findAlert(database.query, alert.alertId, account.department))
  })

  await server.register(healthRoute, context)
}

/** How a feed is: whether its source answers, whether it is late, what waits. */
const healthRoute: FastifyPluginAsyncTypebox<ManagementContext> = async (server, context) => {
  const { database } = context
  const healthSchema = {
    ...describeRoute(
      'showFeedHealth',
      '接入健康状况 / Circuit breaker, freshness and open rejections of a feed',
      HealthView,
    ),
    params: FeedCode,
  }
  server.get('/api/v1/feeds/:code/health', { schema: healthSchema }, async ({ headers, params }) => {
    const { feed } = await admitToFeed(context, headers.authorization, 'quality.read', params.code)
    const { state, failures, fault, restsUntil } = await readSourceHealth(database.query, feed.feedId)
    const freshness = await findFreshness(database.query, feed.feedId)
    const { rows } = await countOpenRejections(database.query, feed.feedId)
    return {
      feed: feed.code,
      source: { state, failures, fault, restsUntil: restsUntil?.toISOString() ?? null },
      cycle: freshness?.cycle ?? null,
      lastDoneAt: freshness?.lastDoneAt?.toISOString() ?? null,
      dueAt: freshness?.dueAt.toISOString() ?? null,
      stale: freshness?.isStale ?? false,
      openRejections: rows,
    }
  })
}
