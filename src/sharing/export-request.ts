import { AppError } from '../errors.ts'
import { exportDuties } from '../security/permissions.ts'
import { agreementName, type Agreement } from '../store/agreements.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import type { Database } from '../store/database.ts'
import {
  insertDecision,
  lockWaitingExport,
  refuseExport,
  releaseApproved,
  type ExportDecision,
} from '../store/export-approvals.ts'
import { cancelExport, expireExports, findExport, insertExport, type Export } from '../store/exports.ts'
import { assertMayCopy, type SharingContext } from './pull.ts'

const nameOf = ({ agreementId, agreementVersion }: Pick<Export, 'agreementId' | 'agreementVersion'>): string =>
  agreementName({ agreementId, version: agreementVersion })

/** Asks for an export of all that the agreement grants. Throws QUERY_ONLY, EXPORT_EXISTS, AUDIT_UNAVAILABLE. */
export async function requestExport(
  { database, auditDeadlineMs }: SharingContext,
  agreement: Agreement,
): Promise<Export> {
  assertMayCopy(agreement)
  const { consumer, consumerId, dataset, purpose } = agreement
  return auditBeforeAnswer(database, dataset, auditDeadlineMs, async ({ query, audit }) => {
    const exportId = await insertExport(query, agreement)
    const fact = { actor: `consumer:${consumer}`, outcome: 'ok', dataset, purpose } as const
    const object = `export/${exportId}`
    await audit({ ...fact, type: 'export.requested', agreement: agreementName(agreement), object })
    return findExport(query, exportId, consumerId)
  })
}

/** Ends an export of the consumer; its files go within seconds. One that has ended stays as it is. Throws EXPORT_UNKNOWN. */
export async function forgetExport(
  { database, auditDeadlineMs }: SharingContext,
  exportId: number,
  consumerId: number,
): Promise<Export> {
  return auditBeforeAnswer(database, 'export', auditDeadlineMs, async ({ query, audit }) => {
    const found = await findExport(query, exportId, consumerId)
    if (!(await cancelExport(query, exportId))) return found
    const { consumer, dataset } = found
    const fact = { actor: `consumer:${consumer}`, outcome: 'ok', dataset, object: `export/${exportId}` } as const
    await audit({ ...fact, type: 'export.ended', agreement: nameOf(found), details: { reason: 'cancelled' } })
    return findExport(query, exportId, consumerId)
  })
}

/**
 * Keeps what one account decides about a large export. When every duty was done by an account of its own it goes on; when one refuses
 * it has ended. Throws EXPORT_UNKNOWN, EXPORT_STATE, SECOND_PERSON, and REQUEST_INVALID for a refusal without a reason.
 */
export async function decideExport(
  { database }: Pick<SharingContext, 'database'>,
  exportId: number,
  given: ExportDecision,
  actor: string,
): Promise<Export> {
  const { decision, duty, reason } = given
  if (decision === 'refuse' && reason === null) throw new AppError('REQUEST_INVALID', 'body/reason: wanted why')
  return database.transaction(async ({ query, audit }) => {
    await lockWaitingExport(query, exportId)
    await insertDecision(query, exportId, given)
    if (decision === 'refuse') await refuseExport(query, exportId, reason)
    else await releaseApproved(query, exportId, Object.keys(exportDuties).length)
    const decided = await findExport(query, exportId, null)
    const { dataset, purpose, persons } = decided
    const fact = { actor, dataset, purpose, agreement: nameOf(decided), object: `export/${exportId}` } as const
    const verdict = { approve: 'export.approved', refuse: 'export.refused' } as const
    const outcome = decision === 'approve' ? 'ok' : 'denied'
    await audit({ ...fact, type: verdict[decision], outcome, details: { duty, persons, reason } })
    return decided
  })
}

/** Ends what may be kept no longer, each with its audit entry. Returns how many. */
export async function endExpiredExports(database: Database): Promise<number> {
  return database.transaction(async ({ query, audit }) => {
    const ended = await expireExports(query)
    for (const one of ended) {
      const fact = { actor: 'system:scheduler', outcome: 'ok', dataset: one.dataset } as const
      const object = `export/${one.exportId}`
      const details = { reason: 'EXPORT_EXPIRED', consumer: one.consumer }
      await audit({ ...fact, type: 'export.ended', agreement: nameOf(one), object, details })
    }
    return ended.length
  })
}
