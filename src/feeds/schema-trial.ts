import { setTimeout as wait } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { AppError } from '../errors.ts'
import type { SchemaFault } from './dataset-rules.ts'
import type { SchemaTrial, TrialNews } from './schema-trial-worker.ts'

/** What one trial may cost. The largest schema that ships takes half a second, of which the thread's start is the most. */
interface TrialBounds {
  /** Of the thread's processor time, its start included. */
  readonly milliseconds: number
  readonly megabytes: number
}

const BOUNDS: TrialBounds = { milliseconds: 1500, megabytes: 64 }
/** On a machine that is very busy a thread gets little of the processor; nobody waits for it longer than this. */
const MOST_WAIT_MS = 15_000
const LOOK_EVERY_MS = 50
const NOT_TOLD = { user: 0, system: 0 }
const MOST_WAITING = 4

const OUT_OF_MEMORY = 'ERR_WORKER_OUT_OF_MEMORY'

function startThread(trial: SchemaTrial, megabytes: number): Worker {
  return new Worker(new URL('schema-trial-worker.ts', import.meta.url), {
    workerData: trial,
    // A schema has no business with settings, and nothing that it makes somebody say belongs in a log.
    env: {},
    argv: [],
    execArgv: [],
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: megabytes, maxYoungGenerationSizeMb: 16, stackSizeMb: 4 },
  })
}

const costly = (pointer: string, what: string): AppError =>
  new AppError('SCHEMA_TOO_COSTLY', `#${pointer}: ${what}; wanted a simpler schema`)

/** Looks at the thread's processor time. Resolves where it is spent, or where there is no thread any more. */
async function waitUntilSpent(thread: Worker, { milliseconds }: TrialBounds): Promise<void> {
  const begun = performance.now()
  for (;;) {
    await wait(LOOK_EVERY_MS)
    // A thread that does not stand yet, or no more, does not tell.
    const { user, system } = await thread.cpuUsage().catch(() => NOT_TOLD)
    const isSpent = (user + system) / 1000 > milliseconds || performance.now() - begun > MOST_WAIT_MS
    if (isSpent || thread.threadId === -1) return
  }
}

/** Runs the thread to its end or to its bounds. */
async function runTrial(trial: SchemaTrial, bounds: TrialBounds): Promise<readonly SchemaFault[]> {
  const thread = startThread(trial, bounds.megabytes)
  let pointer = ''
  const judged = new Promise<readonly SchemaFault[]>((resolve, reject) => {
    thread.on('message', (news: TrialNews) => {
      if (news.kind === 'done') resolve(news.faults)
      else pointer = news.pointer
    })
    thread.once('error', (error: NodeJS.ErrnoException) => {
      const isFull = error.code === OUT_OF_MEMORY
      reject(isFull ? costly(pointer, `takes more than ${bounds.megabytes} MB to try`) : error)
    })
    thread.once('exit', () => reject(costly(pointer, 'ended before it was tried')))
  })
  const spent = waitUntilSpent(thread, bounds)
  try {
    // A thread that ended by itself is told of by its own events.
    const isSpent = await Promise.race([judged.then(() => false), spent.then(() => thread.threadId !== -1)])
    if (isSpent) throw costly(pointer, `takes longer than ${bounds.milliseconds} ms to try`)
    return await judged
  } finally {
    await thread.terminate()
  }
}

let running: Promise<unknown> = Promise.resolve()
let waiting = 0

/**
 * Compiles a schema that passed findUnsafeParts in a thread with bounds, assesses it by ajv's secure meta-schema and has it judge
 * generated records. One at a time, because each may use a processor for a second and a half. Gives what is wrong with it.
 * Throws SCHEMA_TOO_COSTLY with the place it was at where it passes its bounds, BUSY where four are waiting.
 */
export async function trySchema(trial: SchemaTrial, bounds: TrialBounds = BOUNDS): Promise<readonly SchemaFault[]> {
  if (waiting >= MOST_WAITING) throw new AppError('BUSY', 'schemas are tried one after another; try again soon')
  waiting += 1
  const before = running
  const mine = before.then(
    () => runTrial(trial, bounds),
    () => runTrial(trial, bounds),
  )
  running = mine.catch(() => undefined)
  try {
    return await mine
  } finally {
    waiting -= 1
  }
}
