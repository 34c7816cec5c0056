import { schedule, setRunCoordinator, type ScheduledTask } from 'node-cron'
import type { Database } from '../store/database.ts'
import { requestRun } from '../store/runs.ts'
import { claimFire, forgetOldFires, insertSlot, listSchedules, lockFreeSlot, type LastSlot } from '../store/slots.ts'
import type { JobQueues } from './queues.ts'
import { repeat } from './repeat.ts'

export interface Timetable {
  readonly stop: () => Promise<void>
}

/** Feeds that were added, or whose schedule changed, are picked up this often. */
const REFRESH_MS = 15_000

/**
 * Makes the run of one due slot, in one transaction: slot, run and audit entry. A slot is served once, however often and
 * wherever it is fired; one that falls due while a run is alive is served by that run.
 */
export async function fireSlot(database: Database, queues: JobQueues, feed: LastSlot, dueAt: Date): Promise<void> {
  const runId = await database.transaction(async ({ query, audit }) => {
    if (!(await lockFreeSlot(query, feed.feedId, dueAt))) return null
    const run = await requestRun(query, feed.feedId)
    await insertSlot(query, feed.feedId, dueAt, run.runId)
    const fact = { actor: 'system:timetable', outcome: 'ok', feed: feed.code, object: `run/${run.runId}` } as const
    if (run.fresh) await audit({ ...fact, type: 'run.requested' })
    return run.runId
  })
  if (runId !== null) await queues.enqueueRun({ runId, epoch: 0 })
}

const MINUTE_MS = 60_000
/** A monthly feed is the rarest that is caught up; one that was down for longer waits for its next slot. */
const LONGEST_OUTAGE_MS = 32 * 24 * 60 * MINUTE_MS

/** The newest minute up to `now` at which the schedule was due after `since`; null when none was missed. */
function newestMissedSlot(task: ScheduledTask, since: Date, now: Date): Date | null {
  const oldest = Math.max(since.getTime(), now.getTime() - LONGEST_OUTAGE_MS)
  for (let at = now.getTime() - (now.getTime() % MINUTE_MS); at > oldest; at -= MINUTE_MS) {
    if (task.match(new Date(at))) return new Date(at)
  }
  return null
}

/** A feed's schedule as it stands in node-cron. */
interface Entry {
  readonly feed: LastSlot
  readonly task: ScheduledTask
}

type Fire = (feed: LastSlot, dueAt: Date) => Promise<void>

async function startEntry(feed: LastSlot, fire: Fire): Promise<Entry> {
  const task = schedule(feed.cron, (context) => fire(feed, context.date), {
    name: `feed-${feed.feedId}-${feed.cron}`,
    timezone: feed.timezone,
    distributed: true,
    noOverlap: true,
  })
  const missed = newestMissedSlot(task, feed.since, new Date())
  if (missed !== null) await fire(feed, missed)
  return { feed, task }
}

const isCurrent = ({ feed }: Entry, feeds: readonly LastSlot[]): boolean =>
  feeds.some((one) => one.feedId === feed.feedId && one.cron === feed.cron && one.timezone === feed.timezone)

/** The entries that the active feeds call for now: those that still fit, and new ones for the rest. */
async function refreshEntries(
  entries: readonly Entry[],
  feeds: readonly LastSlot[],
  fire: Fire,
): Promise<readonly Entry[]> {
  const kept = entries.filter((entry) => isCurrent(entry, feeds))
  for (const entry of entries) if (!kept.includes(entry)) await entry.task.destroy()
  const missing = feeds.filter((feed) => !kept.some((entry) => entry.feed.feedId === feed.feedId))
  const started: Entry[] = []
  for (const feed of missing) started.push(await startEntry(feed, fire))
  return [...kept, ...started]
}

/**
 * Fires every active feed's schedule. It runs in every replica: node-cron asks the database who fires, so a slot is fired
 * once however many replicas there are, and what was missed while all were down is made up for once at the start.
 */
export function startTimetable(database: Database, queues: JobQueues, onError: (error: unknown) => void): Timetable {
  setRunCoordinator({ shouldRun: (key) => claimFire(database.query, key) })
  const fire: Fire = (feed, dueAt) => fireSlot(database, queues, feed, dueAt).catch(onError)
  let entries: readonly Entry[] = []
  const refresh = async (): Promise<void> => {
    entries = await refreshEntries(entries, await listSchedules(database.query), fire)
    await forgetOldFires(database.query)
  }
  const stopRefreshing = repeat(refresh, { everyMs: REFRESH_MS, onError })
  return {
    stop: async () => {
      await stopRefreshing()
      for (const { task } of entries) await task.destroy()
    },
  }
}
