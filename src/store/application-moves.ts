import type { DueDay } from '../feeds/working-days.ts'
import type { DisposalReceipt } from './applications.ts'
import type { Query } from './database.ts'

/** Every function here changes one application that the caller has locked. */

/** The answer to it is due; what was answered before it was written anew is void. */
export async function markSubmitted(query: Query, applicationId: number, { due, isAssumed }: DueDay): Promise<void> {
  await query(
    `update application set state = 'submitted', submitted_at = clock_timestamp(), due_at = $2, is_due_assumed = $3,
            owner_id = null, owner_verdict = null, owner_reason = null, owner_at = null,
            officer_id = null, officer_verdict = null, officer_reason = null, officer_at = null, is_clear_allowed = false
      where application_id = $1`,
    [applicationId, due, isAssumed],
  )
}

export async function markWithdrawn(query: Query, applicationId: number): Promise<void> {
  await query(`update application set state = 'withdrawn' where application_id = $1`, [applicationId])
}

/** Everything that is missing is told at once, and once (一次性告知). */
export async function markAsked(query: Query, applicationId: number, by: number, askedFor: string): Promise<void> {
  await query(
    `update application set state = 'need-more', asked_by = $2, asked_at = clock_timestamp(), asked_for = $3
      where application_id = $1`,
    [applicationId, by, askedFor],
  )
}

export async function markExtended(
  query: Query,
  applicationId: number,
  by: number,
  reason: string,
  { due, isAssumed }: DueDay,
): Promise<void> {
  await query(
    `update application set extended_by = $2, extended_at = clock_timestamp(), extend_reason = $3, due_at = $4,
            is_due_assumed = is_due_assumed or $5
      where application_id = $1`,
    [applicationId, by, reason, due, isAssumed],
  )
}

export interface NewAnswer {
  readonly by: number
  readonly verdict: 'approve' | 'refuse'
  readonly reason: string
}

export async function saveOwnerAnswer(query: Query, applicationId: number, answer: NewAnswer): Promise<void> {
  await query(
    `update application set owner_id = $2, owner_verdict = $3, owner_reason = $4, owner_at = clock_timestamp()
      where application_id = $1`,
    [applicationId, answer.by, answer.verdict, answer.reason],
  )
}

export async function saveOfficerAnswer(
  query: Query,
  applicationId: number,
  answer: NewAnswer,
  isClearAllowed: boolean,
): Promise<void> {
  await query(
    `update application set officer_id = $2, officer_verdict = $3, officer_reason = $4, officer_at = clock_timestamp(),
            is_clear_allowed = $5
      where application_id = $1`,
    [applicationId, answer.by, answer.verdict, answer.reason, isClearAllowed],
  )
}

export async function markRefused(query: Query, applicationId: number): Promise<void> {
  await query(`update application set state = 'refused' where application_id = $1`, [applicationId])
}

/** Both said yes; the provision is due. */
export async function markApproved(query: Query, applicationId: number, { due, isAssumed }: DueDay): Promise<void> {
  await query(`update application set state = 'approved', due_at = $2, is_due_assumed = $3 where application_id = $1`, [
    applicationId,
    due,
    isAssumed,
  ])
}

/** Its agreement is in force; the application that the one before it came from is at its end. */
export async function markGranted(
  query: Query,
  { applicationId, agreementId, version }: Readonly<Record<'applicationId' | 'agreementId' | 'version', number>>,
): Promise<void> {
  await query(
    `update application set state = 'superseded', ended_by = 'system', ended_at = clock_timestamp(),
            end_reason = 'application/' || $1::text
      where agreement_id = $2 and application_id <> $1::bigint and state in ('approved', 'provisioned', 'active')`,
    [applicationId, agreementId],
  )
  await query('update application set agreement_id = $2, agreement_version = $3 where application_id = $1', [
    applicationId,
    agreementId,
    version,
  ])
}

export async function markProvisioned(query: Query, applicationId: number, by: number): Promise<void> {
  await query(
    `update application set state = 'provisioned', provisioned_by = $2, provisioned_at = clock_timestamp()
      where application_id = $1`,
    [applicationId, by],
  )
}

export async function markConfirmed(query: Query, applicationId: number): Promise<void> {
  await query(`update application set state = 'active', confirmed_at = clock_timestamp() where application_id = $1`, [
    applicationId,
  ])
}

/** Ends it at once, and with it the agreement that it was granted. `by` as the audit log names accounts. */
export async function markRevoked(query: Query, applicationId: number, by: string, reason: string): Promise<void> {
  await query(
    `with revoked as (
       update application set state = 'revoked', ended_by = $2, ended_at = clock_timestamp(), end_reason = $3
        where application_id = $1 returning agreement_id)
     update agreement set valid_to = clock_timestamp()
       from revoked where agreement.agreement_id = revoked.agreement_id and valid_to > clock_timestamp()`,
    [applicationId, by, reason],
  )
}

export async function saveDisposal(
  query: Query,
  applicationId: number,
  by: number,
  receipt: DisposalReceipt,
): Promise<void> {
  await query(
    `update application set state = 'disposed', disposal = $3, disposed_by = $2, disposed_at = clock_timestamp()
      where application_id = $1`,
    [applicationId, by, JSON.stringify(receipt)],
  )
}
