import { UnrecoverableError } from 'bullmq'
import type { Dataset } from '../feeds/datasets.ts'
import { toAppError } from '../errors.ts'
import { blackoutAheadMs, dayIn } from '../feeds/source-hours.ts'
import { openFeedSource } from '../ingest/feed-source.ts'
import { datasetOf } from '../ingest/preview.ts'
import { readingEverything } from '../ingest/read-window.ts'
import { runFeed } from '../ingest/run-feed.ts'
import { limitCalls } from '../ingest/sources/limit-calls.ts'
import { codeOf, type LogFields } from '../log-events.ts'
import type { EgressGuard } from '../security/egress.ts'
import type { KeyRing } from '../security/key-ring.ts'
import { workOnExport, type ExportRules } from '../sharing/export.ts'
import { pushChanges } from '../sharing/push.ts'
import { beginDueCompare } from '../store/compare.ts'
import type { Database } from '../store/database.ts'
import { findLeaseEpoch } from '../store/deliveries.ts'
import { findFeedOfRun, type Feed } from '../store/feeds.ts'
import { claimRun, type RunLease } from '../store/runs.ts'
import { countSourceCall } from '../store/source-health.ts'
import type { DeliverJob, ExportJob, IngestJob, JobHandlers, JobQueues } from './queues.ts'
import { holdWhereForbidden, settleFailure } from './run-guards.ts'
import { createWake, wakeSubscriptions, type Wake } from './wake.ts'

export interface WorkerContext {
  readonly database: Database
  readonly datasets: ReadonlyMap<string, Dataset>
  readonly keys: KeyRing
  readonly egress: EgressGuard
  readonly queues: JobQueues
  readonly auditDeadlineMs: number
  readonly exportRules: ExportRules
  readonly report: (event: WorkerEvent) => void
}

interface HandlerContext extends WorkerContext {
  readonly wake: Wake
}

/** What a worker tells the log: a code and ids, never a value. */
export type WorkerEvent = LogFields<'SLICE_ENDED'>

/** Short enough that a restart loses little and others get their turn, long enough to be worth opening the source. */
const SLICE_MS = 20_000

/** Records of one file of an export: some hundred kilobytes to three megabytes of gzip. */
const PART_RECORDS = 20_000

async function readFeed(context: HandlerContext, feed: Feed, lease: RunLease): Promise<'done' | 'more'> {
  const { database, datasets, keys } = context
  const manifest = feed.comparing ? readingEverything(feed.manifest) : feed.manifest
  const { limits, schedule } = manifest
  const opened = await openFeedSource(context, { ...feed, manifest })
  const source = limitCalls(opened, limits, () =>
    countSourceCall(database.query, feed.feedId, dayIn(schedule.timezone, new Date())),
  )
  try {
    return await runFeed({
      database,
      feed,
      dataset: datasetOf(feed.manifest, datasets),
      source,
      keys,
      lease,
      sliceEndsAt: Date.now() + Math.min(SLICE_MS, blackoutAheadMs(schedule, new Date())),
      onSaved: () => context.wake(feed.dataset),
    })
  } finally {
    await source.close().catch(() => undefined)
  }
}

/** Works on a slice of the run. Returns after how many milliseconds it is due again; null: not by itself. */
async function workOn(context: HandlerContext, feed: Feed, lease: RunLease): Promise<number | null> {
  const object = `run/${lease.runId}` as const
  try {
    const outcome = await readFeed(context, feed, lease)
    context.report({ event: 'run.slice', object, outcome: codeOf(outcome) })
    return outcome === 'more' ? 0 : null
  } catch (error) {
    const coded = toAppError(error)
    context.report({ event: 'run.failed', object, outcome: codeOf(coded.code) })
    return settleFailure(context.database, feed, lease, coded)
  }
}

async function ingest(context: HandlerContext, { runId }: IngestJob): Promise<void> {
  const lease = await claimRun(context.database.query, runId)
  if (lease === null) return
  await beginDueCompare(context.database.query, runId)
  const feed = await findFeedOfRun(context.database.query, runId)
  const held = await holdWhereForbidden(context.database, feed, lease)
  const dueInMs = held ?? (await workOn(context, feed, lease))
  if (dueInMs !== null) await context.queues.enqueueRun({ runId, epoch: lease.epoch }, dueInMs)
  if (held === null) await wakeSubscriptions(context.database.query, context.queues, feed.dataset)
}

async function deliver(context: HandlerContext, { subscriptionId }: DeliverJob): Promise<void> {
  const outcome = await pushChanges({ ...context, sliceEndsAt: Date.now() + SLICE_MS }, subscriptionId)
  if (outcome === 'more') {
    const epoch = await findLeaseEpoch(context.database.query, subscriptionId)
    await context.queues.enqueueDelivery({ subscriptionId, epoch })
  }
  context.report({ event: 'delivery.slice', object: `subscription/${subscriptionId}`, outcome: codeOf(outcome) })
}

async function makeExport(context: WorkerContext, { exportId }: ExportJob): Promise<void> {
  const slice = await workOnExport(
    { ...context, partRecords: PART_RECORDS, sliceEndsAt: Date.now() + SLICE_MS },
    exportId,
  )
  context.report({ event: 'export.slice', object: `export/${exportId}`, outcome: codeOf(slice.outcome) })
  if (slice.dueInMs !== null) await context.queues.enqueueExport({ exportId, epoch: slice.epoch }, slice.dueInMs)
}

/**
 * BullMQ stores an error's message and stack, so only the code of ours leaves a handler. Nothing is retried by BullMQ: the
 * ledger knows what is due and the reconciler brings it back.
 */
function guard<Job>(
  context: HandlerContext,
  handle: (context: HandlerContext, job: Job) => Promise<void>,
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

export function makeHandlers(given: WorkerContext): JobHandlers {
  const context = { ...given, wake: createWake(given.database.query, given.queues) }
  return { ingest: guard(context, ingest), deliver: guard(context, deliver), export: guard(context, makeExport) }
}
