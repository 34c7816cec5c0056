import { AppError, type ErrorCode } from '../errors.ts'
import type { FieldForm } from '../feeds/forms.ts'
import { openBytes } from '../security/seal.ts'
import { agreementName, type Agreement } from '../store/agreements.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import { findPart, listParts, type ExportPart } from '../store/export-parts.ts'
import { findExport, type Export, type ExportState } from '../store/exports.ts'
import { encodeCursor } from './cursors.ts'
import { boundOfPart } from './export-part.ts'
import { findAgreementOfExport } from './export.ts'
import type { SharingContext } from './pull.ts'

/** Why the files of an export cannot be had: they are gone, or they never were. */
const barriers: Partial<Readonly<Record<ExportState, ErrorCode>>> = {
  expired: 'EXPORT_EXPIRED',
  cancelled: 'EXPORT_EXPIRED',
}

interface Opened {
  readonly found: Export
  readonly agreement: Agreement
}

/** An export whose files may be had now. Throws EXPORT_UNKNOWN, EXPORT_STATE, EXPORT_EXPIRED, EXPORT_REFUSED, and as the agreement. */
async function openExport(context: SharingContext, exportId: number, consumerId: number): Promise<Opened> {
  const found = await findExport(context.database.query, exportId, consumerId)
  if (found.state === 'refused') throw new AppError(found.reason ?? 'EXPORT_REFUSED', found.remark ?? '')
  if (found.state !== 'ready') throw new AppError(barriers[found.state] ?? 'EXPORT_STATE', `it is ${found.state}`)
  if (found.expiresAt !== null && found.expiresAt.getTime() <= Date.now()) throw new AppError('EXPORT_EXPIRED')
  return { found, agreement: await findAgreementOfExport(context, found) }
}

/** What an export holds: enough to know that everything arrived, and where to go on. Model: FHIR Bulk Data Access, "complete". */
export interface ExportManifest {
  readonly exportId: number
  readonly dataset: string
  readonly agreement: string
  readonly forms: Readonly<Record<string, FieldForm>>
  readonly area: readonly string[]
  readonly purpose: string
  readonly transactionTime: Date
  readonly expiresAt: Date
  readonly parts: readonly ExportPart[]
  readonly totals: { readonly parts: number; readonly records: number; readonly bytes: number }
  /** For the change feed: what came about after this copy. */
  readonly feedCursor: string
  readonly k: number | null
  readonly withheld: number
  readonly smallestClass: number | null
  readonly errors: readonly { readonly code: ErrorCode; readonly records: number }[]
}

/** Throws as `openExport`. */
export async function describeExport(
  context: SharingContext,
  exportId: number,
  consumerId: number,
): Promise<ExportManifest> {
  const { found, agreement } = await openExport(context, exportId, consumerId)
  const { place, transactionTime, expiresAt, dataset, area, purpose, k, withheld, smallestClass, broken } = found
  if (place === null || transactionTime === null || expiresAt === null) throw new AppError('EXPORT_STATE')
  return {
    exportId,
    dataset,
    agreement: agreementName(agreement),
    forms: agreement.forms,
    area,
    purpose,
    transactionTime,
    expiresAt,
    parts: await listParts(context.database.query, exportId),
    totals: { parts: found.parts, records: found.records, bytes: found.bytes },
    feedCursor: encodeCursor(agreement.version, place),
    k,
    withheld,
    smallestClass,
    errors: broken === 0 ? [] : [{ code: 'SEAL_BROKEN', records: broken }],
  }
}

/** A file of an export whose agreement was looked at; nothing of it has been opened. */
export interface FoundPart {
  readonly part: ExportPart
  /** Opens the file after its audit entry is committed; `range` is what of it is about to leave. */
  readonly open: (range: { readonly from: number; readonly to: number }) => Promise<Buffer>
}

/** Throws as `openExport`; `open` throws AUDIT_UNAVAILABLE, SEAL_BROKEN, KEY_UNAVAILABLE. */
export async function findExportPart(
  context: SharingContext,
  exportId: number,
  number: number,
  consumerId: number,
): Promise<FoundPart> {
  const { agreement } = await openExport(context, exportId, consumerId)
  const { sealed, subjects, ...part } = await findPart(context.database.query, exportId, number)
  return {
    part,
    open: async ({ from, to }) => {
      const { consumer, dataset, purpose } = agreement
      await auditBeforeAnswer(context.database, dataset, context.auditDeadlineMs, ({ audit }) =>
        audit({
          type: 'export.downloaded',
          actor: `consumer:${consumer}`,
          outcome: 'ok',
          dataset,
          purpose,
          agreement: agreementName(agreement),
          object: `export/${exportId}/part/${number}`,
          count: part.records,
          outputDigest: part.digest,
          subjects,
          details: { from, to },
        }),
      )
      return openBytes(context.keys.sealKey, boundOfPart(exportId, number), sealed).subarray(from, to + 1)
    },
  }
}
