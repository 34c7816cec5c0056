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
           area_code as "areaCode", nullif(past_areas, '{}') as "pastAreas", is_minor as "isMinor", change_tx::text as tx, change_seq as seq
      from record left join feed using (feed_id)
     where record.dataset_id = $1 and ${isLiving ? `masked is not null and ${inside}` : everInside} and ${condition}
     ${ending}`
  const prefixes = area === null ? [] : [area.map((prefix) => `${prefix}%`)]
  return query<Change>(text, [datasetId, unwanted, wantsSealed, ...values, ...prefixes])
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
  return selectChanges(query, selection, {
    condition: '(change_tx, change_seq) > ($4::xid8, $5) and change_tx < $6::xid8',
    values: [after.tx, after.seq, end.tx, limit],
    isLiving: true,
    ending: 'order by change_tx, change_seq limit $7',
  })
}

/** What is left of a range that was read before: records that changed since have moved to a later place. */
export async function readChangesBetween(
  query: Query,
  selection: Selection,
  after: ChangePlace,
  upTo: ChangePlace,
): Promise<readonly Change[]> {
  return selectChanges(query, selection, {
    condition: '(change_tx, change_seq) > ($4::xid8, $5) and (change_tx, change_seq) <= ($6::xid8, $7)',
    values: [after.tx, after.seq, upTo.tx, upTo.seq],
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
 * The place below which nothing can appear any more: every change before it was committed. Reading on from here misses nothing,
 * also where changes before it were of no concern.
 */
export async function readHorizon(query: Query): Promise<ChangePlace> {
  const [row] = await query<{ tx: string }>('select pg_snapshot_xmin(pg_current_snapshot())::text as tx')
  return { tx: row?.tx ?? FIRST_PLACE.tx, seq: 0 }
}
