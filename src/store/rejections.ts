import type { ProtectedRejection, Reason } from '../record.ts'
import type { Query } from './database.ts'

/** Rejected rows of each dataset by rule; a row that broke two rules counts for each. */
export async function countRejections(
  query: Query,
): Promise<Readonly<Record<string, Readonly<Record<string, number>>>>> {
  const rows = await query<{ dataset: string; rules: Record<string, number> }>(
    `select dataset, jsonb_object_agg(rule, rows) as rules
       from (select dataset.name as dataset, rule, count(*) as rows
               from rejection join feed using (feed_id) join dataset using (dataset_id), unnest(rules) as rule
              group by 1, 2) as counted
      group by dataset`,
  )
  return Object.fromEntries(rows.map((row) => [row.dataset, row.rules]))
}

const rulesOf = ({ reasons }: Pick<ProtectedRejection, 'reasons'>): readonly string[] =>
  [...new Set(reasons.map(({ rule }) => rule))].toSorted()

/** Keeps the refused rows of the page that the run is at. */
export async function insertRejections(
  query: Query,
  feedId: number,
  runId: number,
  rejections: readonly ProtectedRejection[],
): Promise<void> {
  if (rejections.length === 0) return
  await query(
    `insert into rejection (run_id, feed_id, page, row_in_page, reasons, rules, sealed, source_token)
     select $1, $2, (select pages from run where run_id = $1), place, reasons::jsonb,
            string_to_array(rules, ','), sealed, decode(token, 'hex')
       from unnest($3::int[], $4::text[], $5::text[], $6::bytea[], $7::text[]) as page (place, reasons, rules, sealed, token)`,
    [
      runId,
      feedId,
      rejections.map((rejection) => rejection.row),
      rejections.map((rejection) => JSON.stringify(rejection.reasons)),
      rejections.map((rejection) => rulesOf(rejection).join(',')),
      rejections.map((rejection) => rejection.sealed),
      rejections.map((rejection) => rejection.token),
    ],
  )
}

/**
 * Settles what earlier runs refused of records that this page brings, good now or refused once more: only the newest word of
 * the source waits for the department. The sealed row goes with it.
 */
export async function supersedeRejections(
  query: Query,
  feedId: number,
  runId: number,
  tokens: readonly string[],
): Promise<void> {
  if (tokens.length === 0) return
  await query(
    `update rejection set state = 'superseded', settled_at = clock_timestamp(), settled_run = $2, sealed = null
      where feed_id = $1 and state = 'open' and run_id < $2
        and source_token = any(select decode(token, 'hex') from unnest($3::text[]) as token)`,
    [feedId, runId, tokens],
  )
}

/** Whether any refused row of the feed still waits. */
export async function hasOpenRejections(query: Query, feedId: number): Promise<boolean> {
  const rows = await query(`select from rejection where feed_id = $1 and state = 'open' limit 1`, [feedId])
  return rows.length === 1
}

/** How many refused rows of a feed wait, by rule; a row that broke two rules counts for each. */
export interface OpenRejections {
  readonly rows: number
  readonly byRule: readonly { readonly rule: string; readonly rows: number }[]
}

export async function countOpenRejections(query: Query, feedId: number): Promise<OpenRejections> {
  const byRule = await query<{ rule: string; rows: number }>(
    `select rule, count(*) as rows from rejection, unnest(rules) as rule
      where feed_id = $1 and state = 'open' group by rule order by rows desc, rule`,
    [feedId],
  )
  const [total] = await query<{ rows: number }>(
    `select count(*) as rows from rejection where feed_id = $1 and state = 'open'`,
    [feedId],
  )
  return { rows: total?.rows ?? 0, byRule }
}

/** A refused row that waits. */
export interface StoredRejection {
  readonly rejectionId: number
  readonly runId: number
  readonly page: number
  readonly row: number
  readonly reasons: readonly Reason[]
  readonly attempts: number
  readonly rejectedAt: Date
  readonly sealed: Uint8Array
  /** Token of its record, which it is sealed to; null for one from before rows were. */
  readonly boundTo: string | null
}

export interface RejectionFilter {
  readonly feedId: number
  /** Of whoever asks: another department's feed gives nothing. */
  readonly department: string
  readonly rule: string | null
  /** Id of the last one on the page before. */
  readonly after: number
  readonly limit: number
}

const REJECTION_COLUMNS = `rejection_id as "rejectionId", run_id as "runId", page, row_in_page as row, reasons, attempts,
  rejected_at as "rejectedAt", sealed, case when bound_to_record then encode(source_token, 'hex') end as "boundTo"`

/** Refused rows that wait, the oldest first. */
export async function listOpenRejections(query: Query, filter: RejectionFilter): Promise<readonly StoredRejection[]> {
  return query<StoredRejection>(
    `select ${REJECTION_COLUMNS} from rejection join feed using (feed_id)
      where feed_id = $1 and feed.department = $2 and rejection.state = 'open'
        and ($3::text is null or rules @> array[$3]) and rejection_id > $4
      order by rejection_id limit $5`,
    [filter.feedId, filter.department, filter.rule, filter.after, filter.limit],
  )
}

/** The named refused rows of the feed that still wait. */
export async function findOpenRejections(
  query: Query,
  feedId: number,
  department: string,
  ids: readonly number[],
): Promise<readonly StoredRejection[]> {
  return query<StoredRejection>(
    `select ${REJECTION_COLUMNS} from rejection join feed using (feed_id)
      where feed_id = $1 and feed.department = $2 and rejection.state = 'open' and rejection_id = any($3)`,
    [feedId, department, ids],
  )
}

/** Settles refused rows that were corrected and taken. Returns how many of them still waited. */
export async function settleResubmitted(
  query: Query,
  feedId: number,
  runId: number,
  ids: readonly number[],
): Promise<number> {
  const rows = await query(
    `update rejection set state = 'resubmitted', settled_at = clock_timestamp(), settled_run = $2, sealed = null
      where feed_id = $1 and state = 'open' and rejection_id = any($3) returning 1`,
    [feedId, runId, ids],
  )
  return rows.length
}

/** A refused row that was corrected and refused again. */
export interface RefusedAgain {
  readonly rejectionId: number
  readonly rejection: ProtectedRejection
}

/** Keeps corrected rows that are still wrong in the place of what they were to correct. Returns how many of them still waited. */
export async function keepRefused(query: Query, feedId: number, refused: readonly RefusedAgain[]): Promise<number> {
  if (refused.length === 0) return 0
  const rejections = refused.map(({ rejection }) => rejection)
  const rows = await query(
    `update rejection set reasons = given.reasons::jsonb, rules = string_to_array(given.rules, ','), sealed = given.sealed,
            source_token = decode(given.token, 'hex'), bound_to_record = true, attempts = attempts + 1
       from unnest($2::bigint[], $3::text[], $4::text[], $5::bytea[], $6::text[]) as given (id, reasons, rules, sealed, token)
      where feed_id = $1 and state = 'open' and rejection_id = given.id returning 1`,
    [
      feedId,
      refused.map(({ rejectionId }) => rejectionId),
      rejections.map(({ reasons }) => JSON.stringify(reasons)),
      rejections.map((rejection) => rulesOf(rejection).join(',')),
      rejections.map(({ sealed }) => sealed),
      rejections.map(({ token }) => token),
    ],
  )
  return rows.length
}

/** A pass takes some 5,000 rows, so that it never holds many locks. */
const EXPIRED_AT_ONCE = 5000

/**
 * Removes the sealed rows that waited for longer than `days`; that they were there, and why, stays counted. Returns how many,
 * by feed.
 */
export async function expireRejections(
  query: Query,
  days: number,
): Promise<readonly { readonly feed: string; readonly dataset: string; readonly rows: number }[]> {
  return query(
    `with old as (
       select rejection_id from rejection
        where state = 'open' and rejected_at < clock_timestamp() - make_interval(days => $1)
        order by rejected_at limit ${EXPIRED_AT_ONCE} for update skip locked),
     gone as (
       update rejection set state = 'expired', settled_at = clock_timestamp(), sealed = null
         from old where rejection.rejection_id = old.rejection_id returning feed_id)
     select code as feed, dataset.name as dataset, count(*) as rows
       from gone join feed using (feed_id) join dataset using (dataset_id) group by 1, 2`,
    [days],
  )
}
