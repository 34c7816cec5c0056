import type { Dataset } from '../feeds/datasets.ts'
import { raiseAlert } from '../store/alerts.ts'
import type { Database } from '../store/database.ts'
import { listNewlyStale } from '../store/freshness.ts'
import { forgetNonces } from '../store/nonces.ts'
import { expireRejections } from '../store/rejections.ts'
import { forgetSourceCalls } from '../store/source-health.ts'
import { followApplications } from './application-clock.ts'
import { repeat } from './repeat.ts'

export interface HouseRules {
  /** Days after which a refused row that nobody corrected is removed. */
  readonly rejectionDays: number
  readonly datasets: ReadonlyMap<string, Dataset>
}

const EVERY_MS = 60_000

async function raiseStale(database: Database): Promise<void> {
  for (const feed of await listNewlyStale(database.query)) {
    const details = { cycle: feed.cycle, ageHours: Math.floor(feed.ageSeconds / 3600) }
    await database.transaction((transaction) =>
      raiseAlert(transaction, { kind: 'feed-stale', feed, runId: null, details }),
    )
  }
}

/** Removes old refused rows, some thousands in a transaction, and writes down how many of which feed. */
async function expire(database: Database, { rejectionDays }: HouseRules): Promise<void> {
  for (;;) {
    const expired = await database.transaction(async ({ query, audit }) => {
      const feeds = await expireRejections(query, rejectionDays)
      for (const { feed, dataset, rows } of feeds) {
        const fact = { actor: 'system:scheduler', outcome: 'ok', feed, dataset, count: rows } as const
        await audit({ ...fact, type: 'rejections.expired', details: { days: rejectionDays } })
      }
      return feeds.length
    })
    if (expired === 0) return
  }
}

/** What nobody asks for and has to be done: late feeds and answers are told of, terms end, and what is too old is removed. Safe in any number of processes. */
export async function keepHouse(database: Database, rules: HouseRules): Promise<void> {
  await raiseStale(database)
  await followApplications(database, rules.datasets)
  await expire(database, rules)
  await forgetSourceCalls(database.query)
  await forgetNonces(database.query)
}

/** Keeps house over and over until the function that it returns is called. A pass that fails is followed by the next one. */
export function startHousekeeping(
  database: Database,
  rules: HouseRules,
  onError: (error: unknown) => void,
  everyMs = EVERY_MS,
): () => Promise<void> {
  return repeat(() => keepHouse(database, rules), { everyMs, onError })
}
