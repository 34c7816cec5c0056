import { readFileSync } from 'node:fs'
import { Pool } from 'undici'
import { openCommits, timeArrivals } from './arrivals.ts'
import { pullPage } from './pull-page.ts'

/** What the consumer is told: where to ask, from which places on, how often and how long. */
export interface ConsumerTask {
  readonly origin: string
  readonly authorization: string
  readonly databaseUrl: string
  readonly cursors: readonly string[]
  readonly perSecond: number
  /** Requests of so many seconds come before and are not timed. */
  readonly rampSeconds: number
  readonly seconds: number
}

/** Milliseconds of each answer and of each bare commit beside it. A run with a refusal is none. */
export interface ConsumerAnswer {
  readonly answers: readonly number[]
  readonly floor: readonly number[]
  readonly refused: number
}

/** Asks for pages evenly, in a process of its own, as a consumer would: in the bench its collector takes as long as the product does. */
async function consume(task: ConsumerTask): Promise<ConsumerAnswer> {
  const { origin, authorization, databaseUrl, cursors, perSecond } = task
  const pool = new Pool(origin, { connections: 16 })
  const commits = await openCommits(databaseUrl)
  let refused = 0
  const ask = (place: number): Promise<unknown> =>
    pullPage({ pool, authorization }, cursors[(place * 7919) % cursors.length] ?? '').catch(() => (refused += 1))
  const time = async (seconds: number): Promise<ConsumerAnswer> => {
    const [answers, floor] = await Promise.all([
      timeArrivals(perSecond, perSecond * seconds, ask),
      timeArrivals(perSecond, perSecond * seconds, commits.commit),
    ])
    return { answers, floor, refused }
  }
  await time(task.rampSeconds)
  const answer = await time(task.seconds)
  await commits.close()
  await pool.close()
  return answer
}

process.stdout.write(JSON.stringify(await consume(JSON.parse(readFileSync(0, 'utf8')) as ConsumerTask)))
