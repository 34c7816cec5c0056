import type { SharedRecord } from '../record.ts'
import type { Agreement } from '../store/agreements.ts'
import { readHorizon, readLiving } from '../store/changes.ts'
import { encodeCursor, encodeSnapshotCursor, type SnapshotPlace } from './cursors.ts'
import { assertMayCopy, auditShared, datasetOfAgreement, type SharingContext } from './pull.ts'
import { selectionOf, share } from './share.ts'

export interface SnapshotPage {
  /** Living records; what was deleted does not show. */
  readonly changes: readonly SharedRecord[]
  /** Opaque; give it back to go on from here. */
  readonly cursor: string
  readonly hasMore: boolean
  /** On the last page: where the change feed takes over. */
  readonly feedCursor?: string
}

export interface SnapshotRequest {
  readonly agreement: Agreement
  readonly place: SnapshotPlace
  readonly limit: number
}

/**
 * The living records as the agreement grants them, in commit order up to the place that the first page took. What changes while the pages
 * are read moves behind that place and comes by the feed from `feedCursor`: each version arrives once, by one of the two. Audited as
 * `pullChanges`. Throws QUERY_ONLY, QUOTA_SPENT, AUDIT_UNAVAILABLE.
 */
export async function pullSnapshot(context: SharingContext, request: SnapshotRequest): Promise<SnapshotPage> {
  const { database, keys } = context
  const { agreement, place, limit } = request
  assertMayCopy(agreement)
  const dataset = datasetOfAgreement(context, agreement)
  const end = place.end ?? (await readHorizon(database.query))
  const found = await readLiving(
    database.query,
    selectionOf(agreement, dataset),
    { after: place.after, end },
    limit + 1,
  )
  const page = found.slice(0, limit)
  const shared = share(page, agreement, { dataset, keys, today: new Date() })
  await auditShared(context, agreement, { type: 'snapshot.pulled', changes: page, shared })
  const { version } = agreement
  const isLast = found.length <= limit
  return {
    changes: shared,
    cursor: encodeSnapshotCursor(version, isLast ? end : (page.at(-1) ?? end), end),
    hasMore: !isLast,
    ...(isLast ? { feedCursor: encodeCursor(version, end) } : {}),
  }
}
