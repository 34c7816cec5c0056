import type { Query } from '../store/database.ts'
import { listFreeSubscriptions } from '../store/deliveries.ts'
import type { JobQueues } from './queues.ts'

/** Tells that a page of a dataset was committed. Returns at once. */
export type Wake = (dataset: string) => void

/** A first load commits 40 pages a second; a subscription that is awake finds the next ones by itself. */
const WAKE_EVERY_MS = 100

/** Enqueues the subscriptions to a dataset that nobody holds. */
export async function wakeSubscriptions(
  query: Query,
  queues: Pick<JobQueues, 'enqueueDelivery'>,
  dataset: string,
): Promise<void> {
  for (const subscription of await listFreeSubscriptions(query, dataset)) await queues.enqueueDelivery(subscription)
}

/**
 * Wakes the subscriptions to a dataset soon after it changed, however often that is told: at most ten times a second, and never
 * later than a tenth of a second after the last time. What is missed by a fault is found by the reconciler.
 */
export function createWake(query: Query, queues: Pick<JobQueues, 'enqueueDelivery'>): Wake {
  const waiting = new Set<string>()
  return (dataset) => {
    if (waiting.has(dataset)) return
    waiting.add(dataset)
    const fire = (): void => {
      waiting.delete(dataset)
      void wakeSubscriptions(query, queues, dataset).catch(() => undefined)
    }
    setTimeout(fire, WAKE_EVERY_MS).unref()
  }
}
