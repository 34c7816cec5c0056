import { hash } from 'node:crypto'
import { AppError } from '../errors.ts'
import type { SharedRecord } from '../record.ts'
import { auditBeforeAnswer } from '../store/audit-log.ts'
import { FIRST_PLACE, readChanges, type ChangePlace } from '../store/changes.ts'
import type { Agreement } from '../store/consumers.ts'
import type { Database } from '../store/database.ts'
import { share } from './share.ts'

export interface PulledPage {
  readonly changes: readonly SharedRecord[]
  /** Opaque; give it back to go on from here. */
  readonly cursor: string
  readonly hasMore: boolean
}

/** A cursor says only where in commit order; what lies there is decided by the agreement each time. */
export function encodeCursor(place: ChangePlace): string {
  return Buffer.from(`1.${place.tx}.${place.seq}`).toString('base64url')
}

/** Throws CURSOR_INVALID. No cursor means: from the beginning. */
export function decodeCursor(cursor: string | undefined): ChangePlace {
  if (cursor === undefined || cursor === '') return FIRST_PLACE
  const parts = /^1\.(\d{1,19})\.(\d{1,9})$/.exec(Buffer.from(cursor, 'base64url').toString('utf8'))
  if (parts === null) throw new AppError('CURSOR_INVALID', 'give back a cursor from an earlier answer, or none')
  return { tx: parts[1] ?? '0', seq: Number(parts[2]) }
}

export interface PullRequest {
  readonly agreement: Agreement
  readonly after: ChangePlace
  readonly limit: number
  readonly auditDeadlineMs: number
}

/**
 * The changes after a place, as the agreement grants them. The audit entry is committed before this returns; when it cannot
 * be within the deadline, nothing is answered: AUDIT_UNAVAILABLE (503).
 */
export async function pullChanges(database: Database, request: PullRequest): Promise<PulledPage> {
  const { agreement, after, limit } = request
  const changes = await readChanges(database.query, agreement.datasetId, after, limit + 1)
  const page = changes.slice(0, limit)
  const shared = share(page, agreement)
  const last = page.at(-1)
  const cursor = encodeCursor(last === undefined ? after : { tx: last.tx, seq: last.seq })
  await auditBeforeAnswer(database, agreement.dataset, request.auditDeadlineMs, ({ audit }) =>
    audit({
      type: 'changes.pulled',
      actor: `consumer:${agreement.consumer}`,
      outcome: 'ok',
      dataset: agreement.dataset,
      agreement: `${agreement.agreementId}@${agreement.version}`,
      purpose: agreement.purpose,
      count: shared.length,
      outputDigest: hash('sha256', JSON.stringify(shared)),
    }),
  )
  return { changes: shared, cursor, hasMore: changes.length > limit }
}
