import { operator, within } from './commands.ts'
import type { Config } from './config.ts'
import { AppError } from './errors.ts'
import { dayIn } from './feeds/source-hours.ts'
import { openFeedSource } from './ingest/feed-source.ts'
import { datasetOf } from './ingest/preview.ts'
import { proveFeed, type FeedProof } from './ingest/prove-feed.ts'
import { limitCalls } from './ingest/sources/limit-calls.ts'
import { createEgressGuard } from './security/egress.ts'
import { askCompare } from './store/compare.ts'
import { insertProof } from './store/feed-proofs.ts'
import { findFeed } from './store/feeds.ts'
import { countSourceCall } from './store/source-health.ts'

/** `feed run --compare`: the next run reads everything. Throws USAGE_INVALID where the manifest sets no guard for it. */
export async function askCompareNow(config: Config, code: string): Promise<void> {
  await within(config, async ({ database }) => {
    const feed = await findFeed(database.query, code)
    if (feed.manifest.compare === undefined)
      throw new AppError(
        'USAGE_INVALID',
        `${code} has no /compare in its manifest, which says how much may vanish at most`,
      )
    await askCompare(database.query, feed.feedId)
  })
}

/** `feed prove`: reads the department's system for about `seconds`, within its call budget, and keeps the verdict. */
export async function proveFeedNow(config: Config, code: string, seconds: number): Promise<FeedProof> {
  return within(config, async ({ database, datasets, keys }) => {
    const feed = await findFeed(database.query, code)
    const { limits, schedule } = feed.manifest
    const context = { database, keys, egress: createEgressGuard(config.egressAllow) }
    const countCall = () => countSourceCall(database.query, feed.feedId, dayIn(schedule.timezone, new Date()))
    const proof = await proveFeed({
      manifest: feed.manifest,
      dataset: datasetOf(feed.manifest, datasets),
      open: async (manifest) => limitCalls(await openFeedSource(context, { ...feed, manifest }), limits, countCall),
      seconds,
    })
    await database.transaction(async ({ query, audit }) => {
      await insertProof(query, feed.feedId, { takenAt: proof.takenAt, ok: proof.ok, verdict: proof })
      const outcome = proof.ok ? 'ok' : 'failed'
      await audit({ type: 'feed.proved', actor: operator(), outcome, feed: code, count: proof.rows })
    })
    return proof
  })
}
