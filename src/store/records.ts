import { AppError } from '../errors.ts'
import { MERGED_FEED, type RecordName } from './changes.ts'
import type { Query } from './database.ts'
import type { Feed } from './feeds.ts'

/** The digests that the named records rest with, by record id. A tombstone has none. */
export async function readDigests(
  query: Query,
  feed: Feed,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const rows = await query<{ id: string; digest: string }>(
    `select source_record_id as id, encode(digest, 'hex') as digest from record
      where feed_id = $1 and source_record_id = any($2) and digest is not null`,
    [feed.feedId, ids],
  )
  return new Map(rows.map((row) => [row.id, row.digest]))
}

/** The tokens of the persons that these records name; a record that names none, or is gone, is passed over. */
export async function readSubjects(query: Query, records: readonly RecordName[]): Promise<readonly string[]> {
  const rows = await query<{ subject: string }>(
    `select encode(subject, 'hex') as subject
       from unnest($1::text[], $2::text[]) as named (code, source_record_id)
       join feed using (code) join record using (feed_id, source_record_id) where subject is not null`,
    [records.map(({ feed }) => feed), records.map(({ recordId }) => recordId)],
  )
  return rows.map(({ subject }) => subject)
}

/**
 * Buries the records of a full-compare feed that its run did not see. Throws SOURCE_SHRUNK, and changes nothing, when more
 * than `guardRatio` of the living records would vanish (DQ-081): an emptied source must not empty the city.
 */
export async function removeUnseen(query: Query, feed: Feed, runId: number, guardRatio: number): Promise<number> {
  const [count] = await query<{ alive: number; missing: number }>(
    `select count(*) as alive, count(*) filter (where seen.run_id is null) as missing
       from record left join run_seen seen on seen.run_id = $2 and seen.source_record_id = record.source_record_id
      where feed_id = $1 and masked is not null`,
    [feed.feedId, runId],
  )
  const { alive, missing } = count ?? { alive: 0, missing: 0 }
  if (missing > alive * guardRatio) throw new AppError('SOURCE_SHRUNK', `${missing} of ${alive} records are missing`)
  await query(
    `with gone as (
       select source_record_id, row_number() over (order by source_record_id) as place from record
        where feed_id = $1 and masked is not null
          and not exists (select from run_seen seen where seen.run_id = $2 and seen.source_record_id = record.source_record_id))
     update record set version = version + 1, change_tx = pg_current_xact_id(), change_seq = place,
            subject = null, digest = null, masked = null, sealed = null, changed_at = now()
       from gone where record.feed_id = $1 and record.source_record_id = gone.source_record_id`,
    [feed.feedId, runId],
  )
  return missing
}

/** Adds records removed at the end of a run to its counts. */
export async function countRemoved(query: Query, runId: number, removed: number): Promise<void> {
  await query('update run set deleted = deleted + $2, removed = removed + $2 where run_id = $1', [runId, removed])
}

/** Living records of each feed of a dataset, and in how many of them the masked view holds each of the named properties. */
export async function countHolding(
  query: Query,
  dataset: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, { readonly records: number; readonly holding: Readonly<Record<string, number>> }>> {
  const counts = names.map((_, place) => `count(*) filter (where masked ? $${place + 2})`)
  const rows = await query<{ feed: string; records: number; holding: readonly number[] }>(
    `select coalesce(feed.code, '${MERGED_FEED.code}') as feed, count(*) as records, array[${counts.join(', ')}]::float8[] as holding
       from record left join feed using (feed_id)
      where record.dataset_id = (select dataset_id from dataset where name = $1) and masked is not null
      group by 1 order by 1`,
    [dataset, ...names],
  )
  return new Map(
    rows.map(({ feed, records, holding }) => [
      feed,
      { records, holding: Object.fromEntries(names.map((name, place) => [name, holding[place] ?? 0])) },
    ]),
  )
}

/** Living records by dataset. */
export async function countRecords(query: Query): Promise<Readonly<Record<string, number>>> {
  const rows = await query<{ name: string; records: number }>(
    `select name, count(record.feed_id) filter (where masked is not null) as records
       from dataset left join record using (dataset_id) group by name order by name`,
  )
  return Object.fromEntries(rows.map((row) => [row.name, row.records]))
}
