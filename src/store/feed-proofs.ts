import type { Query } from './database.ts'

/** What is kept of a proof. `verdict` holds counts, times and codes. */
export interface KeptProof {
  readonly takenAt: string
  readonly ok: boolean
  readonly verdict: object
}

/** Keeps a go-live certificate of a feed. */
export async function insertProof(query: Query, feedId: number, { takenAt, ok, verdict }: KeptProof): Promise<void> {
  await query('insert into feed_proof (feed_id, taken_at, ok, verdict) values ($1, $2, $3, $4)', [
    feedId,
    takenAt,
    ok,
    JSON.stringify(verdict),
  ])
}
