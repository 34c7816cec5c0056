import type { Query } from './database.ts'

/** Records that name a person, one after the other: 16 bytes of class and 8 bytes of person for each. */
export interface ClassMembers {
  readonly count: number
  readonly classes: Uint8Array
  readonly persons: Uint8Array
}

/** The pieces of a string of bytes, each as long as `bytes`, as rows. */
const pieces = (parameter: string, bytes: number): string =>
  `substring(${parameter}::bytea from (place - 1) * ${bytes} + 1 for ${bytes})`

/**
 * Counts records to their classes. Of each class the first `k` people are kept, and nothing more once they are there: whether it is
 * large enough is all that is asked of it.
 */
export async function addToClasses(
  query: Query,
  exportId: number,
  { count, classes, persons }: ClassMembers,
  k: number,
): Promise<void> {
  if (count === 0) return
  await query(
    `with given as (
       select ${pieces('$2', 16)} as class, ${pieces('$3', 8)} as person from generate_series(1, $4::int) as place)
     insert into export_class as kept (export_id, class, records, persons)
       select $1, class, count(*), (array_agg(distinct person))[1:$5] from given group by class
     on conflict (export_id, class) do update set records = kept.records + excluded.records,
       persons = (select (array_agg(distinct person))[1:$5] from unnest(kept.persons || excluded.persons) as person)
      where cardinality(kept.persons) < $5`,
    [exportId, classes, persons, count, k],
  )
}

/** Records in classes of fewer than `k` people, and the people of the smallest class, counted up to `k`; null without any class. */
export async function measureClasses(
  query: Query,
  exportId: number,
  k: number,
): Promise<{ readonly withheld: number; readonly smallestClass: number | null }> {
  const [row] = await query<{ withheld: number; smallestClass: number | null }>(
    `select coalesce(sum(records) filter (where cardinality(persons) < $2), 0)::int8 as withheld,
            min(cardinality(persons)) as "smallestClass"
       from export_class where export_id = $1`,
    [exportId, k],
  )
  return row ?? { withheld: 0, smallestClass: null }
}

/** Which of these classes, 16 bytes each, have fewer than `k` people; in hexadecimal. */
export async function findSmallClasses(
  query: Query,
  exportId: number,
  classes: Uint8Array,
  k: number,
): Promise<ReadonlySet<string>> {
  const rows = await query<{ class: string }>(
    `select encode(class, 'hex') as class from export_class
      where export_id = $1 and cardinality(persons) < $4
        and class in (select ${pieces('$2', 16)} from generate_series(1, $3::int) as place)`,
    [exportId, classes, classes.length / 16, k],
  )
  return new Set(rows.map((row) => row.class))
}
