import { setTimeout as wait } from 'node:timers/promises'
import { projectPersons, type PersonMerge } from '../ingest/project-persons.ts'
import { isAnyRunAlive } from '../store/runs.ts'
import { repeat } from './repeat.ts'

/** How long a change waits at most until its person is merged, while nothing else is to be done. */
const EVERY_MS = 1000
/** While a run is alive the merge rests fourteen times as long as it works: a fifteenth of its time is what ingest gives up. */
const REST_FACTOR = 14

/** Merges page after page until nothing is due, or another process does it, or `isStopped`. Returns how many pages. */
async function mergeDue(context: PersonMerge, isStopped: () => boolean): Promise<number> {
  for (let pages = 0; ; pages++) {
    const startedAt = performance.now()
    if (isStopped() || (await projectPersons(context)) !== 'more') return pages
    const worked = performance.now() - startedAt
    if (await isAnyRunAlive(context.database.query)) await wait(worked * REST_FACTOR)
  }
}

/**
 * Merges persons behind the change feeds until it is stopped. It may run in every process: the database lets one merge at a
 * time, and the cursor says what is due, so no job tells it. A pass that fails is followed by the next one.
 */
export function startProjector(
  context: PersonMerge,
  onError: (error: unknown) => void,
  everyMs = EVERY_MS,
): () => Promise<void> {
  return repeat((isStopped) => mergeDue(context, isStopped), { everyMs, onError })
}
