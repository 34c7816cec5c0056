import type { Query } from './database.ts'

/** One preview of an account at a time is counted, however many processes there are: until the transaction ends. */
export async function lockPreviews(query: Query, accountId: number): Promise<void> {
  await query('select pg_advisory_xact_lock(725004, $1)', [accountId])
}

/** Forgets what is older than an hour. */
export async function forgetPreviews(query: Query, accountId: number): Promise<void> {
  await query(`delete from preview_use where account_id = $1 and asked_at <= clock_timestamp() - interval '1 hour'`, [
    accountId,
  ])
}

/** In how many milliseconds one of the last hour's `most` previews is an hour old; null: there are fewer, one more may be asked. */
export async function findPreviewWait(query: Query, accountId: number, most: number): Promise<number | null> {
  const [oldest] = await query<{ waitMs: number }>(
    `select (extract(epoch from asked_at + interval '1 hour' - clock_timestamp()) * 1000)::float8 as "waitMs"
       from preview_use where account_id = $1 order by asked_at desc offset $2 limit 1`,
    [accountId, most - 1],
  )
  return oldest?.waitMs ?? null
}

export async function insertPreview(query: Query, accountId: number): Promise<void> {
  await query('insert into preview_use (account_id, asked_at) values ($1, clock_timestamp())', [accountId])
}
