import { AppError } from '../errors.ts'
import type { ProtectedRecord, ProtectedRejection } from '../record.ts'
import { guardRatioOf } from './compare.ts'
import type { Database, Query, Transaction } from './database.ts'
import { dropErasedRejections, findErased, hasErasures } from './erasures.ts'
import type { Feed } from './feeds.ts'
import { assertNotFrozen } from './freezes.ts'
import { takeChunk, type ChunkPlace } from './push-batches.ts'
import { insertRejections, supersedeRejections } from './rejections.ts'
import type { RunLease, WantedOfRun } from './runs.ts'

/** What one page of a run became. */
export interface PageToSave {
  readonly records: readonly ProtectedRecord[]
  readonly rejections: readonly ProtectedRejection[]
  /** Ids of every row that has one, changed or not, refused or not: a feed that deletes by absence needs to know what is there. */
  readonly seen: readonly string[]
  /** Tokens of the valid rows' ids, so that earlier rejections of the same records are settled; empty where none are open. */
  readonly supersedes: readonly string[]
  /** The keyed token that a record id is known by where its record was refused or erased: 32 hexadecimal digits. */
  readonly tokenOf: (recordId: string) => string
  /** Null for rows that a department corrected: the feed's reading stays where it is, and what is refused was kept before. */
  readonly cursor: Readonly<Record<string, unknown>> | null
  /** The rows of a posted batch that the page was made of; null where they came from elsewhere. */
  readonly chunk: ChunkPlace | null
  /** Whether nothing is left to read after this page. */
  readonly isLast: boolean
  readonly pulled: number
  readonly valid: number
  readonly warnings: Readonly<Record<string, number>>
  readonly sourceTotal: number | null
  /** Counts of rows by what is new about their fields (ingest/drift.ts). */
  readonly drift: Readonly<Record<string, number>>
  /** The types that the mapped fields have come with so far; null where the page taught nothing new. */
  readonly shape: Readonly<Record<string, readonly string[]>> | null
}

export interface SavedCounts {
  readonly pulled: number
  readonly rejected: number
  /** What a person asked of the run meanwhile. */
  readonly wanted: WantedOfRun | null
}

/** Many byte strings as one parameter and where each ends: an array of bytea costs pg a hex escape for each value. */
function packBytes(values: readonly (Uint8Array | null)[]): {
  readonly bytes: Buffer
  readonly ends: readonly number[]
} {
  let end = 0
  const ends = values.map((value) => (end += value?.length ?? 0))
  return { bytes: Buffer.concat(values.filter((value) => value !== null)), ends }
}

/** 16 bytes of each record in one string of bytes; a record that has none gives zeros. */
const packDigests = (digests: readonly (string | null)[]): Buffer =>
  Buffer.from(digests.map((digest) => digest ?? NO_DIGEST).join(''), 'hex')

const NO_DIGEST = '0'.repeat(32)

const NOTHING = { inserted: 0, updated: 0 }

/** Whose records they are: the feed and the dataset it fills. */
export type RecordOwner = Pick<Feed, 'feedId' | 'datasetId'>

export interface UpsertCounts {
  readonly inserted: number
  readonly updated: number
}

/** The areas that a record lay in before, each once: who receives one of them is told when it leaves. */
const PAST_AREAS = `array(select distinct area from unnest(kept.past_areas || kept.area_code) as area where area is not null)`

/** A record that comes again after its tombstone is gone begins behind every version that is gone. */
const FIRST_VERSION = `coalesce((select version from tombstone_floor where tombstone_floor.dataset_id = $2), 0) + 1`

/** $1 feed, $2 dataset, $3 ids, $4 area codes, $5 masked views as one JSON array, $6 digests, $7 subjects, $8 sealed bytes, $9 their ends, $10 times of the source in ms, $11 whether of children. */
const UPSERT = `
  with page as (
    select id, place::int, area_code, masked, updated_ms, is_minor, sealed_end, coalesce(lag(sealed_end) over (order by place), 0) as sealed_start
      from rows from (unnest($3::text[]), unnest($4::text[]), jsonb_array_elements($5::jsonb), unnest($9::int[]), unnest($10::float8[]), unnest($11::boolean[]))
           with ordinality as given (id, area_code, masked, sealed_end, updated_ms, is_minor, place)),
  saved as (
    insert into record as kept (feed_id, source_record_id, dataset_id, version, change_tx, change_seq, area_code, is_minor, digest, subject, masked, sealed, source_updated_at)
    select $1, id, $2, ${FIRST_VERSION}, pg_current_xact_id(), place, area_code, is_minor,
           substring($6::bytea from (place - 1) * 16 + 1 for 16),
           nullif(substring($7::bytea from (place - 1) * 16 + 1 for 16), '\\x${NO_DIGEST}'),
           masked,
           substring($8::bytea from sealed_start + 1 for sealed_end - sealed_start),
           to_timestamp(updated_ms / 1000)
      from page
    on conflict (feed_id, source_record_id) do update
      set version = kept.version + 1, change_tx = excluded.change_tx, change_seq = excluded.change_seq,
          past_areas = case when kept.area_code is distinct from excluded.area_code then ${PAST_AREAS} else kept.past_areas end,
          area_code = excluded.area_code, is_minor = excluded.is_minor, subject = excluded.subject, digest = excluded.digest,
          masked = excluded.masked, sealed = excluded.sealed, source_updated_at = excluded.source_updated_at, changed_at = now(),
          withdrawn = null
      where kept.digest is distinct from excluded.digest
    returning xmax = 0 as is_new)
  select count(*) filter (where is_new) as inserted, count(*) filter (where not is_new) as updated from saved`

/**
 * Inserts new records and moves changed ones to the end of the change feed. A row whose digest is the same is left alone, so
 * repeating a page has no effect.
 */
export async function upsertRecords(
  query: Query,
  feed: RecordOwner,
  records: readonly ProtectedRecord[],
): Promise<UpsertCounts> {
  if (records.length === 0) return NOTHING
  const sealed = packBytes(records.map((record) => record.sealed))
  const [counts] = await query<UpsertCounts>(UPSERT, [
    feed.feedId,
    feed.datasetId,
    records.map((record) => record.recordId),
    records.map((record) => record.areaCode),
    `[${records.map((record) => record.masked).join(',')}]`,
    packDigests(records.map((record) => record.digest)),
    packDigests(records.map((record) => record.subject)),
    sealed.bytes,
    sealed.ends,
    records.map((record) => record.updatedAt),
    records.map((record) => record.isMinor),
  ])
  return counts ?? NOTHING
}

/** Turns records into tombstones at the end of the change feed: nothing of the person stays but the key. */
export async function buryRecords(
  query: Query,
  feed: RecordOwner,
  ids: readonly string[],
  firstSeq: number,
): Promise<number> {
  if (ids.length === 0) return 0
  const rows = await query(
    `update record set version = version + 1, change_tx = pg_current_xact_id(), change_seq = $3 + place,
            subject = null, digest = null, masked = null, sealed = null, changed_at = now()
       from unnest($2::text[]) with ordinality as gone (id, place)
      where feed_id = $1 and source_record_id = gone.id and masked is not null
      returning 1`,
    [feed.feedId, ids, firstSeq],
  )
  return rows.length
}

/** Remembers what a full-compare run has seen. Returns how many of the ids it had seen before. */
async function markSeen(query: Query, feed: Feed, lease: RunLease, seen: readonly string[]): Promise<number> {
  if (guardRatioOf(feed) === null) return 0
  const fresh = await query(
    'insert into run_seen (run_id, source_record_id) select $1, unnest($2::text[]) on conflict do nothing returning 1',
    [lease.runId, seen],
  )
  return seen.length - fresh.length
}

interface PageCounts extends UpsertCounts {
  readonly deleted: number
  readonly unchanged: number
  /** Good rows of records that were erased: they are not taken in again. */
  readonly withheld: number
  readonly duplicates: number
}

/** Rejected rows by the first rule that each broke. */
function countByFirstRule(rejections: readonly ProtectedRejection[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { reasons } of rejections) {
    const rule = reasons[0]?.rule ?? 'DQ-005'
    counts[rule] = (counts[rule] ?? 0) + 1
  }
  return counts
}

/** Moves the cursor and adds up the run, only while the lease is still ours: this is the fence. Throws LEASE_LOST. */
async function advanceRun(query: Query, lease: RunLease, page: PageToSave, counts: PageCounts): Promise<SavedCounts> {
  const [row] = await query<SavedCounts>(
    `with run as (
       update run set pages = pages + 1, pulled = pulled + $3, valid = valid + $4, rejected = rejected + $5,
              inserted = inserted + $6, updated = updated + $7, deleted = deleted + $8, unchanged = unchanged + $9,
              source_total = coalesce($10, source_total), reason = null, failures = 0,
              first_tx = coalesce(first_tx, pg_current_xact_id()), last_tx = pg_current_xact_id(),
              warnings = add_counts(warnings, $11), rejected_by_rule = add_counts(rejected_by_rule, $13),
              drift = add_counts(drift, $14), duplicates = duplicates + $15, is_read = is_read or $17, withheld = withheld + $18,
              lease_until = clock_timestamp() + interval '15 seconds'
        where run_id = $1 and lease_epoch = $2 and state = 'running'
        returning feed_id, pulled, rejected, compare, wanted),
     moved as (
       update feed set cursor = case when compare then cursor else $12 end,
              compare_cursor = case when compare then $12 else compare_cursor end, shape = coalesce($16, shape),
              source_failures = 0, source_fault = null, source_rests_until = null
         from run where feed.feed_id = run.feed_id and $12::jsonb is not null)
     select pulled, rejected, wanted from run`,
    [
      lease.runId,
      lease.epoch,
      page.pulled,
      page.valid,
      page.rejections.length,
      counts.inserted,
      counts.updated,
      counts.deleted,
      counts.unchanged,
      page.sourceTotal,
      JSON.stringify(page.warnings),
      page.cursor === null ? null : JSON.stringify(page.cursor),
      JSON.stringify(countByFirstRule(page.rejections)),
      JSON.stringify(page.drift),
      counts.duplicates,
      page.shape === null ? null : JSON.stringify(page.shape),
      page.isLast,
      counts.withheld,
    ],
  )
  if (row === undefined) throw new AppError('LEASE_LOST', `run ${lease.runId}`)
  return row
}

/** A page of a run and the corrected rows of its feed take turns, so that neither settles what the other is saving. */
export async function lockFeedRows(query: Query, feed: Pick<Feed, 'feedId'>): Promise<void> {
  await query('select pg_advisory_xact_lock(725002, $1)', [feed.feedId])
}

/** The records of a page, written; what became of the rows that were valid. */
async function writeRecords(
  query: Query,
  feed: Feed,
  page: PageToSave,
  erased: ReadonlySet<string>,
): Promise<Omit<PageCounts, 'duplicates'>> {
  const brought = page.records.filter((record) => record.operation === 'upsert')
  const upserts = erased.size === 0 ? brought : brought.filter(({ recordId }) => !erased.has(page.tokenOf(recordId)))
  const deletes = page.records.filter((record) => record.operation === 'delete').map((record) => record.recordId)
  const { inserted, updated } = await upsertRecords(query, feed, upserts)
  const deleted = await buryRecords(query, feed, deletes, upserts.length)
  const withheld = brought.length - upserts.length
  return { inserted, updated, deleted, withheld, unchanged: page.valid - inserted - updated - deleted - withheld }
}

const NONE: ReadonlySet<string> = new Set()

/** Tokens of the page's records that were erased. An erasure holds the same lock, so none slips through between. */
async function findErasedOf(query: Query, feed: Feed, page: PageToSave): Promise<ReadonlySet<string>> {
  if (!(await hasErasures(query, feed.feedId))) return NONE
  const tokens = page.records.map(({ recordId }) => page.tokenOf(recordId))
  return findErased(query, feed.feedId, [...tokens, ...page.rejections.map(({ token }) => token)])
}

const DUPLICATE = 'DQ-070'

/** As `savePage`, in a transaction that holds more than the page. */
export async function writePage(
  { query, audit }: Transaction,
  feed: Feed,
  lease: RunLease,
  page: PageToSave,
): Promise<SavedCounts> {
  await assertNotFrozen(query, feed)
  await lockFeedRows(query, feed)
  const erased = await findErasedOf(query, feed, page)
  const counts = await writeRecords(query, feed, page, erased)
  const fresh = page.cursor === null ? [] : page.rejections
  const tokens = [...page.supersedes, ...fresh.map(({ token }) => token)]
  await supersedeRejections(query, feed.feedId, lease.runId, tokens)
  await insertRejections(query, feed.feedId, lease.runId, fresh)
  if (erased.size > 0) await dropErasedRejections(query, feed.feedId, [...erased])
  const repeated = page.rejections.filter(({ reasons }) => reasons[0]?.rule === DUPLICATE).length
  const duplicates = repeated + (page.cursor === null ? 0 : await markSeen(query, feed, lease, page.seen))
  const totals = await advanceRun(query, lease, page, { ...counts, duplicates })
  if (page.chunk !== null) await takeChunk(query, page.chunk, { valid: page.valid, rejected: page.rejections.length })
  await audit({
    type: 'page.saved',
    actor: 'system:worker',
    outcome: 'ok',
    feed: feed.code,
    dataset: feed.dataset,
    object: `run/${lease.runId}`,
    count: page.pulled,
    details: { ...counts, rejected: page.rejections.length },
  })
  return totals
}

/**
 * Saves one page in ONE transaction: records and their place in the change feed, rejections, cursor, counts, audit entry and
 * the lease check. A crash before the commit repeats the page; the record key makes the repeat harmless.
 * Returns the run's totals so far. Throws LEASE_LOST, DATABASE_UNAVAILABLE, FROZEN.
 */
export async function savePage(
  database: Database,
  feed: Feed,
  lease: RunLease,
  page: PageToSave,
): Promise<SavedCounts> {
  return database.transaction((transaction) => writePage(transaction, feed, lease, page))
}
