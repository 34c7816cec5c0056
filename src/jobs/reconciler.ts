import type { Database } from '../store/database.ts'
import { listIdleSubscriptions } from '../store/deliveries.ts'
import { listIdleExports } from '../store/export-work.ts'
import { listIdleRuns } from '../store/runs.ts'
import type { JobQueues } from './queues.ts'
import { repeat } from './repeat.ts'

/** How long what fell out of the queue waits at most, besides its lease. Three small index reads. */
const EVERY_MS = 3000

/** Enqueues every run, subscription and export that is due and that no living worker holds. Safe to run anywhere, any number of times. */
export async function reconcile(database: Database, queues: JobQueues): Promise<number> {
  const runs = await listIdleRuns(database.query)
  for (const run of runs) await queues.enqueueRun(run)
  const subscriptions = await listIdleSubscriptions(database.query)
  for (const subscription of subscriptions) await queues.enqueueDelivery(subscription)
  const exports = await listIdleExports(database.query)
  for (const slice of exports) await queues.enqueueExport(slice)
  return runs.length + subscriptions.length + exports.length
}

/** Reconciles over and over until `stop`. A pass that fails is followed by the next one. */
export function startReconciler(
  database: Database,
  queues: JobQueues,
  onError: (error: unknown) => void,
  everyMs = EVERY_MS,
): () => Promise<void> {
  return repeat(() => reconcile(database, queues), { everyMs, onError })
}
