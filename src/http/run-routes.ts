import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { describeDrift } from '../feeds/drift-counts.ts'
import type { Action } from '../security/permissions.ts'
import type { Account } from '../store/accounts.ts'
import { readReconciliation } from '../store/reconciliation.ts'
import { findRun, listRuns, readDrift, type Run } from '../store/runs.ts'
import { requestRunBy, steerRun } from '../store/steer-run.ts'
import { readScoped } from '../store/row-scope.ts'
import { actorOf, assertPermitted, recogniseAccount } from './accounts.ts'
import { FEED_CODE, FeedCode } from './feed-schemas.ts'
import { admitToFeed, describeRoute, type ManagementContext } from './management.ts'
import { CertificateView, DriftView, RunNumber, RunView, viewCertificate, viewDrift, viewRun } from './run-schemas.ts'

/** The account of a request and the run it is about. Throws TOKEN_INVALID, RUN_UNKNOWN, FORBIDDEN. */
export async function admitToRun(
  context: ManagementContext,
  authorization: string | undefined,
  action: Action,
  runId: number,
): Promise<{ readonly account: Account; readonly run: Run }> {
  const account = await recogniseAccount(context, authorization)
  const run = await findRun(context.database.query, runId)
  await assertPermitted(context, account, action, run.department)
  return { account, run }
}

const DEFAULT_LIMIT = 50

const RunsQuery = Type.Object({
  feed: Type.Optional(
    Type.String({ pattern: FEED_CODE, maxLength: 40, description: 'Code of a feed; none means all that may be seen' }),
  ),
  cursor: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'From an earlier answer; none means from the newest',
    }),
  ),
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 200, default: DEFAULT_LIMIT, description: 'Runs in one page at most' }),
  ),
})

const RunPage = Type.Object(
  {
    runs: Type.Array(RunView, { description: 'The newest first' }),
    cursor: Type.Union([Type.Integer(), Type.Null()], { description: 'Give it back for older ones; null at the end' }),
  },
  { title: 'RunPage' },
)

/** Steering of a run: its name in the address, and what it does in both languages. */
const steerings = [
  ['pause', 'pauseRun', '暂停批次 / Pause a run; it ends within a page and nothing is lost'],
  ['resume', 'resumeRun', '恢复批次 / Let a paused run go on where it was'],
  ['cancel', 'cancelRun', '取消批次 / Cancel a run; what was saved stays'],
] as const

/** Runs: asked for, listed, read, steered and reconciled. */
export const runRoutes: FastifyPluginAsyncTypebox<ManagementContext> = async (server, context) => {
  const { database } = context
  const listSchema = {
    ...describeRoute('listRuns', '批次列表 / Runs of the own department, or of all', RunPage),
    querystring: RunsQuery,
  }
  server.get('/api/v1/runs', { schema: listSchema }, async ({ headers, query }) => {
    const account = await recogniseAccount(context, headers.authorization)
    await assertPermitted(context, account, 'run.read', account.department)
    const limit = query.limit ?? DEFAULT_LIMIT
    const filter = { feed: query.feed ?? null, department: account.department, before: query.cursor ?? null, limit }
    const runs = await readScoped(database, account.department, (read) => listRuns(read, filter))
    return { runs: runs.map(viewRun), cursor: runs.length < limit ? null : (runs.at(-1)?.runId ?? null) }
  })

  const requestSchema = {
    ...describeRoute(
      'requestRun',
      '发起批次 / Ask for a run now; the one that is alive is answered where there is one',
      RunView,
    ),
    params: FeedCode,
  }
  server.post('/api/v1/feeds/:code/runs', { schema: requestSchema }, async ({ headers, params }) => {
    const { account, feed } = await admitToFeed(context, headers.authorization, 'run.request', params.code)
    const runId = await requestRunBy(database, feed, actorOf(account))
    return viewRun(await findRun(database.query, runId))
  })

  const readSchema = { ...describeRoute('showRun', '查看批次 / A run and its counts', RunView), params: RunNumber }
  server.get('/api/v1/runs/:runId', { schema: readSchema }, async ({ headers, params }) => {
    const { run } = await admitToRun(context, headers.authorization, 'run.read', params.runId)
    return viewRun(run)
  })

  for (const [steering, operationId, summary] of steerings) {
    const schema = { ...describeRoute(operationId, summary, RunView), params: RunNumber }
    server.post(`/api/v1/runs/:runId/${steering}`, { schema }, async ({ headers, params }) => {
      const { account, run } = await admitToRun(context, headers.authorization, 'run.control', params.runId)
      return viewRun(await steerRun(database, run.runId, steering, actorOf(account)))
    })
  }

  await server.register(runReportRoutes, context)
}

/** What a run came to: its certificate and what was new about the fields of its source. */
const runReportRoutes: FastifyPluginAsyncTypebox<ManagementContext> = async (server, context) => {
  const { query } = context.database
  const certificateSchema = {
    ...describeRoute('showCertificate', '对账单 / Where every row of a run went', CertificateView),
    params: RunNumber,
  }
  server.get('/api/v1/runs/:runId/certificate', { schema: certificateSchema }, async ({ headers, params }) => {
    const { run } = await admitToRun(context, headers.authorization, 'run.read', params.runId)
    return viewCertificate(await readReconciliation(query, run.runId))
  })

  const driftSchema = {
    ...describeRoute('showDrift', '字段变化报告 / Unknown, missing and retyped fields of a run', DriftView),
    params: RunNumber,
  }
  server.get('/api/v1/runs/:runId/drift', { schema: driftSchema }, async ({ headers, params }) => {
    const { run } = await admitToRun(context, headers.authorization, 'run.read', params.runId)
    return viewDrift(describeDrift(await readDrift(query, run.runId)))
  })
}
