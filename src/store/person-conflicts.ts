import { MERGED_FEED } from './changes.ts'
import type { Query } from './database.ts'

/** A record of a department, named without a value of it. */
export interface RecordName {
  readonly feed: string
  readonly department: string
  readonly recordId: string
}

/** Departments that contradict each other about a person. Sides agree within themselves; the first was believed. */
export interface PersonConflict {
  /** Record id of the merged person, 32 hexadecimal digits. */
  readonly person: string
  readonly field: string
  readonly rule: string
  readonly decidedBy: string
  readonly sides: readonly (readonly RecordName[])[]
}

/** Replaces what is known of contradictions about these persons. One that stays keeps the day it was found. */
export async function replaceConflicts(
  query: Query,
  persons: readonly string[],
  conflicts: readonly PersonConflict[],
): Promise<void> {
  await query(
    `with given as (
       select decode(person, 'hex') as person, field, rule, decided_by, departments, sides
         from jsonb_to_recordset($2) as given (person text, field text, rule text, decided_by text, departments text[], sides jsonb)),
     gone as (
       delete from person_conflict kept
        where person = any (array(select decode(one, 'hex') from unnest($1::text[]) as one))
          and not exists (select from given where given.person = kept.person and given.field = kept.field))
     insert into person_conflict as kept (person, field, rule, decided_by, departments, sides)
       select * from given
       on conflict (person, field) do update
         set rule = excluded.rule, decided_by = excluded.decided_by, departments = excluded.departments, sides = excluded.sides
         where (kept.rule, kept.decided_by, kept.sides) is distinct from (excluded.rule, excluded.decided_by, excluded.sides)`,
    [
      persons,
      JSON.stringify(
        conflicts.map(({ person, field, rule, decidedBy, sides }) => ({
          person,
          field,
          rule,
          decided_by: decidedBy,
          departments: [...new Set(sides.flat().map(({ department }) => department))].sort(),
          sides,
        })),
      ),
    ],
  )
}

export interface ConflictFilter {
  /** Only what this department is a party to; null: all. */
  readonly department: string | null
  /** The conflict after which to go on; null: from the first. */
  readonly after: { readonly person: string; readonly field: string } | null
  readonly limit: number
}

/** Conflicts in the order of person and field, at most `limit`. */
export async function listConflicts(
  query: Query,
  { department, after, limit }: ConflictFilter,
): Promise<readonly (PersonConflict & { readonly foundAt: Date })[]> {
  return query(
    `select encode(person, 'hex') as person, field, rule, decided_by as "decidedBy", sides, found_at as "foundAt"
       from person_conflict
      where ($1::text is null or departments @> array[$1])
        and ($2::text is null or (person, field) > (decode($2, 'hex'), $3))
      order by person, field limit $4`,
    [department, after?.person ?? null, after?.field ?? '', limit],
  )
}

/** The masked view of a record, which is safe to show to those who may see the record. */
export interface MaskedRecord extends RecordName {
  readonly dataset: string
  readonly masked: Readonly<Record<string, unknown>>
}

/** The masked views of the named records that are still alive. */
export async function readMaskedRecords(
  query: Query,
  records: readonly RecordName[],
): Promise<readonly MaskedRecord[]> {
  return query(
    `select feed.code as feed, department, source_record_id as "recordId", dataset.name as dataset, masked
       from unnest($1::text[], $2::text[]) as given (code, source_record_id)
            join feed using (code) join record using (feed_id, source_record_id)
            join dataset on dataset.dataset_id = record.dataset_id
      where masked is not null and record.feed_id <> ${MERGED_FEED.feedId}`,
    [records.map(({ feed }) => feed), records.map(({ recordId }) => recordId)],
  )
}
