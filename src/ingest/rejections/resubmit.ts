import { AppError } from '../../errors.ts'
import type { Dataset } from '../../feeds/datasets.ts'
import type { KeyRing } from '../../security/key-ring.ts'
import type { Database } from '../../store/database.ts'
import type { Feed } from '../../store/feeds.ts'
import { findOpenRejections, type StoredRejection } from '../../store/rejections.ts'
import type { Run } from '../../store/runs.ts'
import { saveResubmission } from '../../store/save-resubmission.ts'
import { compileMapping } from '../map.ts'
import { digestRecord, openRejection, protect, protectRejections, rowToken, type Protection } from '../protect.ts'
import { validate } from '../validate.ts'
import type { CorrectedCells } from './corrected-files.ts'
import { MOST_EXPORTED } from './export.ts'
import { columnsOf, withCells } from './row-columns.ts'
import { explainReasons, type ShownReason } from './show.ts'

export interface ResubmitContext {
  readonly database: Database
  readonly keys: KeyRing
  readonly feed: Feed
  readonly dataset: Dataset
  /** Of whoever sends the rows: those of another department's feed are not found. */
  readonly department: string
  readonly actor: string
}

/** A corrected source row in the place of a refused one. */
export interface ResubmittedRow {
  readonly rejectionId: number
  readonly row: unknown
}

export interface ResubmitResult {
  readonly run: Run
  readonly results: readonly {
    readonly rejectionId: number
    readonly outcome: 'resubmitted' | 'refused'
    /** Why it was refused once more. */
    readonly reasons: readonly ShownReason[]
  }[]
}

async function findWaiting(
  context: ResubmitContext,
  ids: readonly number[],
): Promise<ReadonlyMap<number, StoredRejection>> {
  if (ids.length === 0 || ids.length > MOST_EXPORTED)
    throw new AppError('RESUBMISSION_INVALID', `${ids.length} rows were given, wanted 1 to ${MOST_EXPORTED}`)
  if (new Set(ids).size < ids.length) throw new AppError('RESUBMISSION_INVALID', 'a rejection is named twice')
  const { database, feed, department } = context
  const waiting = await findOpenRejections(database.query, feed.feedId, department, ids)
  const missing = ids.length - waiting.length
  if (missing > 0)
    throw new AppError(
      'REJECTION_SETTLED',
      `${missing} of ${ids.length} do not wait any more; list what waits and send the rest`,
    )
  return new Map(waiting.map((rejection) => [rejection.rejectionId, rejection]))
}

/**
 * Takes corrected rows through the same mapping, checks, protection and transaction as a run. Good rows become records and settle
 * their rejections; the others stay, with their new reasons. Throws RESUBMISSION_INVALID, REJECTION_SETTLED.
 */
export async function resubmit(
  context: ResubmitContext,
  resubmitted: readonly ResubmittedRow[],
): Promise<ResubmitResult> {
  const { database, keys, feed, dataset, actor } = context
  await findWaiting(
    context,
    resubmitted.map(({ rejectionId }) => rejectionId),
  )
  const protection: Protection = { dataset, feed: feed.code, keys, today: new Date() }
  const mapRow = compileMapping(feed.manifest, dataset)
  const raw = resubmitted.map(({ row: value }, row) => mapRow({ row, value }))
  const { valid, rejected, warnings } = validate(raw, dataset)
  const reasonsByPlace = new Map(rejected.map(({ source, reasons }) => [source.row, reasons]))
  const rejections = protectRejections(rejected, protection)
  const run = await saveResubmission(database, feed, {
    actor,
    accepted: resubmitted.filter((_, place) => !reasonsByPlace.has(place)).map(({ rejectionId }) => rejectionId),
    refused: rejections.map((rejection) => ({ rejectionId: resubmitted[rejection.row]?.rejectionId ?? 0, rejection })),
    page: {
      records: protect(
        valid.map((record) => digestRecord(record, protection)),
        protection,
      ),
      rejections,
      seen: [],
      supersedes: valid.map(({ recordId }) => rowToken(recordId, protection)),
      tokenOf: (recordId) => rowToken(recordId, protection),
      cursor: null,
      pulled: resubmitted.length,
      valid: valid.length,
      warnings,
      sourceTotal: null,
      chunk: null,
      isLast: false,
      drift: {},
      shape: null,
    },
  })
  const results = resubmitted.map(({ rejectionId }, place) => {
    const reasons = explainReasons(reasonsByPlace.get(place) ?? [])
    return { rejectionId, outcome: reasons.length === 0 ? ('resubmitted' as const) : ('refused' as const), reasons }
  })
  return { run, results }
}

/** As `resubmit`, for the cells of a file that was exported, corrected and sent back. */
export async function resubmitCells(context: ResubmitContext, cells: CorrectedCells): Promise<ResubmitResult> {
  const { feed, dataset, keys } = context
  const columns = columnsOf(feed.manifest, dataset)
  const waiting = await findWaiting(
    context,
    cells.map(({ rejectionId }) => rejectionId),
  )
  const resubmitted = cells.map(({ rejectionId, byColumn }) => {
    const stored = waiting.get(rejectionId)
    const before = stored === undefined ? null : openRejection(stored, { feed: feed.code, keys })
    return {
      rejectionId,
      row: withCells(
        before,
        columns,
        columns.map(({ name }) => byColumn.get(name)),
      ),
    }
  })
  return resubmit(context, resubmitted)
}
