import { AppError } from '../errors.ts'
import type { Query } from './database.ts'
import type { Feed } from './feeds.ts'

/**
 * Makes a run that has not begun a full compare when one is due: the manifest asks for it every so many days, less an hour,
 * so that a daily run is not too early by a second. It counts from its beginning, so that a compare that was stopped does not
 * keep the daily changes out.
 */
export async function beginDueCompare(query: Query, runId: number): Promise<void> {
  await query(
    `with due as (
       update run set compare = true from feed
        where run_id = $1 and feed.feed_id = run.feed_id and run.pages = 0 and not run.compare and feed.cursor is not null
          and coalesce(feed.compared_at, feed.created_at) + interval '1 day' * (manifest->'compare'->>'everyDays')::int
              < clock_timestamp() + interval '1 hour'
        returning run.feed_id)
     update feed set compared_at = clock_timestamp(), compare_cursor = null from due where feed.feed_id = due.feed_id`,
    [runId],
  )
}

/** Makes the feed's next run a full compare, whenever the last one was. */
export async function askCompare(query: Query, feedId: number): Promise<void> {
  await query(`update feed set compared_at = '-infinity' where feed_id = $1`, [feedId])
}

/** The compare is over, well or not: the next one begins at the beginning. */
export async function forgetCompare(query: Query, feedId: number): Promise<void> {
  await query('update feed set compare_cursor = null where feed_id = $1', [feedId])
}

/**
 * The share of a feed's living records that may vanish because a run did not see them; null where absence says nothing,
 * because the run did not read everything.
 */
export function guardRatioOf({ manifest, comparing }: Pick<Feed, 'manifest' | 'comparing'>): number | null {
  if (manifest.deletes.kind === 'missing') return manifest.deletes.guardRatio
  return comparing ? (manifest.compare?.guardRatio ?? null) : null
}

/** Smaller sources halve by chance. */
const LEAST_ROWS = 100

/**
 * Refuses a run that read everything and got less than half of what the one before it got: its source may have lost rows, or
 * stopped in the middle. It is held once; when the next run finds the same, that is how much there is now. Throws SOURCE_SHRUNK.
 */
export async function assertNotShrunk(query: Query, runId: number): Promise<void> {
  const [found] = await query<{ pulled: number; before: number }>(
    `select run.pulled, earlier.pulled as before
       from run join lateral (
         select pulled from run as other
          where other.feed_id = run.feed_id and other.kind = run.kind and other.run_id < run.run_id
            and (state = 'done' or reason = 'SOURCE_SHRUNK')
          order by other.run_id desc limit 1) as earlier on true
      where run.run_id = $1`,
    [runId],
  )
  if (found === undefined || found.before < LEAST_ROWS || found.pulled * 2 >= found.before) return
  const detail = `${found.pulled} rows, and ${found.before} in the run before`
  throw new AppError('SOURCE_SHRUNK', `${detail}; when the source is right, run it again`)
}
