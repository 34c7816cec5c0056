import { UnrecoverableError } from 'bullmq'
import type { Dataset } from '../feeds/datasets.ts'
import { AppError, toAppError } from '../errors.ts'
import { readingEverything } from '../ingest/compare.ts'
import { runFeed } from '../ingest/run-feed.ts'
import { openSource } from '../ingest/sources/open.ts'
import type { EgressGuard } from '../security/egress.ts'
import type { KeyRing } from '../security/key-ring.ts'
import { open } from '../security/seal.ts'
import { pushChanges } from '../sharing/push.ts'
import { beginDueCompare } from '../store/compare.ts'
import type { Database } from '../store/database.ts'
import { listSubscriptionsOfDataset } from '../store/deliveries.ts'
import { findFeedOfRun, type Feed } from '../store/feeds.ts'
import { deferRun, stopRun } from '../store/finish-run.ts'
import { claimRun, findRun, type RunLease } from '../store/runs.ts'
import type { DeliverJob, IngestJob, JobHandlers, JobQueues } from './queues.ts'

export interface WorkerContext {
  readonly database: Database
  readonly datasets: ReadonlyMap<string, Dataset>
  readonly keys: KeyRing
  readonly egress: EgressGuard
  readonly queues: JobQueues
  readonly auditDeadlineMs: number
  readonly report: (event: WorkerEvent) => void
}

/** What a worker tells the log: a code and ids, never a value. */
export interface WorkerEvent {
  readonly event: 'run.slice' | 'run.failed' | 'delivery.slice'
  readonly object: string
  readonly outcome: string
}

/** Short enough that a restart loses little and others get their turn, long enough to be worth opening the source. */
const SLICE_MS = 20_000

/** A run that keeps failing is tried for about an hour and a half; then it stops with its reason and the next slot begins anew. */
const MOST_FAILURES = 10
const LONGEST_DELAY_MS = 15 * 60_000

function retryDelayMs(failures: number, error: AppError): number {
  const asked = (error.cause as { retryAfterMs?: number } | undefined)?.retryAfterMs
  if (asked !== undefined) return Math.min(asked, LONGEST_DELAY_MS)
  const longest = Math.min(LONGEST_DELAY_MS, 2000 * 2 ** failures)
  return longest / 2 + Math.random() * (longest / 2)
}

function secretsOf(feed: Feed, keys: KeyRing): Readonly<Record<string, string>> {
  return JSON.parse(open(keys.sealKey, `feed-secrets|${feed.code}`, feed.secrets)) as Record<string, string>
}

function datasetOf(feed: Feed, datasets: WorkerContext['datasets']): Dataset {
  const dataset = datasets.get(feed.dataset)
  if (dataset === undefined) throw new AppError('SCHEMA_INVALID', `there is no schema for dataset ${feed.dataset}`)
  return dataset
}

async function readFeed(context: WorkerContext, feed: Feed, lease: RunLease): Promise<'done' | 'more'> {
  const { database, datasets, keys, egress } = context
  const manifest = feed.comparing ? readingEverything(feed.manifest) : feed.manifest
  const source = await openSource(manifest, secretsOf(feed, keys), egress)
  try {
    return await runFeed({
      database,
      feed,
      dataset: datasetOf(feed, datasets),
      source,
      keys,
      lease,
      sliceEndsAt: Date.now() + SLICE_MS,
    })
  } finally {
    await source.close().catch(() => undefined)
  }
}

/** The one place that decides what a failed run does: another worker has it, it waits, or it stops. */
async function settleFailure(context: WorkerContext, feed: Feed, lease: RunLease, error: AppError): Promise<void> {
  context.report({ event: 'run.failed', object: `run/${lease.runId}`, outcome: error.code })
  if (error.code === 'LEASE_LOST') return
  const { failures } = await findRun(context.database.query, lease.runId)
  if (!error.retry || failures >= MOST_FAILURES) return stopRun(context.database, feed, lease, error.code)
  const delayMs = retryDelayMs(failures, error)
  await deferRun(context.database, feed, lease, error, delayMs)
  await context.queues.enqueueRun({ runId: lease.runId, epoch: lease.epoch }, delayMs + 50)
}

async function wakeSubscriptions(context: WorkerContext, dataset: string): Promise<void> {
  for (const subscription of await listSubscriptionsOfDataset(context.database.query, dataset)) {
    await context.queues.enqueueDelivery(subscription)
  }
}

async function ingest(context: WorkerContext, { runId }: IngestJob): Promise<void> {
  const lease = await claimRun(context.database.query, runId)
  if (lease === null) return
  await beginDueCompare(context.database.query, runId)
  const feed = await findFeedOfRun(context.database.query, runId)
  try {
    const outcome = await readFeed(context, feed, lease)
    context.report({ event: 'run.slice', object: `run/${runId}`, outcome })
    if (outcome === 'more') await context.queues.enqueueRun({ runId, epoch: lease.epoch })
  } catch (error) {
    await settleFailure(context, feed, lease, toAppError(error))
  }
  await wakeSubscriptions(context, feed.dataset)
}

async function deliver(context: WorkerContext, { subscriptionId }: DeliverJob): Promise<void> {
  const outcome = await pushChanges({ ...context, sliceEndsAt: Date.now() + SLICE_MS }, subscriptionId)
  context.report({ event: 'delivery.slice', object: `subscription/${subscriptionId}`, outcome })
}

/**
 * BullMQ stores an error's message and stack, so only the code of ours leaves a handler. Nothing is retried by BullMQ: the
 * ledger knows what is due and the reconciler brings it back.
 */
function guard<Job>(
  context: WorkerContext,
  handle: (context: WorkerContext, job: Job) => Promise<void>,
): (job: Job) => Promise<void> {
  return async (job) => {
    try {
      await handle(context, job)
    } catch (error) {
      const coded = new UnrecoverableError(toAppError(error).code)
      coded.stack = ''
      throw coded
    }
  }
}

export function makeHandlers(context: WorkerContext): JobHandlers {
  return { ingest: guard(context, ingest), deliver: guard(context, deliver) }
}
