import type { Query } from './database.ts'

/** When a feed last succeeded, and when it should have. */
export interface Freshness {
  readonly feedId: number
  readonly code: string
  readonly department: string
  readonly dataset: string
  /** ISO 8601 duration that the catalogue promises. */
  readonly cycle: string
  /** End of the last run that read everything; null where none did yet. */
  readonly lastDoneAt: Date | null
  /** A tenth of the cycle is granted on top, an hour at least and two days at most. */
  readonly dueAt: Date
  readonly isStale: boolean
  /** Seconds since the last success or, before the first, since the feed was registered. */
  readonly ageSeconds: number
}

const FRESHNESS = `
  select feed_id as "feedId", code, department, dataset, cycle::text as cycle, "lastDoneAt", "dueAt",
         "dueAt" < clock_timestamp() as "isStale", extract(epoch from clock_timestamp() - since)::float8 as "ageSeconds", since
    from (select feed_id, code, department, dataset, cycle, "lastDoneAt", since,
                 since + cycle::interval + greatest(interval '1 hour', least(interval '2 days', cycle::interval * 0.1)) as "dueAt"
            from (select feed.feed_id, code, department, dataset.name as dataset, manifest->'feed'->>'updateCycle' as cycle,
                         done.at as "lastDoneAt", coalesce(done.at, feed.created_at) as since
                    from feed join dataset using (dataset_id),
                         lateral (select max(finished_at) as at from run
                                   where run.feed_id = feed.feed_id and kind = 'sync' and run.state = 'done') as done
                   where feed.state = 'active') as feeds) as due`

export async function listFreshness(query: Query): Promise<readonly Freshness[]> {
  return query<Freshness>(`${FRESHNESS} order by code`)
}

export async function findFreshness(query: Query, feedId: number): Promise<Freshness | null> {
  const [freshness] = await query<Freshness>(`${FRESHNESS} where feed_id = $1`, [feedId])
  return freshness ?? null
}

/** Feeds that are late and of which nobody was told since they last succeeded. */
export async function listNewlyStale(query: Query): Promise<readonly Freshness[]> {
  return query<Freshness>(
    `select * from (${FRESHNESS}) as feeds
      where "isStale" and not exists (
        select from alert where alert.feed_id = feeds."feedId" and kind = 'feed-stale' and raised_at > feeds.since)`,
  )
}
