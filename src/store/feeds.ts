import type { FeedState } from '../feeds/life.ts'
import type { Manifest } from '../feeds/manifest-types.ts'
import { AppError } from '../errors.ts'
import type { Query } from './database.ts'

/** A registered feed. `cursor` is where its next run goes on. */
export interface Feed {
  readonly feedId: number
  readonly code: string
  readonly department: string
  readonly datasetId: number
  readonly dataset: string
  readonly manifest: Manifest
  readonly secrets: Uint8Array
  readonly state: FeedState
  /** `operator`: registered at the command line; it may call whatever this installation may call. */
  readonly origin: 'operator' | 'account'
  readonly cursor: Readonly<Record<string, unknown>> | null
  /** True for a run that reads an incremental feed whole; `cursor` is then that reading's own place. */
  readonly comparing: boolean
  /** The types that the mapped fields have come with so far, by property. */
  readonly shape: Readonly<Record<string, readonly string[]>>
}

const FEED_FACTS = `feed.feed_id as "feedId", code, department, dataset_id as "datasetId", dataset.name as dataset, manifest,
  secrets, feed.state, feed.origin, shape`

const FEED_COLUMNS = `${FEED_FACTS}, cursor, false as comparing`

/**
 * Registers a feed and activates it in one go, as an operator may: its first version is live and signed by nobody. Throws
 * FEED_EXISTS when the code is taken; nothing is changed then.
 */
export async function insertFeed(query: Query, manifest: Manifest, secrets: Uint8Array): Promise<number> {
  const [row] = await query<{ feedId: number }>(
    `with added as (
       insert into feed (code, department, dataset_id, manifest, secrets, activated_at)
         select $1, $2, dataset_id, $4, $5, clock_timestamp() from dataset where name = $3
         on conflict (code) do nothing
         returning feed_id, manifest)
     insert into feed_version (feed_id, version, state, origin, manifest)
       select feed_id, 1, 'active', 'operator', manifest from added
       returning feed_id as "feedId"`,
    [manifest.feed.code, manifest.feed.department, manifest.feed.dataset, JSON.stringify(manifest), secrets],
  )
  if (row === undefined) throw new AppError('FEED_EXISTS', manifest.feed.code)
  return row.feedId
}

/** Registers a feed that has no version yet; nothing of it runs. Throws FEED_EXISTS when the code is taken. */
export async function insertDraftFeed(query: Query, manifest: Manifest, secrets: Uint8Array): Promise<number> {
  const [row] = await query<{ feedId: number }>(
    `insert into feed (code, department, dataset_id, manifest, secrets, state, origin)
       select $1, $2, dataset_id, $4, $5, 'draft', 'account' from dataset where name = $3
       on conflict (code) do nothing
       returning feed_id as "feedId"`,
    [manifest.feed.code, manifest.feed.department, manifest.feed.dataset, JSON.stringify(manifest), secrets],
  )
  if (row === undefined) throw new AppError('FEED_EXISTS', manifest.feed.code)
  return row.feedId
}

/** Keeps others from changing the feed until the transaction ends. Throws FEED_UNKNOWN. */
export async function lockFeed(query: Query, code: string): Promise<Feed> {
  const [feed] = await query<Feed>(
    `select ${FEED_COLUMNS} from feed join dataset using (dataset_id) where code = $1 for no key update of feed`,
    [code],
  )
  if (feed === undefined) throw new AppError('FEED_UNKNOWN', code)
  return feed
}

/** What the feed is as a whole. */
export async function setFeedState(query: Query, feedId: number, state: FeedState): Promise<void> {
  await query('update feed set state = $2 where feed_id = $1', [feedId, state])
}

export async function setFeedSecrets(query: Query, feedId: number, secrets: Uint8Array): Promise<void> {
  await query('update feed set secrets = $2 where feed_id = $1', [feedId, secrets])
}

/** The manifest that runs use from now on; the cursor is kept only where it still means the same. */
export async function setLiveManifest(
  query: Query,
  feedId: number,
  manifest: Manifest,
  keepCursor: boolean,
): Promise<void> {
  await query(
    `update feed set manifest = $2, origin = 'account', activated_at = clock_timestamp(), cursor = case when $3 then cursor end,
            compare_cursor = null
      where feed_id = $1`,
    [feedId, JSON.stringify(manifest), keepCursor],
  )
}

export async function listFeeds(query: Query): Promise<readonly Feed[]> {
  return query<Feed>(`select ${FEED_COLUMNS} from feed join dataset using (dataset_id) order by code`)
}

/** Throws FEED_UNKNOWN. */
export async function findFeed(query: Query, code: string): Promise<Feed> {
  const [feed] = await query<Feed>(`select ${FEED_COLUMNS} from feed join dataset using (dataset_id) where code = $1`, [
    code,
  ])
  if (feed === undefined) throw new AppError('FEED_UNKNOWN', code)
  return feed
}

/** The feed as its run sees it. Throws FEED_UNKNOWN. */
export async function findFeedOfRun(query: Query, runId: number): Promise<Feed> {
  const [feed] = await query<Feed>(
    `select ${FEED_FACTS}, case when compare then compare_cursor else cursor end as cursor, compare as comparing
       from feed join dataset using (dataset_id) join run using (feed_id) where run_id = $1`,
    [runId],
  )
  if (feed === undefined) throw new AppError('FEED_UNKNOWN', `run ${runId}`)
  return feed
}

/** Makes the feed's next run begin at the very beginning. */
export async function forgetCursor(query: Query, feedId: number): Promise<void> {
  await query('update feed set cursor = null where feed_id = $1', [feedId])
}
