import { MERGED_FEED, type Selection } from './changes.ts'
import type { Query } from './database.ts'

/** A record as a consumer names it, and a record of a department that stands behind it: itself, or a member of a merged person. */
export interface NamedRecord {
  /** Place among the ids that were asked for, from 0. */
  readonly place: number
  /** Newest version of the record that was named. */
  readonly version: number
  readonly feedId: number
  readonly feed: string
  readonly department: string
  readonly dataset: string
  readonly recordId: string
  /** Newest version of the department's record. */
  readonly recordVersion: number
  readonly updatedAt: Date | null
}

/** Feed code and source record id of an id as it is shared. A record id may hold a slash, a feed code does not. */
const splitId = (id: string): readonly [feed: string, recordId: string] => {
  const at = id.indexOf('/')
  return at < 0 ? [id, ''] : [id.slice(0, at), id.slice(at + 1)]
}

/**
 * The living records that these ids name within what an agreement reads, with every record of a department behind each. An id that is unknown,
 * gone, of another dataset or outside the agreement gives nothing, and nothing tells these apart.
 */
export async function findNamedRecords(
  query: Query,
  { datasetId, area }: Pick<Selection, 'datasetId' | 'area'>,
  ids: readonly string[],
): Promise<readonly NamedRecord[]> {
  const parts = ids.map(splitId)
  return query<NamedRecord>(
    `select (given.place - 1)::int as place, record.version, behind.feed_id as "feedId", feed.code as feed, feed.department,
            dataset.name as dataset, behind.source_record_id as "recordId", behind.version as "recordVersion",
            behind.source_updated_at as "updatedAt"
       from unnest($2::text[], $3::text[]) with ordinality as given (feed, record_id, place)
       join (select feed_id, code from feed union all select ${MERGED_FEED.feedId}, '${MERGED_FEED.code}') as owner
         on owner.code = given.feed
       join record on record.feed_id = owner.feed_id and record.source_record_id = given.record_id
       left join person_member as member
         on member.person = case when record.feed_id = ${MERGED_FEED.feedId} then decode(record.source_record_id, 'hex') end
       join record as behind
         on behind.feed_id = coalesce(member.feed_id, record.feed_id)
        and behind.source_record_id = coalesce(member.source_record_id, record.source_record_id)
       join feed on feed.feed_id = behind.feed_id
       join dataset on dataset.dataset_id = behind.dataset_id
      where record.dataset_id = $1 and record.masked is not null and ($4::text[] is null or record.area_code like any($4))
      order by given.place, behind.feed_id, behind.source_record_id`,
    [
      datasetId,
      parts.map(([feed]) => feed),
      parts.map(([, recordId]) => recordId),
      area === null ? null : area.map((prefix) => `${prefix}%`),
    ],
  )
}
