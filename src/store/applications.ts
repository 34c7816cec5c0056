import { AppError } from '../errors.ts'
import type { ApplicationState } from '../feeds/application-life.ts'
import type { ApplicationRequest } from '../feeds/application-rules.ts'
import type { Query } from './database.ts'

/** What the data owner or the security administrator answered. */
export interface Answer {
  readonly by: string
  readonly verdict: 'approve' | 'refuse'
  readonly reason: string
  readonly at: Date
}

/** How a consumer disposed of what it had received. Words and counts, no values. */
export interface DisposalReceipt {
  readonly way: 'deleted' | 'overwritten' | 'destroyed'
  /** yyyy-MM-dd */
  readonly on: string
  readonly copies: number
  readonly statement: string
}

/** Something that one account did once, with its words. */
export interface Deed {
  readonly by: string
  readonly at: Date
  readonly reason: string
}

/** An application for the use of one dataset by one consumer. Accounts are told by their names. */
export interface Application {
  readonly applicationId: number
  readonly consumerId: number
  readonly consumer: string
  readonly dataset: string
  /** Department whose data owner answers. */
  readonly department: string
  readonly state: ApplicationState
  readonly request: ApplicationRequest
  /** False: the dataset is shared without condition, so the answer is due sooner. */
  readonly isConditional: boolean
  readonly applicantId: number
  readonly applicant: string
  readonly submittedAt: Date | null
  /** When the answer is due or, once approved, the provision. */
  readonly dueAt: Date | null
  /** A year of the term has no calendar, so its holidays were not known. */
  readonly isDueAssumed: boolean
  readonly asked: Deed | null
  readonly extension: Deed | null
  readonly ownerId: number | null
  readonly owner: Answer | null
  readonly officerId: number | null
  readonly officer: Answer | null
  readonly isClearAllowed: boolean
  readonly agreementId: number | null
  readonly agreementVersion: number | null
  readonly provisionedAt: Date | null
  readonly confirmedAt: Date | null
  readonly ended: Deed | null
  readonly disposal: DisposalReceipt | null
  readonly disposedAt: Date | null
}

/** How the audit log and alerts name an application. */
export const applicationName = (applicationId: number): string => `application/${applicationId}`

/** One row as it comes; what belongs together is put together by `toApplication`. */
type Row = Omit<Application, 'asked' | 'extension' | 'owner' | 'officer' | 'ended'> & {
  readonly askedBy: string | null
  readonly askedAt: Date | null
  readonly askedFor: string | null
  readonly extendedBy: string | null
  readonly extendedAt: Date | null
  readonly extendReason: string | null
  readonly ownerName: string | null
  readonly ownerVerdict: Answer['verdict'] | null
  readonly ownerReason: string | null
  readonly ownerAt: Date | null
  readonly officerName: string | null
  readonly officerVerdict: Answer['verdict'] | null
  readonly officerReason: string | null
  readonly officerAt: Date | null
  readonly endedBy: string | null
  readonly endedAt: Date | null
  readonly endReason: string | null
}

const nameOf = (column: string): string => `(select name from account where account_id = ${column})`

const APPLICATIONS = `
  select application_id as "applicationId", application.consumer_id as "consumerId", consumer.name as consumer, dataset.name as dataset,
         application.department, application.state, request, is_conditional as "isConditional", applicant_id as "applicantId",
         ${nameOf('applicant_id')} as applicant, submitted_at as "submittedAt", due_at as "dueAt", is_due_assumed as "isDueAssumed",
         ${nameOf('asked_by')} as "askedBy", asked_at as "askedAt", asked_for as "askedFor",
         ${nameOf('extended_by')} as "extendedBy", extended_at as "extendedAt", extend_reason as "extendReason",
         owner_id as "ownerId", ${nameOf('owner_id')} as "ownerName", owner_verdict as "ownerVerdict", owner_reason as "ownerReason",
         owner_at as "ownerAt", officer_id as "officerId", ${nameOf('officer_id')} as "officerName",
         officer_verdict as "officerVerdict", officer_reason as "officerReason", officer_at as "officerAt",
         is_clear_allowed as "isClearAllowed", agreement_id as "agreementId", agreement_version as "agreementVersion",
         provisioned_at as "provisionedAt", confirmed_at as "confirmedAt",
         ended_by as "endedBy", ended_at as "endedAt", end_reason as "endReason", disposal, disposed_at as "disposedAt"
    from application join consumer using (consumer_id) join dataset using (dataset_id)`

const deed = (by: string | null, at: Date | null, reason: string | null): Deed | null =>
  by === null || at === null ? null : { by, at, reason: reason ?? '' }

const answer = (
  by: string | null,
  verdict: Answer['verdict'] | null,
  reason: string | null,
  at: Date | null,
): Answer | null => (by === null || verdict === null || at === null ? null : { by, verdict, reason: reason ?? '', at })

function toApplication(row: Row): Application {
  const { askedBy, askedAt, askedFor, extendedBy, extendedAt, extendReason, endedBy, endedAt, endReason, ...rest } = row
  const {
    ownerName,
    ownerVerdict,
    ownerReason,
    ownerAt,
    officerName,
    officerVerdict,
    officerReason,
    officerAt,
    ...kept
  } = rest
  return {
    ...kept,
    asked: deed(askedBy, askedAt, askedFor),
    extension: deed(extendedBy, extendedAt, extendReason),
    owner: answer(ownerName, ownerVerdict, ownerReason, ownerAt),
    officer: answer(officerName, officerVerdict, officerReason, officerAt),
    ended: deed(endedBy, endedAt, endReason),
  }
}

export interface NewApplication {
  readonly consumer: string
  readonly dataset: string
  readonly department: string
  readonly isConditional: boolean
  readonly applicantId: number
  readonly request: ApplicationRequest
}

/** Writes an application as a draft. Throws APPLICATION_STATE where the consumer has one for the dataset that is not answered yet. */
export async function insertApplication(query: Query, application: NewApplication): Promise<number> {
  const { consumer, dataset, department, isConditional, applicantId, request } = application
  const [row] = await query<{ applicationId: number }>(
    `insert into application (consumer_id, dataset_id, state, request, valid_from, valid_to, applicant_id, department, is_conditional)
       select consumer_id, dataset_id, 'draft', $3, $4, $5, $6, $7, $8 from consumer, dataset
        where consumer.name = $1 and dataset.name = $2
       on conflict (consumer_id, dataset_id) where state in ('draft', 'submitted', 'need-more') do nothing
       returning application_id as "applicationId"`,
    [
      consumer,
      dataset,
      JSON.stringify(request),
      request.validFrom,
      request.validTo,
      applicantId,
      department,
      isConditional,
    ],
  )
  if (row === undefined)
    throw new AppError('APPLICATION_STATE', `${consumer} has an application for ${dataset} that is not answered yet`)
  return row.applicationId
}

/** Writes anew what is asked for, and by whom. Returns false where it is no longer being written. */
export async function rewriteApplication(
  query: Query,
  applicationId: number,
  { request, applicantId, department, isConditional }: Omit<NewApplication, 'consumer' | 'dataset'>,
): Promise<void> {
  const rows = await query(
    `update application set request = $2, valid_from = $3, valid_to = $4, applicant_id = $5, department = $6, is_conditional = $7
      where application_id = $1 and state in ('draft', 'need-more') returning application_id`,
    [
      applicationId,
      JSON.stringify(request),
      request.validFrom,
      request.validTo,
      applicantId,
      department,
      isConditional,
    ],
  )
  if (rows.length === 0) throw new AppError('APPLICATION_STATE', 'what was submitted is not written anew')
}

/** Throws APPLICATION_UNKNOWN. */
export async function findApplication(query: Query, applicationId: number): Promise<Application> {
  const [row] = await query<Row>(`${APPLICATIONS} where application_id = $1`, [applicationId])
  if (row === undefined) throw new AppError('APPLICATION_UNKNOWN', `application ${applicationId}`)
  return toApplication(row)
}

/** The application, locked until the transaction ends. Throws APPLICATION_UNKNOWN. */
export async function lockApplication(query: Query, applicationId: number): Promise<Application> {
  await query('select from application where application_id = $1 for no key update', [applicationId])
  return findApplication(query, applicationId)
}

export interface ApplicationFilter {
  /** Null: of every consumer. */
  readonly consumer: string | null
  /** Null: for every department. */
  readonly department: string | null
  readonly state: ApplicationState | null
  /** Number of the last one on the page before. */
  readonly before: number | null
  readonly limit: number
}

/** Applications, the newest first. */
export async function listApplications(query: Query, filter: ApplicationFilter): Promise<readonly Application[]> {
  const rows = await query<Row>(
    `${APPLICATIONS}
      where ($1::text is null or consumer.name = $1) and ($2::text is null or application.department = $2)
        and ($3::text is null or application.state = $3) and ($4::bigint is null or application_id < $4)
      order by application_id desc limit $5`,
    [filter.consumer, filter.department, filter.state, filter.before, filter.limit],
  )
  return rows.map(toApplication)
}
