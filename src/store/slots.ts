import type { Query } from './database.ts'

/** Whether this process is the one that fires `key`: the first insert wins, over all replicas, by the database. */
export async function claimFire(query: Query, key: string): Promise<boolean> {
  const rows = await query('insert into cron_fire (key) values ($1) on conflict do nothing returning key', [key])
  return rows.length === 1
}

/** Keys are kept for a day; a tick that comes later than that is not the same tick. */
export async function forgetOldFires(query: Query): Promise<void> {
  await query(`delete from cron_fire where fired_at < clock_timestamp() - interval '1 day'`)
}

/**
 * Whether nobody has served the slot yet. Whoever else fires the feed waits until this transaction ends: a run may begin and
 * end between a look and an insert.
 */
export async function lockFreeSlot(query: Query, feedId: number, dueAt: Date): Promise<boolean> {
  await query('select from feed where feed_id = $1 for no key update', [feedId])
  const served = await query('select from feed_slot where feed_id = $1 and due_at = $2', [feedId, dueAt])
  return served.length === 0
}

/** Ties a due time of a feed to the run that serves it. */
export async function insertSlot(query: Query, feedId: number, dueAt: Date, runId: number): Promise<void> {
  await query('insert into feed_slot (feed_id, due_at, run_id) values ($1, $2, $3)', [feedId, dueAt, runId])
}

export interface LastSlot {
  readonly feedId: number
  readonly code: string
  readonly cron: string
  readonly timezone: string
  /** When the feed was last due or, before its first slot, when it was activated. */
  readonly since: Date
}

export async function listSchedules(query: Query): Promise<readonly LastSlot[]> {
  return query<LastSlot>(
    `select feed_id as "feedId", code, manifest->'schedule'->>'cron' as cron, manifest->'schedule'->>'timezone' as timezone,
            coalesce((select max(due_at) from feed_slot where feed_slot.feed_id = feed.feed_id), activated_at, created_at) as since
       from feed where state = 'active' order by feed_id`,
  )
}
