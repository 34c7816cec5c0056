import { runFeedNow } from '../src/commands.ts'
import type { Run } from '../src/store/runs.ts'
import type { FeedCode } from './city/feeds.ts'
import type { PostedBatches } from './departments/batches.ts'
import { haveBatchesPosted } from './post.ts'
import { openProgress, type Progress } from './progress.ts'
import { isPosted } from './protocol.ts'
import type { Stage } from './stage.ts'

/** What one pass of all feeds came to, by feed code. */
export interface FeedPass {
  readonly runs: Readonly<Record<string, Run>>
  /** Of the feeds whose departments post. */
  readonly posted: Readonly<Record<string, PostedBatches>>
}

type HowFar = Pick<Run, 'pulled' | 'state'>

interface Taken {
  readonly run: Run
  readonly batches?: PostedBatches
}

/** A feed of the stage and whose it is. */
interface FeedOfStage {
  readonly code: FeedCode
  readonly manifest: string
  /** Where its department listens. */
  readonly department: string
}

function listFeeds({ departments }: Stage): readonly FeedOfStage[] {
  return departments.flatMap(({ facts }) =>
    Object.entries(facts.feeds).map(([code, { manifest }]) => {
      return { code: code as FeedCode, manifest, department: facts.listening }
    }),
  )
}

export const feedsOfStage = (stage: Stage): readonly FeedCode[] => listFeeds(stage).map(({ code }) => code)

/** Lets one feed take what its department has: it is run, or its department posts. */
async function takeFeed(stage: Stage, feed: FeedOfStage, tell: (run: HowFar) => void): Promise<Taken> {
  const { installation, api } = stage
  if (!isPosted(feed.manifest)) return { run: await runFeedNow(installation, feed.code, true, tell) }
  const taken = await haveBatchesPosted(installation, feed.code, feed.department, api.facts.listening)
  tell(taken.run)
  return taken
}

function toProgress(feed: FeedCode, run: HowFar, total: number | undefined): Progress {
  return { label: feed, done: run.pulled, total: run.state === 'done' ? run.pulled : (total ?? run.pulled) }
}

/** Lets every feed take what is there once and shows how far each is. `totals` are the rows that each will offer. */
export async function runFeeds(stage: Stage, totals: Readonly<Record<string, number>>): Promise<FeedPass> {
  const feeds = listFeeds(stage)
  const progress = openProgress(feeds.map(({ code }) => code))
  try {
    const taken = await Promise.all(
      feeds.map(async (feed) => {
        const { code } = feed
        return [code, await takeFeed(stage, feed, (run) => progress.show(toProgress(code, run, totals[code])))] as const
      }),
    )
    return {
      runs: Object.fromEntries(taken.map(([code, { run }]) => [code, run])),
      posted: Object.fromEntries(
        taken.flatMap(([code, { batches }]) => (batches === undefined ? [] : [[code, batches]])),
      ),
    }
  } finally {
    progress.close()
  }
}
