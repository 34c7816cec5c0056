import type { Transaction } from './database.ts'
import type { Feed } from './feeds.ts'
import { hasChunks } from './push-batches.ts'
import { requestRun } from './runs.ts'

/** Asks for a run of an active feed where rows of posted batches wait for one and would else wait for the next slot. */
export async function requestRunOfBatches({ query, audit }: Transaction, feed: Feed, actor: string): Promise<void> {
  if (!(await hasChunks(query, feed.feedId))) return
  const { runId, fresh } = await requestRun(query, feed.feedId)
  if (!fresh) return
  const fact = { actor, outcome: 'ok', feed: feed.code, dataset: feed.dataset, object: `run/${runId}` } as const
  await audit({ ...fact, type: 'run.requested' })
}
