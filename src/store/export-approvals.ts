import { AppError } from '../errors.ts'
import type { ExportDuty } from '../security/permissions.ts'
import type { Query } from './database.ts'

export interface ExportDecision {
  readonly duty: ExportDuty
  readonly accountId: number
  readonly decision: 'approve' | 'refuse'
  readonly reason: string | null
}

/** A decision as others see it. */
export interface ExportApproval extends Omit<ExportDecision, 'accountId'> {
  readonly by: string
  readonly decidedAt: Date
}

/** Holds the export until the transaction ends. Throws EXPORT_UNKNOWN, and EXPORT_STATE where nobody has to decide about it. */
export async function lockWaitingExport(query: Query, exportId: number): Promise<void> {
  const [row] = await query<{ state: string }>('select state from export where export_id = $1 for update', [exportId])
  if (row === undefined) throw new AppError('EXPORT_UNKNOWN', `export ${exportId}`)
  if (row.state !== 'awaiting-approval') throw new AppError('EXPORT_STATE', `it is ${row.state}`)
}

/** Throws EXPORT_STATE where the duty was done already, SECOND_PERSON where the account has done the other one. */
export async function insertDecision(query: Query, exportId: number, given: ExportDecision): Promise<void> {
  const rows = await query(
    `insert into export_approval (export_id, duty, account_id, decision, reason) values ($1, $2, $3, $4, $5)
       on conflict do nothing returning 1`,
    [exportId, given.duty, given.accountId, given.decision, given.reason],
  )
  if (rows.length === 1) return
  const [own] = await query('select from export_approval where export_id = $1 and account_id = $2 and duty <> $3', [
    exportId,
    given.accountId,
    given.duty,
  ])
  if (own !== undefined) throw new AppError('SECOND_PERSON', `export ${exportId}`)
  throw new AppError('EXPORT_STATE', `${given.duty} was decided already`)
}

/** Lets the export be read once everybody has agreed. False: somebody has still to. */
export async function releaseApproved(query: Query, exportId: number, duties: number): Promise<boolean> {
  const rows = await query(
    `update export set state = 'running', lease_until = null, not_before = null
      where export_id = $1 and state = 'awaiting-approval'
        and (select count(*) from export_approval where export_id = $1 and decision = 'approve') = $2
      returning export_id`,
    [exportId, duties],
  )
  return rows.length === 1
}

/** Ends an export that somebody does not agree to. */
export async function refuseExport(query: Query, exportId: number, remark: string | null): Promise<void> {
  await query(
    `update export set state = 'refused', reason = 'EXPORT_REFUSED', remark = $2, ended_at = clock_timestamp()
      where export_id = $1 and state = 'awaiting-approval'`,
    [exportId, remark],
  )
}

export async function listApprovals(query: Query, exportId: number): Promise<readonly ExportApproval[]> {
  return query<ExportApproval>(
    `select duty, decision, reason, account.name as by, decided_at as "decidedAt"
       from export_approval join account using (account_id) where export_id = $1 order by decided_at`,
    [exportId],
  )
}
