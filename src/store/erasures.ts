import type { Query } from './database.ts'

/** Whether anything of the feed was erased and is to be kept out. */
export async function hasErasures(query: Query, feedId: number): Promise<boolean> {
  const rows = await query('select from erased_record where feed_id = $1 and lifted_at is null limit 1', [feedId])
  return rows.length === 1
}

/** Which of these tokens, in hexadecimal, are of records that were erased. */
export async function findErased(
  query: Query,
  feedId: number,
  tokens: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await query<{ token: string }>(
    `select encode(token, 'hex') as token from erased_record
      where feed_id = $1 and lifted_at is null and token = any(select decode(one, 'hex') from unnest($2::text[]) as one)`,
    [feedId, tokens],
  )
  return new Set(rows.map(({ token }) => token))
}

/** Keeps records out from now on, by the tokens of their ids. */
export async function blockErased(
  query: Query,
  feedId: number,
  recallId: number,
  tokens: readonly string[],
): Promise<void> {
  await query(
    `insert into erased_record (feed_id, token, recall_id) select $1, decode(token, 'hex'), $2 from unnest($3::text[]) as token
       on conflict (feed_id, token) do update set recall_id = excluded.recall_id, lifted_at = null`,
    [feedId, recallId, tokens],
  )
}

/** Lets the records of an erasure be taken in again. Returns how many. */
export async function liftErased(query: Query, recallId: number): Promise<number> {
  const rows = await query(
    'update erased_record set lifted_at = clock_timestamp() where recall_id = $1 and lifted_at is null returning 1',
    [recallId],
  )
  return rows.length
}

/** Removes the refused rows of erased records; that they were there, and why, stays counted. */
export async function dropErasedRejections(query: Query, feedId: number, tokens: readonly string[]): Promise<void> {
  await query(
    `update rejection set state = 'expired', settled_at = clock_timestamp(), sealed = null, source_token = null
      where feed_id = $1 and state = 'open' and source_token = any(select decode(one, 'hex') from unnest($2::text[]) as one)`,
    [feedId, tokens],
  )
}

/** Removes what consumers observed of erased records. */
export async function dropErasedEvidence(query: Query, feedId: number, ids: readonly string[]): Promise<void> {
  await query(
    'update correction set evidence = null where feed_id = $1 and source_record_id = any($2) and evidence is not null',
    [feedId, ids],
  )
}
