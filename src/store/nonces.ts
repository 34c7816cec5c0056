import type { Query } from './database.ts'

/**
 * Uses a nonce of a signer up, in every replica at once. Returns false where it was used before. It is kept for twice as long as
 * the longest-lived signature is good (five minutes either way), so that a clock ahead of ours changes nothing.
 */
export async function takeNonce(query: Query, signer: string, nonce: string): Promise<boolean> {
  const taken = await query(
    `insert into used_nonce (signer, nonce, expires_at) values ($1, $2, clock_timestamp() + interval '20 minutes')
       on conflict (signer, nonce) do update set expires_at = excluded.expires_at
         where used_nonce.expires_at < clock_timestamp()
       returning 1`,
    [signer, nonce],
  )
  return taken.length === 1
}

/** Removes the nonces that no living signature can bring again. */
export async function forgetNonces(query: Query): Promise<void> {
  await query('delete from used_nonce where expires_at < clock_timestamp()')
}
