import type { Query } from './database.ts'

/** Held while a process writes the index; the others leave it alone. */
const INDEX_LOCK = 725_030

/** Whether the index is this transaction's to write until it ends. */
export async function lockIndex(query: Query): Promise<boolean> {
  const [row] = await query<{ mine: boolean }>('select pg_try_advisory_xact_lock($1) as mine', [INDEX_LOCK])
  return row?.mine ?? false
}

export interface WaitingManifests {
  readonly manifests: number
  readonly persons: number
  /** Seconds since the oldest was attached; 0: none waits. */
  readonly seconds: number
}

/** What no block has yet. */
export async function countWaiting(query: Query): Promise<WaitingManifests> {
  const [row] = await query<WaitingManifests>(
    `select count(*) as manifests, coalesce(sum(persons), 0)::int8 as persons,
            coalesce(extract(epoch from clock_timestamp() - min(attached_at)), 0)::float8 as seconds
       from audit.manifest_waiting`,
  )
  return row ?? { manifests: 0, persons: 0, seconds: 0 }
}

/**
 * Writes manifests that wait and have their place in the tree into blocks, a block a bucket, and returns how many. At most `manifests`, and
 * no more than `persons` together unless the first alone has more.
 */
export async function writePostings(query: Query, manifests: number, persons: number): Promise<number> {
  const rows = await query(
    `with oldest as (
       select lane_id, lane_seq, leaf_index, sum(persons) over (order by leaf_index) - persons as before
         from (select * from audit.manifest_waiting join audit.tree_leaf using (lane_id, lane_seq) order by leaf_index limit $1) as placed),
     taken as materialized (
       -- Joined to nothing, the bytes are fetched once and not once a person.
       select lane_id, lane_seq, leaf_index, subjects || ''::bytea as subjects
         from oldest join audit.manifest using (lane_id, lane_seq) where before < $2),
     gone as (
       delete from audit.manifest_waiting using oldest
        where manifest_waiting.lane_id = oldest.lane_id and manifest_waiting.lane_seq = oldest.lane_seq and before < $2
       returning 1),
     named as (
       select substring(subjects from 16 * place + 1 for 8) as token, leaf_index
         from taken, generate_series(0, octet_length(subjects) / 16 - 1) as place),
     block as (
       select get_byte(token, 0) * 16 + get_byte(token, 1) / 16 as bucket,
              string_agg(substring(token from 3) || int8send(leaf_index), ''::bytea) as postings
         from named group by 1),
     written as (
       insert into audit.posting_block (bucket, level, postings, digest) select bucket, 0, postings, sha256(postings) from block),
     counted as (
       insert into audit.posting_count (bucket, postings) select bucket, octet_length(postings) / 14 from block
         on conflict (bucket) do update set postings = posting_count.postings + excluded.postings)
     select from gone`,
    [manifests, persons],
  )
  return rows.length
}

/** Puts the small blocks of each bucket that has more than `most` of them into a large one: a look-up reads each block by itself. */
export async function mergeBlocks(query: Query, most: number): Promise<void> {
  await query(
    `with small as (
       delete from audit.posting_block where level = 0 and bucket in (
         select bucket from audit.posting_block where level = 0 group by bucket having count(*) > $1)
       returning bucket, postings, digest),
     merged as (
       -- What was damaged stays found out.
       select bucket, string_agg(postings, ''::bytea) as postings, bool_and(digest = sha256(postings)) as whole from small group by bucket)
     insert into audit.posting_block (bucket, level, postings, digest)
       select bucket, 1, postings, case when whole then sha256(postings) else '' end from merged`,
    [most],
  )
}

/** Empties the index and lets every manifest wait again. */
export async function resetIndex(query: Query): Promise<void> {
  await query(
    `with blocks as (delete from audit.posting_block), counts as (delete from audit.posting_count)
     insert into audit.manifest_waiting (lane_id, lane_seq, persons)
       select lane_id, lane_seq, octet_length(subjects) / 16 from audit.manifest on conflict do nothing`,
  )
}

export interface Postings {
  /** One behind the other: 6 bytes of the token and 8 of the place in the tree. */
  readonly postings: Buffer
  /** False: a block is gone, or is not as it was written. */
  readonly isWhole: boolean
}

/** All postings of a bucket. */
export async function readPostings(query: Query, bucket: number): Promise<Postings> {
  const [row] = await query<Postings>(
    `select coalesce(string_agg(postings, ''::bytea), '') as postings,
            coalesce(bool_and(digest = sha256(postings)), true)
              and coalesce(sum(octet_length(postings)), 0) / 14 = coalesce((select postings from audit.posting_count where bucket = $1), 0)
            as "isWhole"
       from audit.posting_block where bucket = $1`,
    [bucket],
  )
  return row ?? { postings: Buffer.alloc(0), isWhole: false }
}

/** Copies what the log is searched by for entries that got their place since, at most `most`. Returns how many. */
export async function copySearchRows(query: Query, most: number): Promise<number> {
  const rows = await query(
    `insert into audit.search_row (leaf_index, recorded_at, event_type, actor, outcome, object, purpose, dataset, department)
       select leaf_index, recorded_at, event_type, actor, outcome, told->>'object', told->>'purpose', dataset,
              coalesce(told->'details'->>'department', (select department from gridbridge.feed where code = feed))
         from (select leaf_index, entry.*, convert_from(body, 'UTF8')::jsonb as told
                 from audit.tree_leaf join audit.entry using (lane_id, lane_seq)
                where leaf_index > (select coalesce(max(leaf_index), -1) from audit.search_row)
                order by leaf_index limit $1) as fresh
       on conflict do nothing returning 1`,
    [most],
  )
  return rows.length
}

/** Postings of the whole index. */
export async function countIndexed(query: Query): Promise<number> {
  const [row] = await query<{ postings: number }>(
    'select coalesce(sum(postings), 0)::int8 as postings from audit.posting_count',
  )
  return row?.postings ?? 0
}
