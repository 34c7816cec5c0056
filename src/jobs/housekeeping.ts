import { toAppError } from '../errors.ts'
import type { Dataset } from '../feeds/datasets.ts'
import type { Clocks } from '../feeds/jurisdiction.ts'
import { addWorkingDays } from '../feeds/working-days.ts'
import { raiseAlert } from '../store/alerts.ts'
import type { Database, Transaction } from '../store/database.ts'
import { listSettled } from '../store/corrections.ts'
import { closeCorrection, raiseOverdueCorrections, syncCorrections } from '../store/correction-steps.ts'
import { listNewlyStale } from '../store/freshness.ts'
import { forgetNonces } from '../store/nonces.ts'
import { raiseOverdueRecalls } from '../store/recall-notices.ts'
import { expireRejections } from '../store/rejections.ts'
import { forgetOldFailures } from '../store/sign-in.ts'
import { forgetSourceCalls } from '../store/source-health.ts'
import { purgeTombstones, restartStrayed } from '../store/tombstones.ts'
import { followApplications } from './application-clock.ts'
import { repeat } from './repeat.ts'

export interface HouseRules {
  /** Days after which a refused row that nobody corrected is removed. */
  readonly rejectionDays: number
  /** Days after which a tombstone is removed. */
  readonly tombstoneDays: number
  readonly datasets: ReadonlyMap<string, Dataset>
  /** How many working days each duty may take. */
  readonly clocks: Clocks
}

const EVERY_MS = 60_000
/** Tombstones of one transaction: some tens of milliseconds. */
const PURGE_ROWS = 2000

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

/** What a page of purged tombstones leads to: the counts and the subscriptions that would miss one are written down with it. */
async function purgePage({ query, audit }: Transaction, days: number): Promise<number> {
  const purged = await purgeTombstones(query, days, PURGE_ROWS)
  if (purged.length === 0) return 0
  const fact = { actor: 'system:scheduler', outcome: 'ok' } as const
  for (const { dataset, tombstones } of purged)
    await audit({ ...fact, type: 'tombstones.purged', dataset, count: tombstones, details: { days } })
  for (const { consumer, dataset, subscriptionId } of await restartStrayed(query)) {
    const object = `consumer/${consumer}`
    await audit({ ...fact, type: 'subscription.restarted', dataset, object, details: { subscription: subscriptionId } })
  }
  return purged.reduce((sum, { tombstones }) => sum + tombstones, 0)
}

/** Removes old tombstones, some thousands in a transaction. */
async function purge(database: Database, { tombstoneDays }: HouseRules): Promise<void> {
  while ((await database.transaction((transaction) => purgePage(transaction, tombstoneDays))) > 0);
}

const DAY_MS = 86_400_000

/** Its consumer, or another process, was faster. */
function ignoreClosed(error: unknown): void {
  if (toAppError(error).code !== 'CORRECTION_STATE') throw error
}

/** Corrections that ended and that their consumer did not close in as many working days as the department had. */
async function closeSettled(database: Database, { correctionDays }: Clocks): Promise<void> {
  const now = new Date()
  const settled = await listSettled(database.query, new Date(now.getTime() - correctionDays * DAY_MS))
  for (const { correctionId, settledAt } of settled) {
    if (addWorkingDays(settledAt, correctionDays).due >= now) continue
    await database
      .transaction((transaction) => closeCorrection(transaction, correctionId, 'system:scheduler'))
      .catch(ignoreClosed)
  }
}

/** Corrections move on by time and by what came in without a run: late answers are told of, ended ones are closed. */
async function keepCorrections(database: Database, clocks: Clocks): Promise<void> {
  await database.transaction(raiseOverdueCorrections)
  await database.transaction((transaction) => syncCorrections(transaction, null))
  await closeSettled(database, clocks)
}

/** What nobody asks for and has to be done: late feeds and answers are told of, terms end, and what is too old is removed. Safe in any number of processes. */
export async function keepHouse(database: Database, rules: HouseRules): Promise<void> {
  await raiseStale(database)
  await followApplications(database, rules.datasets)
  await expire(database, rules)
  await purge(database, rules)
  await keepCorrections(database, rules.clocks)
  await database.transaction(raiseOverdueRecalls)
  await forgetSourceCalls(database.query)
  await forgetNonces(database.query)
  await forgetOldFailures(database.query)
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
