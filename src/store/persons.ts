import { FIRST_PLACE, MERGED_FEED, type ChangePlace } from './changes.ts'
import type { Query } from './database.ts'
import type { RecordOwner } from './save-page.ts'

/** One record of a department as it was last seen: the person its certificate names, or null where it names nobody or is gone. */
export interface ChangedRecord {
  readonly feedId: number
  readonly feed: string
  readonly recordId: string
  /** 32 hexadecimal digits. */
  readonly subject: string | null
  /** True where a reviewer parted it from everybody else of that certificate. */
  readonly isParted: boolean
}

/** A stretch of work for the merge: what changed, and where it ends. */
export interface ChangedRecords {
  readonly records: readonly (ChangedRecord & ChangePlace)[]
  readonly upTo: ChangePlace
}

/** Only one process merges at a time: until this transaction ends, or false where another one does. */
export async function lockPersons(query: Query): Promise<boolean> {
  const [row] = await query<{ locked: boolean }>('select pg_try_advisory_xact_lock(725002) as locked')
  return row?.locked === true
}

/** The owner of merged persons among the records. */
export async function findPersonOwner(query: Query, dataset: string): Promise<RecordOwner> {
  const [row] = await query<{ datasetId: number }>('select dataset_id as "datasetId" from dataset where name = $1', [
    dataset,
  ])
  return { feedId: MERGED_FEED.feedId, datasetId: row?.datasetId ?? 0 }
}

/** The newest decision about a record, while its certificate is the one that was decided about. */
const IS_PARTED = `
  coalesce((select decision = 'part' and link_decision.subject = record.subject from link_decision
             where link_decision.feed_id = record.feed_id and link_decision.source_record_id = record.source_record_id
             order by decision_id desc limit 1), false)`

/** A ChangedRecord out of `record` joined with its `feed`. */
export const CHANGED_COLUMNS = `record.feed_id as "feedId", feed.code as feed, record.source_record_id as "recordId",
  encode(record.subject, 'hex') as subject, ${IS_PARTED} as "isParted"`

/** Where merging a dataset goes on; at its beginning when it was merged by other rules than `rules`. */
export async function findPersonCursor(query: Query, dataset: string, rules: string): Promise<ChangePlace> {
  const [row] = await query<ChangePlace>(
    `select cursor_tx::text as tx, cursor_seq as seq from person_cursor join dataset using (dataset_id)
      where name = $1 and rules = $2`,
    [dataset, rules],
  )
  return row ?? FIRST_PLACE
}

/** The next records of a dataset that changed after a place, in commit order and never past a transaction still running. */
export async function readChangedRecords(
  query: Query,
  dataset: string,
  after: ChangePlace,
  limit: number,
): Promise<ChangedRecords> {
  const rows = await query<ChangedRecord & ChangePlace>(
    `select ${CHANGED_COLUMNS}, change_tx::text as tx, change_seq as seq
       from record join feed using (feed_id)
      where record.dataset_id = (select dataset_id from dataset where name = $1)
        and (change_tx, change_seq) > ($2::xid8, $3) and change_tx < pg_snapshot_xmin(pg_current_snapshot())
      order by change_tx, change_seq limit $4`,
    [dataset, after.tx, after.seq, limit],
  )
  const last = rows.at(-1)
  return { records: rows, upTo: last === undefined ? after : { tx: last.tx, seq: last.seq } }
}

/** Moves the cursor of a dataset; what it says of a record up to here is merged, by these rules. */
export async function movePersonCursor(query: Query, dataset: string, rules: string, to: ChangePlace): Promise<void> {
  await query(
    `insert into person_cursor (dataset_id, rules, cursor_tx, cursor_seq)
       select dataset_id, $2, $3::xid8, $4 from dataset where name = $1
       on conflict (dataset_id) do update
         set rules = excluded.rules, cursor_tx = excluded.cursor_tx, cursor_seq = excluded.cursor_seq`,
    [dataset, rules, to.tx, to.seq],
  )
}

/**
 * Adds records that were linked to a person to the runs that brought them: of two runs whose transactions enclose a record's, the
 * later one, because corrected rows are taken while a feed is read. What lies before a run's counted place was counted before.
 */
export async function countMerged(
  query: Query,
  records: readonly (ChangedRecord & ChangePlace)[],
  upTo: ChangePlace,
): Promise<void> {
  await query(
    `with given as (select * from unnest($1::int[], $2::xid8[], $3::int[]) as given (feed_id, tx, seq)),
     owner as (
       select feed_id, tx, run_id
         from (select distinct feed_id, tx from given) as page
              join lateral (select run_id from run where run.feed_id = page.feed_id and page.tx between first_tx and last_tx
                             order by first_tx desc limit 1) as newest on true),
     linked as (select run_id, tx, seq from given join owner using (feed_id, tx))
     update run set merged = merged + counted.rows, merged_tx = $4::xid8, merged_seq = $5
       from (select run_id, count(*) as rows from linked join run using (run_id)
              where (linked.tx, linked.seq) > (merged_tx, merged_seq) group by run_id) as counted
      where run.run_id = counted.run_id`,
    [
      records.map(({ feedId }) => feedId),
      records.map(({ tx }) => tx),
      records.map(({ seq }) => seq),
      upTo.tx,
      upTo.seq,
    ],
  )
}

/** Which person a record belongs to now; null: to none. Both tokens are 32 hexadecimal digits. */
export interface Membership {
  readonly record: ChangedRecord
  readonly person: string | null
}

/** Writes down to whom the records belong. Returns every person that won or lost one of them, or whose member changed. */
export async function moveMembers(query: Query, members: readonly Membership[]): Promise<readonly string[]> {
  const rows = await query<{ person: string }>(
    `with given as (
       select feed_id, source_record_id, decode(subject, 'hex') as subject, decode(person, 'hex') as person
         from unnest($1::int[], $2::text[], $3::text[], $4::text[]) as given (feed_id, source_record_id, subject, person)),
     before as (select kept.person from person_member kept join given using (feed_id, source_record_id)),
     gone as (
       delete from person_member kept using given
        where kept.feed_id = given.feed_id and kept.source_record_id = given.source_record_id and given.person is null),
     moved as (
       insert into person_member as kept (feed_id, source_record_id, subject, person)
         select * from given where person is not null
         on conflict (feed_id, source_record_id) do update set subject = excluded.subject, person = excluded.person
           where (kept.subject, kept.person) is distinct from (excluded.subject, excluded.person))
     select encode(person, 'hex') as person from (select person from before union select person from given) as both_sides
      where person is not null order by person`,
    [
      members.map(({ record }) => record.feedId),
      members.map(({ record }) => record.recordId),
      members.map(({ record }) => record.subject),
      members.map(({ person }) => person),
    ],
  )
  return rows.map((row) => row.person)
}

/** A living record of a person, as it rests. */
export interface MemberRecord extends ChangePlace {
  readonly person: string
  readonly feed: string
  readonly department: string
  readonly dataset: string
  readonly recordId: string
  readonly updatedAt: Date | null
  readonly masked: Readonly<Record<string, unknown>>
  readonly sealed: Uint8Array
}

/**
 * All living records of these persons. One that names another person by now is left out: its own change is still to come. Each is
 * looked up by its key: as a plain join, 40,000 persons were enough for PostgreSQL to read all records for each page.
 */
export async function readMemberRecords(query: Query, persons: readonly string[]): Promise<readonly MemberRecord[]> {
  return query<MemberRecord>(
    `select encode(person, 'hex') as person, feed.code as feed, department, dataset.name as dataset,
            record.source_record_id as "recordId", source_updated_at as "updatedAt", masked, sealed,
            change_tx::text as tx, change_seq as seq
       from person_member member
            cross join lateral (
              select * from record
               where record.feed_id = member.feed_id and record.source_record_id = member.source_record_id
                 and record.subject = member.subject and masked is not null and sealed is not null
               limit 1) as record
            join feed on feed.feed_id = record.feed_id join dataset on dataset.dataset_id = record.dataset_id
      where person = any (array(select decode(given, 'hex') from unnest($1::text[]) as given))`,
    [persons],
  )
}

/** Whether a record has changed since the merge of its dataset last stood. */
export async function awaitsMerge(query: Query): Promise<boolean> {
  const [row] = await query<{ awaits: boolean }>(
    `select exists (
       select from person_cursor cursor cross join lateral (
         select from record where record.dataset_id = cursor.dataset_id and (change_tx, change_seq) > (cursor_tx, cursor_seq)
          limit 1) as changed) as awaits`,
  )
  return row?.awaits === true
}

export interface PersonCounts {
  /** Living merged persons. */
  readonly persons: number
  /** Certificates that living records of the sources name: as many as persons when everything is merged and nothing parted. */
  readonly certificates: number
  readonly conflicts: number
}

/** How far the merge is; `sources` are the datasets that tell of persons. */
export async function countPersons(query: Query, sources: readonly string[]): Promise<PersonCounts> {
  const [counts] = await query<PersonCounts>(
    `select (select count(*) from record where feed_id = ${MERGED_FEED.feedId} and masked is not null) as persons,
            (select count(distinct subject) from record join dataset using (dataset_id) where name = any($1)) as certificates,
            (select count(*) from person_conflict) as conflicts`,
    [sources],
  )
  return counts ?? { persons: 0, certificates: 0, conflicts: 0 }
}
