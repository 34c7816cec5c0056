import { setTimeout as wait } from 'node:timers/promises'
import { AppError } from '../src/errors.ts'
import { listRuns, type Run } from '../src/store/runs.ts'
import type { Installation } from '../src/installation.ts'
import type { PostedBatches } from './departments/batches.ts'

const POLL_MS = 100

/** What a department posted in one pass, and what the runs that read it came to together. */
export interface Posted {
  readonly batches: PostedBatches
  readonly run: Run
}

const sumOf = (runs: readonly Run[], count: (run: Run) => number): number =>
  runs.reduce((total, run) => total + count(run), 0)

/** The newest run of a feed with the rows of all. A batch is read by the run that is alive as it comes, or by one of its own. */
function addUp(runs: readonly Run[], feed: string): Run {
  const [newest] = runs
  if (newest === undefined) throw new AppError('RUN_UNKNOWN', `no batch led to a run of ${feed}`)
  return {
    ...newest,
    pulled: sumOf(runs, (run) => run.pulled),
    valid: sumOf(runs, (run) => run.valid),
    rejected: sumOf(runs, (run) => run.rejected),
    inserted: sumOf(runs, (run) => run.inserted),
    updated: sumOf(runs, (run) => run.updated),
    deleted: sumOf(runs, (run) => run.deleted),
    unchanged: sumOf(runs, (run) => run.unchanged),
  }
}

const MOST_RUNS = 1000

const runsOf = ({ database }: Installation, feed: string): Promise<readonly Run[]> =>
  listRuns(database.query, { feed, department: null, before: null, limit: MOST_RUNS })

/** Has a department post what it has to the product's own door. Nobody asks for a run: the batches do. */
export async function haveBatchesPosted(
  installation: Installation,
  feed: string,
  department: string,
  api: string,
): Promise<Posted> {
  const before = (await runsOf(installation, feed))[0]?.runId ?? 0
  const answer = await fetch(new URL('/_control/post', department), { method: 'POST', body: JSON.stringify({ api }) })
  if (!answer.ok) throw new AppError('SOURCE_UNAVAILABLE', `the department of ${feed} answered ${answer.status}`)
  const batches = (await answer.json()) as PostedBatches
  for (;;) {
    const runs = (await runsOf(installation, feed)).filter(({ runId }) => runId > before)
    // Its last rows were read; what is left of the run is its end.
    if (runs.every(({ state }) => state === 'done' || state === 'stopped')) return { batches, run: addUp(runs, feed) }
    await wait(POLL_MS)
  }
}
