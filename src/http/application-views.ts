import type { Static } from 'typebox'
import { applicationActionsFrom, writtenStates } from '../feeds/application-life.ts'
import type { ApplicationRequest } from '../feeds/application-rules.ts'
import { isPermitted } from '../security/permissions.ts'
import { findFaults } from '../sharing/applications.ts'
import type { Account } from '../store/accounts.ts'
import type { Answer, Application, Deed } from '../store/applications.ts'
import type { ApplicationView } from './application-schemas.ts'
import type { ManagementContext } from './management.ts'

const time = (at: Date | null): string | null => at?.toISOString() ?? null
const deed = (done: Deed | null) => (done === null ? null : { ...done, at: done.at.toISOString() })
const answer = (given: Answer | null) => (given === null ? null : { ...given, at: given.at.toISOString() })

/** An application as lists show it. */
export const summariseApplication = (application: Application) => ({
  applicationId: application.applicationId,
  consumer: application.consumer,
  dataset: application.dataset,
  department: application.department,
  state: application.state,
  purpose: application.request.purpose,
  validFrom: application.request.validFrom,
  validTo: application.request.validTo,
  submittedAt: time(application.submittedAt),
  dueAt: time(application.dueAt),
  isDueAssumed: application.isDueAssumed,
  agreement:
    application.agreementId === null ? null : `${application.agreementId}@${application.agreementVersion ?? 1}`,
})

const viewRequest = (request: ApplicationRequest) => ({
  ...request,
  area: [...request.area],
  forms: { ...request.forms },
})

/** What keeps an application that is being written from being submitted, one line each. */
async function missingOf(context: ManagementContext, application: Application): Promise<string[]> {
  if (!writtenStates.includes(application.state)) return []
  const faults = await findFaults(context, context.database.query, application, true)
  return faults.map(({ pointer, wanted }) => `${pointer}: wanted ${wanted}`)
}

/** The whole application for an account that may read it, with what that account may do next. */
export async function viewApplication(
  context: ManagementContext,
  account: Account,
  application: Application,
): Promise<Static<typeof ApplicationView>> {
  const { asked, extension, owner, officer, ended, isClearAllowed, isConditional, applicant } = application
  return {
    ...summariseApplication(application),
    request: viewRequest(application.request),
    isConditional,
    applicant,
    asked: deed(asked),
    extension: deed(extension),
    owner: answer(owner),
    officer: answer(officer),
    isClearAllowed,
    provisionedAt: time(application.provisionedAt),
    confirmedAt: time(application.confirmedAt),
    ended: deed(ended),
    disposal: application.disposal,
    missing: await missingOf(context, application),
    actions: applicationActionsFrom(application.state).filter((action) =>
      isPermitted(account, `application.${action}`, application),
    ),
  }
}
