import type { Withdrawal } from '../record.ts'
import type { Agreement } from './agreements.ts'
import { prepared, type Query } from './database.ts'

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
  /** JSON of the masked view. */
  readonly masked: string | null
  /** One ciphertext of what the masked view hides; null where nobody asked for it. */
  readonly sealed: Uint8Array | null
  /** Token of the person, 32 hexadecimal digits; null where the record names none. */
  readonly subject: string | null
  readonly areaCode: string | null
  /** The areas that the record lay in before; null: none. */
  readonly pastAreas: readonly string[] | null
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

/** Which changes of a selection are read: a condition with parameters from $4 on, and how it ends. */
interface Wanted {
  readonly condition: string
  readonly values: readonly unknown[]
  /** Only what is there and inside the area: no tombstones, nothing that left. */
  readonly isLiving?: boolean
  readonly ending?: string
}

/** The parts of a statement that depend on the area, whose prefixes are the last parameter; the whole city asks nothing of a row. */
function areaParts(area: Selection['area'], place: number): { readonly inside: string; readonly everInside: string } {
  if (area === null) return { inside: 'true', everInside: 'true' }
  const prefixes = `$${place}::text[]`
  const inside = `area_code like any(${prefixes})`
  // A record that left the area still has to be told of.
  const left = `exists (select from unnest(past_areas) as past where past like any(${prefixes}))`
  return { inside, everInside: `(${inside} or ${left})` }
}

const prefixesOf = (area: Selection['area']): readonly unknown[] =>
  area === null ? [] : [area.map((prefix) => `${prefix}%`)]

/** $1 dataset, $2 unwanted properties, which are looked for first because leaving them out copies the view, $3 whether the sealed fields are wanted. */
function selectChanges(query: Query, selection: Selection, wanted: Wanted): Promise<readonly Change[]> {
  const { datasetId, unwanted, wantsSealed, area } = selection
  const { condition, values, isLiving = false, ending = 'order by change_tx, change_seq' } = wanted
  const { inside, everInside } = areaParts(area, 4 + values.length)
  const text = `
    select coalesce(feed.code, '${MERGED_FEED.code}') as feed, source_record_id as "recordId", version, changed_at as "changedAt",
           case when ${inside} then (case when masked ?| $2 then masked - $2::text[] else masked end)::text end as masked,
           case when ${inside} and $3 then sealed end as sealed,
           case when ${inside} then encode(subject, 'hex') end as subject,
           area_code as "areaCode", nullif(past_areas, '{}') as "pastAreas", is_minor as "isMinor", withdrawn, change_tx::text as tx, change_seq as seq
      from record left join feed using (feed_id)
     where record.dataset_id = $1 and ${isLiving ? `masked is not null and ${inside}` : everInside} and ${condition}
     ${ending}`
  return query<Change>(prepared(text), [datasetId, unwanted, wantsSealed, ...values, ...prefixesOf(area)])
}

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
  return selectChanges(query, selection, {
    condition: '(change_tx, change_seq) > ($4::xid8, $5) and change_tx < pg_snapshot_xmin(pg_current_snapshot())',
    values: [after.tx, after.seq, limit],
    ending: 'order by change_tx, change_seq limit $6',
  })
}

/** Part of a range only: what changed in a time, and at most so many. */
export interface Narrowing {
  readonly fromTime: Date | null
  readonly toTime: Date | null
  readonly limit: number
}

const EVERYTHING: Narrowing = { fromTime: null, toTime: null, limit: Number.MAX_SAFE_INTEGER }

/** What is left of a range that was read before: records that changed since have moved to a later place. */
export async function readChangesBetween(
  query: Query,
  selection: Selection,
  after: ChangePlace,
  upTo: ChangePlace,
  { fromTime, toTime, limit } = EVERYTHING,
): Promise<readonly Change[]> {
  return selectChanges(query, selection, {
    condition: `(change_tx, change_seq) > ($4::xid8, $5) and (change_tx, change_seq) <= ($6::xid8, $7)
       and ($8::timestamptz is null or changed_at >= $8) and ($9::timestamptz is null or changed_at < $9)`,
    values: [after.tx, after.seq, upTo.tx, upTo.seq, fromTime, toTime, limit],
    ending: 'order by change_tx, change_seq limit $10',
  })
}

/** How a source's record is named: the code of its feed and its id there. */
export interface RecordName {
  readonly feed: string
  readonly recordId: string
}

/** One living record inside the area; nothing where there is none, for whatever reason. */
export async function readRecord(
  query: Query,
  selection: Selection,
  { feed, recordId }: RecordName,
): Promise<readonly Change[]> {
  return selectChanges(query, selection, {
    condition: `record.feed_id = coalesce((select feed_id from feed where code = $4), case when $4 = '${MERGED_FEED.code}' then 0 end)
       and source_record_id = $5`,
    values: [feed, recordId],
    isLiving: true,
  })
}

/** Living records inside the area that name one person, by its token of 32 hexadecimal digits: the newest first, at most `limit`. */
export async function readRecordsOfPerson(
  query: Query,
  selection: Selection,
  subject: string,
  limit: number,
): Promise<readonly Change[]> {
  return selectChanges(query, selection, {
    condition: `subject = decode($4, 'hex')`,
    values: [subject, limit],
    isLiving: true,
    ending: 'order by change_tx desc, change_seq desc limit $5',
  })
}

/**
 * Living records inside the selection's area from one place to another, in commit order, at most `limit`: what a copy as of `upTo` holds.
 * What has moved on since lies behind `upTo`, and comes by the feed.
 */
export async function readLiving(
  query: Query,
  selection: Selection,
  { after, upTo }: { readonly after: ChangePlace; readonly upTo: ChangePlace },
  limit: number,
): Promise<readonly Change[]> {
  return selectChanges(query, selection, {
    condition: '(change_tx, change_seq) > ($4::xid8, $5) and (change_tx, change_seq) <= ($6::xid8, $7)',
    values: [after.tx, after.seq, upTo.tx, upTo.seq, limit],
    isLiving: true,
    ending: 'order by change_tx, change_seq limit $8',
  })
}

/** How many living records lie inside the selection's area, and of how many persons they tell. */
export async function countLiving(
  query: Query,
  { datasetId, area }: Selection,
): Promise<{ readonly records: number; readonly persons: number }> {
  const { inside } = areaParts(area, 2)
  const [row] = await query<{ records: number; persons: number }>(
    `select count(*) as records, count(distinct subject) as persons
       from record where dataset_id = $1 and masked is not null and ${inside}`,
    [datasetId, ...prefixesOf(area)],
  )
  return row ?? { records: 0, persons: 0 }
}

/**
 * The place below which nothing can appear any more: every change before it was committed. Reading on from here misses nothing,
 * also where changes before it were of no concern.
 */
export async function readHorizon(query: Query): Promise<ChangePlace> {
  const [row] = await query<{ tx: string }>('select pg_snapshot_xmin(pg_current_snapshot())::text as tx')
  return { tx: row?.tx ?? FIRST_PLACE.tx, seq: 0 }
}
