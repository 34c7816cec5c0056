import type { Withdrawal } from '../record.ts'
import type { Agreement } from './agreements.ts'
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
  readonly changedAt: Date
  readonly masked: Readonly<Record<string, unknown>> | null
  /** One ciphertext of what the masked view hides; null where nobody asked for it. */
  readonly sealed: Uint8Array | null
  /** Token of the person, 32 hexadecimal digits; null where the record names none. */
  readonly subject: string | null
  readonly areaCode: string | null
  readonly pastAreas: readonly string[]
  readonly isMinor: boolean
  /** Why its department took the record back; null for every other tombstone. */
  readonly withdrawn: Withdrawal | null
}

/**
 * Which rows and fields of a dataset are read for an agreement at all: fields outside it are not fetched, not merely dropped.
 * `share` decides once more about each record.
 */
export interface Selection {
  readonly datasetId: number
  /** Properties of the masked view that no form needs. */
  readonly unwanted: readonly string[]
  readonly wantsSealed: boolean
  /** Prefixes of area codes; null: the whole city, records without an area code too. */
  readonly area: Agreement['area'] | null
}

export const FIRST_PLACE: ChangePlace = { tx: '0', seq: 0 }

/** Merged persons are records of feed 0, which is registered nowhere: it has no manifest, no schedule and no runs. */
export const MERGED_FEED = { feedId: 0, code: 'GB-PERSON-001' } as const

/** $2 prefixes, null for the whole city; a record that left the area still has to be told of. */
const HAS_BEEN_INSIDE = `($2::text[] is null or area_code like any($2)
  or exists (select from unnest(past_areas) as past where past like any($2)))`
const IS_INSIDE = '($2::text[] is null or area_code like any($2))'

/** $1 dataset, $2 area prefixes, $3 unwanted properties, $4 whether the sealed fields are wanted. */
const CHANGES = `
  select coalesce(feed.code, '${MERGED_FEED.code}') as feed, source_record_id as "recordId", version, changed_at as "changedAt",
         case when ${IS_INSIDE} then masked - $3::text[] end as masked,
         case when ${IS_INSIDE} and $4 then sealed end as sealed,
         case when ${IS_INSIDE} then encode(subject, 'hex') end as subject,
         area_code as "areaCode", past_areas as "pastAreas", is_minor as "isMinor", withdrawn, change_tx::text as tx, change_seq as seq
    from record left join feed using (feed_id)
   where record.dataset_id = $1 and ${HAS_BEEN_INSIDE}`

const selected = ({ datasetId, area, unwanted, wantsSealed }: Selection): readonly unknown[] => [
  datasetId,
  area === null ? null : area.map((prefix) => `${prefix}%`),
  unwanted,
  wantsSealed,
]

/**
 * Changes of a dataset after a place, in commit order, at most `limit`. Only transactions below the oldest one still running
 * are read: a later commit can then never appear before a place that was already handed out, which a bare sequence allows.
 */
export async function readChanges(
  query: Query,
  selection: Selection,
  after: ChangePlace,
  limit: number,
): Promise<readonly Change[]> {
  return query<Change>(
    `${CHANGES} and (change_tx, change_seq) > ($5::xid8, $6) and change_tx < pg_snapshot_xmin(pg_current_snapshot())
      order by change_tx, change_seq limit $7`,
    [...selected(selection), after.tx, after.seq, limit],
  )
}

/** A range of the feed: behind `after`, before `end`. */
export interface ChangeRange {
  readonly after: ChangePlace
  readonly end: ChangePlace
}

/** The living records of a range whose end was a horizon, in commit order, at most `limit`: no tombstones, nothing that left the area. */
export async function readLiving(
  query: Query,
  selection: Selection,
  { after, end }: ChangeRange,
  limit: number,
): Promise<readonly Change[]> {
  return query<Change>(
    `${CHANGES} and masked is not null and ${IS_INSIDE}
        and (change_tx, change_seq) > ($5::xid8, $6) and change_tx < $7::xid8
      order by change_tx, change_seq limit $8`,
    [...selected(selection), after.tx, after.seq, end.tx, limit],
  )
}

/** What is left of a range that was read before: records that changed since have moved to a later place. */
export async function readChangesBetween(
  query: Query,
  selection: Selection,
  after: ChangePlace,
  upTo: ChangePlace,
): Promise<readonly Change[]> {
  return query<Change>(
    `${CHANGES} and (change_tx, change_seq) > ($5::xid8, $6) and (change_tx, change_seq) <= ($7::xid8, $8)
      order by change_tx, change_seq`,
    [...selected(selection), after.tx, after.seq, upTo.tx, upTo.seq],
  )
}

/**
 * The place below which nothing can appear any more: every change before it was committed. Reading on from here misses nothing,
 * also where changes before it were of no concern.
 */
export async function readHorizon(query: Query): Promise<ChangePlace> {
  const [row] = await query<{ tx: string }>('select pg_snapshot_xmin(pg_current_snapshot())::text as tx')
  return { tx: row?.tx ?? FIRST_PLACE.tx, seq: 0 }
}
