import { exportDuties, type ExportDuty } from '../security/permissions.ts'
import { decideExport } from '../sharing/export-request.ts'
import { listApprovals, type ExportDecision } from '../store/export-approvals.ts'
import { findExport, listWaitingExports, type Export } from '../store/exports.ts'
import { actorOf, assertPermitted, recogniseAccount } from './accounts.ts'
import { DecisionBody, ExportNumber, viewWaiting, WaitingList, WaitingView } from './export-schemas.ts'
import { assertImpersonal, describeRoute, type ManagementContext, type Route } from './management.ts'

const show = async ({ database }: ManagementContext, one: Export) =>
  viewWaiting(one, await listApprovals(database.query, one.exportId))

/** The department whose data it is. */
const leadOf = ({ datasets }: ManagementContext, { dataset }: Export): string | null =>
  datasets.get(dataset)?.lead ?? null

const listRoute: Route = (server, context) => {
  const summary = '待审批的批量导出 / Exports that wait for two people to agree: of the own department, or all'
  const schema = describeRoute('listExportsForApproval', summary, WaitingList)
  server.get('/api/v1/export-approvals', { schema }, async (request) => {
    const account = await recogniseAccount(context, request.headers.authorization)
    const { department } = account
    await assertPermitted(context, account, 'export.read', department)
    const waiting = await listWaitingExports(context.database.query)
    const own = waiting.filter((one) => department === null || leadOf(context, one) === department)
    return { exports: await Promise.all(own.map((one) => show(context, one))) }
  })
}

const decideRoute: Route = (server, context) => {
  const schema = {
    ...describeRoute(
      'decideExport',
      '审批批量导出 / Agree to a large export, or refuse it with a reason',
      WaitingView,
      'It is read once both duties are done, each by an account of its own; a refusal ends it.',
    ),
    params: ExportNumber,
    body: DecisionBody,
  }
  server.post('/api/v1/exports/:exportId/approvals', { schema }, async (request) => {
    const { duty, decision, reason = null } = request.body
    const account = await recogniseAccount(context, request.headers.authorization)
    const asked = await findExport(context.database.query, request.params.exportId, null)
    await assertPermitted(context, account, exportDuties[duty as ExportDuty], leadOf(context, asked))
    assertImpersonal('reason', reason)
    const given = { duty, decision, reason, accountId: account.accountId } as ExportDecision
    return show(context, await decideExport(context, asked.exportId, given, actorOf(account)))
  })
}

/** Two people for what tells of many. */
export const exportApprovalsRoutes: readonly Route[] = [listRoute, decideRoute]
