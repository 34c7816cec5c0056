import type { ProtectedRejection } from '../record.ts'
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
  page: { readonly supersedes: readonly string[]; readonly rejections: readonly ProtectedRejection[] },
): Promise<void> {
  const tokens = [...page.supersedes, ...page.rejections.map(({ token }) => token)]
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
