import type { Query } from './database.ts'

/** A place in commit order: transaction id, then sequence within the transaction. Transaction ids exceed 2⁵³, so they are text. */
export interface ChangePlace {
  readonly tx: string
  readonly seq: number
}

/** The newest version of a record, or its tombstone (`masked` null), at its place in commit order. */
export interface Change extends ChangePlace {
  readonly feed: string
  readonly recordId: string
  readonly version: number
  readonly masked: Readonly<Record<string, unknown>> | null
}

export const FIRST_PLACE: ChangePlace = { tx: '0', seq: 0 }

/** Merged persons are records of feed 0, which is registered nowhere: it has no manifest, no schedule and no runs. */
export const MERGED_FEED = { feedId: 0, code: 'GB-PERSON-001' } as const

/** $1 dataset, ($2, $3) the place after which to read. */
export const CHANGES_AFTER = `
  select coalesce(feed.code, '${MERGED_FEED.code}') as feed, source_record_id as "recordId", version, masked, change_tx::text as tx, change_seq as seq
    from record left join feed using (feed_id)
   where record.dataset_id = $1 and (change_tx, change_seq) > ($2::xid8, $3)`

/**
 * Changes of a dataset after a place, in commit order, at most `limit`. Only transactions below the oldest one still running
 * are read: a later commit can then never appear before a place that was already handed out, which a bare sequence allows.
 */
export async function readChanges(
  query: Query,
  datasetId: number,
  after: ChangePlace,
  limit: number,
): Promise<readonly Change[]> {
  return query<Change>(
    `${CHANGES_AFTER} and change_tx < pg_snapshot_xmin(pg_current_snapshot()) order by change_tx, change_seq limit $4`,
    [datasetId, after.tx, after.seq, limit],
  )
}

/** What is left of a range that was read before: records that changed since have moved to a later place. */
export async function readChangesBetween(
  query: Query,
  datasetId: number,
  after: ChangePlace,
  upTo: ChangePlace,
): Promise<readonly Change[]> {
  return query<Change>(
    `${CHANGES_AFTER} and (change_tx, change_seq) <= ($4::xid8, $5) order by change_tx, change_seq`,
    [datasetId, after.tx, after.seq, upTo.tx, upTo.seq],
  )
}
