import { AppError } from '../errors.ts'
import { asksForClear, findApplicationFaults, type ApplicationRequest } from '../feeds/application-rules.ts'
import type { AgreementFault } from '../feeds/agreement-rules.ts'
import type { Dataset } from '../feeds/datasets.ts'
import type { FieldForm } from '../feeds/forms.ts'
import type { Jurisdiction } from '../feeds/jurisdiction.ts'
import { formsOfProfile } from '../feeds/profiles.ts'
import { filledFrom, sharingOf, type Sharing } from '../feeds/sharing-type.ts'
import { dayIn } from '../feeds/source-hours.ts'
import { actorOf, type Account } from '../store/accounts.ts'
import {
  applicationName,
  insertApplication,
  lockApplication,
  rewriteApplication,
  type Application,
} from '../store/applications.ts'
import { markGranted } from '../store/application-moves.ts'
import type { Database, Query, Transaction } from '../store/database.ts'
import { listCatalogue } from '../store/feed-versions.ts'
import { listValidItems } from '../store/service-items.ts'
import { grantAgreement } from './agreements.ts'

export interface ApplicationContext {
  readonly database: Database
  readonly datasets: ReadonlyMap<string, Dataset>
  readonly jurisdiction: Jurisdiction
}

const TIME_ZONE = 'Asia/Shanghai'

/** The first moment of a yyyy-MM-dd, China Standard Time. */
const startOf = (day: string): Date => new Date(`${day}T00:00:00+08:00`)

/** Throws AGREEMENT_INVALID where there is no such dataset. */
export function datasetOf({ datasets }: Pick<ApplicationContext, 'datasets'>, name: string): Dataset {
  const dataset = datasets.get(name)
  if (dataset === undefined) throw new AppError('AGREEMENT_INVALID', `/dataset: wanted a dataset, ${name} is none`)
  return dataset
}

/** How a dataset is shared today. Throws DATASET_NOT_SHARED with the citation where it is not. */
export async function assertShared(
  { datasets }: Pick<ApplicationContext, 'datasets'>,
  query: Query,
  dataset: Dataset,
): Promise<Sharing> {
  const sources = filledFrom(dataset, datasets)
  const feeds = (await listCatalogue(query)).filter((feed) => sources.includes(feed.dataset))
  const sharing = sharingOf(feeds.flatMap(({ catalogue }) => (catalogue === null ? [] : [catalogue])))
  if (sharing.type === 'not-shared')
    throw new AppError('DATASET_NOT_SHARED', `${dataset.name}: ${sharing.basis ?? 'no basis was given'}`)
  return sharing
}

/** Everything that keeps the application from being submitted or approved; `isClearApproved` true: the officer is still to be asked. */
export async function findFaults(
  context: Pick<ApplicationContext, 'datasets'>,
  query: Query,
  { dataset, request }: Pick<Application, 'dataset' | 'request'>,
  isClearApproved: boolean,
): Promise<readonly AgreementFault[]> {
  const validItems = await listValidItems(query)
  const today = dayIn(TIME_ZONE, new Date())
  return findApplicationFaults({ request, dataset: datasetOf(context, dataset), validItems, today, isClearApproved })
}

/** What a consumer hands in: `forms` replace those of the profile, where one is named. */
export interface ApplicationDraft extends Omit<ApplicationRequest, 'forms'> {
  readonly forms: ApplicationRequest['forms']
}

/** Throws AGREEMENT_INVALID for a profile that does not exist. */
const withProfile = (draft: ApplicationDraft, dataset: Dataset): ApplicationRequest =>
  draft.profile === null ? draft : { ...draft, forms: { ...formsOfProfile(draft.profile, dataset), ...draft.forms } }

async function auditDraft(
  { audit }: Transaction,
  account: Account,
  applicationId: number,
  dataset: Dataset,
  purpose: string,
): Promise<void> {
  const object = applicationName(applicationId)
  const fact = { actor: actorOf(account), outcome: 'ok', dataset: dataset.name, purpose, object } as const
  await audit({ ...fact, type: 'application.drafted' })
}

/** Writes a new application as a draft. Throws DATASET_NOT_SHARED, APPLICATION_STATE, AGREEMENT_INVALID. */
export async function draftApplication(
  context: ApplicationContext,
  account: Account,
  { dataset: name, draft }: { readonly dataset: string; readonly draft: ApplicationDraft },
): Promise<number> {
  const dataset = datasetOf(context, name)
  return context.database.transaction(async (transaction) => {
    const { type } = await assertShared(context, transaction.query, dataset)
    const applicationId = await insertApplication(transaction.query, {
      consumer: account.consumer ?? '',
      dataset: name,
      department: dataset.lead,
      isConditional: type === 'conditional',
      applicantId: account.accountId,
      request: withProfile(draft, dataset),
    })
    await auditDraft(transaction, account, applicationId, dataset, draft.purpose)
    return applicationId
  })
}

/** Writes anew what a draft, or an application that needs more, asks for. Throws as `draftApplication`. */
export async function redraftApplication(
  context: ApplicationContext,
  account: Account,
  applicationId: number,
  draft: ApplicationDraft,
): Promise<void> {
  await context.database.transaction(async (transaction) => {
    const application = await lockApplication(transaction.query, applicationId)
    const dataset = datasetOf(context, application.dataset)
    const { type } = await assertShared(context, transaction.query, dataset)
    await rewriteApplication(transaction.query, applicationId, {
      department: dataset.lead,
      isConditional: type === 'conditional',
      applicantId: account.accountId,
      request: withProfile(draft, dataset),
    })
    await auditDraft(transaction, account, applicationId, dataset, draft.purpose)
  })
}

/** True once the first day of the term is there. */
export const hasBegun = ({ validFrom }: Pick<ApplicationRequest, 'validFrom'>): boolean =>
  validFrom <= dayIn(TIME_ZONE, new Date())

/**
 * Grants the agreement of an application that both sides approved: a new one, or the next version of the one between the same consumer
 * and dataset. Throws AGREEMENT_INVALID where it is acceptable no more.
 */
export async function grantApplication(
  context: Pick<ApplicationContext, 'datasets'>,
  transaction: Transaction,
  application: Application,
  grantedBy: string,
): Promise<void> {
  const { applicationId, consumer, consumerId, request, isClearAllowed } = application
  const dataset = datasetOf(context, application.dataset)
  const granted = await grantAgreement(transaction, {
    consumer,
    consumerId,
    dataset,
    forms: request.forms as Readonly<Record<string, FieldForm>>,
    area: request.area,
    purpose: request.purpose,
    method: request.method,
    recordsPerDay: request.recordsPerDay,
    pageSize: request.pageSize,
    validTo: startOf(request.validTo),
    grantedBy,
    isClearApproved: isClearAllowed && asksForClear(request, dataset),
  })
  await markGranted(transaction.query, { applicationId, ...granted })
}
