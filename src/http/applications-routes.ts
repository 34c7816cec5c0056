import { AppError } from '../errors.ts'
import type { ApplicationAction } from '../feeds/application-life.ts'
import { isDate } from '../feeds/formats.ts'
import type { Action } from '../security/permissions.ts'
import { moveApplication } from '../sharing/application-life.ts'
import { draftApplication, redraftApplication, type ApplicationDraft } from '../sharing/applications.ts'
import type { Account } from '../store/accounts.ts'
import { findApplication, listApplications, type Application, type DisposalReceipt } from '../store/applications.ts'
import { assertPermitted, recogniseAccount } from './accounts.ts'
import {
  ApplicationBody,
  ApplicationMoveBody,
  ApplicationPage,
  ApplicationPath,
  ApplicationsQuery,
  ApplicationView,
  NewApplicationBody,
} from './application-schemas.ts'
import { summariseApplication, viewApplication } from './application-views.ts'
import { asPlugin, assertImpersonal, describeRoute, type ManagementContext, type Route } from './management.ts'

const DEFAULT_LIMIT = 50
const DEFAULT_PAGE = 500

/**
 * The account of a request and the application it is about. One that belongs to another consumer is not told from one that does
 * not exist. Throws TOKEN_INVALID, APPLICATION_UNKNOWN, FORBIDDEN.
 */
async function admitToApplication(
  context: ManagementContext,
  authorization: string | undefined,
  action: Action,
  applicationId: number,
): Promise<{ readonly account: Account; readonly application: Application }> {
  const account = await recogniseAccount(context, authorization)
  const application = await findApplication(context.database.query, applicationId)
  try {
    await assertPermitted(context, account, 'application.read', application)
  } catch (error) {
    if (error instanceof AppError && error.code === 'FORBIDDEN' && account.consumer !== null)
      throw new AppError('APPLICATION_UNKNOWN', `application ${applicationId}`, { cause: error })
    throw error
  }
  await assertPermitted(context, account, action, application)
  return { account, application }
}

type GivenDraft = Partial<Pick<ApplicationDraft, 'forms' | 'profile' | 'recordsPerDay' | 'pageSize'>> &
  Omit<ApplicationDraft, 'forms' | 'profile' | 'recordsPerDay' | 'pageSize'>

/** Throws REQUEST_INVALID where the database could not keep the days, or words hold the number of a person. */
function readDraft(given: GivenDraft): ApplicationDraft {
  const { basis, purpose, scenario, area, shareMethod, method, validFrom, validTo } = given
  if (!isDate(validFrom) || !isDate(validTo) || validTo <= validFrom)
    throw new AppError('REQUEST_INVALID', 'body/validFrom, body/validTo: wanted days, the second after the first')
  assertImpersonal('scenario', scenario)
  assertImpersonal('basis', `${basis.title} ${basis.article}`)
  const { profile = null, forms = {}, recordsPerDay = null, pageSize = DEFAULT_PAGE } = given
  const asked = { basis, purpose, scenario, area, shareMethod, method, validFrom, validTo }
  return { ...asked, profile, forms, recordsPerDay, pageSize }
}

/** Throws REQUEST_INVALID. */
function readReceipt(receipt: DisposalReceipt | undefined): DisposalReceipt | null {
  if (receipt === undefined) return null
  if (!isDate(receipt.on)) throw new AppError('REQUEST_INVALID', 'body/receipt/on: wanted a day')
  assertImpersonal('receipt/statement', receipt.statement)
  return receipt
}

const listApplicationsRoute: Route = (server, context) => {
  server.get(
    '/api/v1/applications',
    {
      schema: {
        ...describeRoute(
          'listApplications',
          '使用申请列表 / Applications of the own consumer, for the own department, or all',
          ApplicationPage,
        ),
        querystring: ApplicationsQuery,
      },
    },
    async ({ headers, query }) => {
      const account = await recogniseAccount(context, headers.authorization)
      const { consumer, department } = account
      await assertPermitted(context, account, 'application.read', { consumer, department })
      const { state = null, cursor = null, limit = DEFAULT_LIMIT } = query
      const filter = { consumer, department, state, before: cursor, limit }
      const applications = await listApplications(context.database.query, filter)
      const last = applications.length < limit ? null : (applications.at(-1)?.applicationId ?? null)
      return { applications: applications.map(summariseApplication), cursor: last }
    },
  )
}

const draftApplicationRoute: Route = (server, context) => {
  server.post(
    '/api/v1/applications',
    {
      schema: {
        ...describeRoute(
          'draftApplication',
          '编写使用申请 / Write an application for the use of a dataset, as a draft',
          ApplicationView,
          'For the engineers of a consumer. An approved one becomes the agreement between the consumer and the dataset, or its next version.',
        ),
        body: NewApplicationBody,
      },
    },
    async (request) => {
      const account = await recogniseAccount(context, request.headers.authorization)
      await assertPermitted(context, account, 'application.write', { consumer: account.consumer, department: null })
      const { dataset } = request.body
      const applicationId = await draftApplication(context, account, { dataset, draft: readDraft(request.body) })
      return viewApplication(context, account, await findApplication(context.database.query, applicationId))
    },
  )
}

const showApplicationRoute: Route = (server, context) => {
  server.get(
    '/api/v1/applications/:applicationId',
    {
      schema: {
        ...describeRoute(
          'showApplication',
          '使用申请详情 / An application: what is asked for, who answered, and by when',
          ApplicationView,
        ),
        params: ApplicationPath,
      },
    },
    async ({ headers, params }) => {
      const { applicationId } = params
      const admitted = await admitToApplication(context, headers.authorization, 'application.read', applicationId)
      return viewApplication(context, admitted.account, admitted.application)
    },
  )
}

const rewriteApplicationRoute: Route = (server, context) => {
  server.put(
    '/api/v1/applications/:applicationId',
    {
      schema: {
        ...describeRoute(
          'rewriteApplication',
          '修改草稿或补正 / Write a draft anew, or complete what was asked for',
          ApplicationView,
        ),
        params: ApplicationPath,
        body: ApplicationBody,
      },
    },
    async ({ headers, params, body }) => {
      const { applicationId } = params
      const { account } = await admitToApplication(context, headers.authorization, 'application.write', applicationId)
      await redraftApplication(context, account, applicationId, readDraft(body))
      return viewApplication(context, account, await findApplication(context.database.query, applicationId))
    },
  )
}

const moveApplicationRoute: Route = (server, context) => {
  server.post(
    '/api/v1/applications/:applicationId/moves',
    {
      schema: {
        ...describeRoute(
          'moveApplication',
          '提交、补正告知、延期、同意、不同意、提供、确认、撤销、处置 / Submit, ask, extend, approve, refuse, provide, confirm, revoke, dispose',
          ApplicationView,
          'draft → submitted (⇄ need-more, once) → approved → provisioned → active. The data owner of the lead department and the security administrator both answer, neither of them the applicant.',
        ),
        params: ApplicationPath,
        body: ApplicationMoveBody,
      },
    },
    async ({ headers, params, body }) => {
      const { applicationId } = params
      const action: ApplicationAction = body.action
      const { reason = null, allowsClear = false } = body
      const receipt = readReceipt(body.receipt)
      assertImpersonal('reason', reason)
      const permission = `application.${action}` as const
      const { account } = await admitToApplication(context, headers.authorization, permission, applicationId)
      await moveApplication(context, account, applicationId, { action, reason, allowsClear, receipt })
      return viewApplication(context, account, await findApplication(context.database.query, applicationId))
    },
  )
}

/** Applications for the use of data (使用申请, Decree 809 Art. 20 to 27). */
export const applicationsRoutes = asPlugin([
  listApplicationsRoute,
  draftApplicationRoute,
  showApplicationRoute,
  rewriteApplicationRoute,
  moveApplicationRoute,
])
