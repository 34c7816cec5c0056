import type { Agreement } from '../store/agreements.ts'
import { readHorizon, readLiving } from '../store/changes.ts'
import { encodeCursor, encodeSnapshotCursor, type SnapshotPlace } from './cursors.ts'
import { answerShared, assertMayCopy, datasetOfAgreement, pageBody, type Answer, type SharingContext } from './pull.ts'
import { livingOf, selectionOf, shareJson } from './share.ts'

/** A page of living records; what was deleted does not show. */
export interface SnapshotPage {
  /** Opaque; give it back to go on from here. */
  readonly cursor: string
  readonly hasMore: boolean
  /** On the last page: where the change feed takes over. */
  readonly feedCursor?: string
  readonly answer: Answer
}

export interface SnapshotRequest {
  readonly agreement: Agreement
  readonly place: SnapshotPlace
  readonly limit: number
  readonly heldTags?: string | undefined
}

/**
 * The living records as the agreement grants them, in commit order up to the place that the first page took. What changes while the pages
 * are read moves behind that place and comes by the feed from `feedCursor`: each version arrives once, by one of the two. Audited as
 * `pullChanges`. Throws CURSOR_EXPIRED, QUERY_ONLY, QUOTA_SPENT, AUDIT_UNAVAILABLE.
 */
export async function pullSnapshot(context: SharingContext, request: SnapshotRequest): Promise<SnapshotPage> {
  const { database, keys } = context
  const { agreement, place, limit, heldTags } = request
  assertMayCopy(agreement)
  const dataset = datasetOfAgreement(context, agreement)
  const end = place.end ?? (await readHorizon(database.query))
  const range = { after: place.after, upTo: end }
  const found = await readLiving(database.query, selectionOf(agreement, dataset), range, limit + 1)
  const changes = found.slice(0, limit)
  const shared = livingOf(shareJson(changes, agreement, { dataset, keys, today: new Date() }))
  const { version } = agreement
  const hasMore = found.length > limit
  const page = {
    cursor: encodeSnapshotCursor(version, hasMore ? (changes.at(-1) ?? end) : end, end),
    hasMore,
    ...(hasMore ? {} : { feedCursor: encodeCursor(version, end) }),
  }
  const outgoing = {
    type: 'snapshot.pulled',
    place: end,
    changes,
    count: shared.length,
    body: pageBody(shared, page),
    heldTags,
  } as const
  return { ...page, answer: await answerShared(context, agreement, outgoing) }
}
