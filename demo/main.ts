import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { verifyAudit } from '../src/audit-commands.ts'
import { AppError } from '../src/errors.ts'
import { countAuditEntries } from '../src/store/audit-log.ts'
import { countUndelivered, sumDeliveries } from '../src/store/delivery-totals.ts'
import { awaitsMerge, countPersons, type PersonCounts } from '../src/store/persons.ts'
import { countRecords } from '../src/store/records.ts'
import { countRejections } from '../src/store/rejections.ts'
import type { Run } from '../src/store/runs.ts'
import { sourceCounts } from './city/expectations.ts'
import type { LedgerSummary } from './platform/ledger.ts'
import { largestResidentSet } from './processes.ts'
import { openProgress, say } from './progress.ts'
import { describeProtocol } from './protocol.ts'
import { pullEverything } from './pull.ts'
import { report } from './report.ts'
import { feedsOfStage, runFeeds, type FeedPass } from './run-feeds.ts'
import { openStage, type DemoOptions, type Stage } from './stage.ts'
import {
  expectedRejectedTotals,
  findDifferences,
  firstPass,
  platformLive,
  secondPass,
  sumBatches,
  type Counts,
  type DemoResult,
  type DepartmentResults,
} from './totals.ts'

function wholeNumber(name: string, value: unknown, least: number): number {
  const number = Number(value)
  if (Number.isSafeInteger(number) && number >= least) return number
  throw new AppError('USAGE_INVALID', `--${name} is "${String(value)}"; give a whole number from ${least}`)
}

function readOptions(given: Readonly<Record<string, string | boolean | undefined>>): DemoOptions {
  const city = {
    residents: wholeNumber('residents', given['residents'], 20),
    seed: wholeNumber('seed', given['seed'], 0),
  }
  const data = path.resolve(typeof given['data'] === 'string' ? given['data'] : 'data/demo')
  const platformSlowMs = wholeNumber('platform-slow', given['platformSlow'] ?? 0, 0)
  return { city, data, json: given['json'] === true, exit: given['exit'] === true, platformSlowMs }
}

const POLL_MS = 150
/** Longer than any lease, so that a killed worker's work is waited for. */
const GIVE_UP_AFTER_MS = 60_000

async function readLedger(platform: Stage['platform']): Promise<LedgerSummary> {
  const response = await fetch(new URL('/ledger', platform.facts.listening))
  return (await response.json()) as LedgerSummary
}

/** Which department hands out which feed by which protocol, and how many rows came in the first pass. */
function tellDepartments({ departments }: Stage, runs: Readonly<Record<string, Run>>): DepartmentResults {
  return Object.fromEntries(
    departments.map(({ name, facts }) => {
      const feeds = Object.entries(facts.feeds).map(([code, { manifest }]) => {
        return [code, { protocol: describeProtocol(manifest), pulled: runs[code]?.pulled ?? 0 }] as const
      })
      return [name, { feeds: Object.fromEntries(feeds) }] as const
    }),
  )
}

function countMerged({ installation }: Stage): Promise<PersonCounts> {
  const sources = [...installation.datasets.values()].filter(({ parts }) => parts !== null)
  return countPersons(
    installation.database.query,
    sources.map(({ name }) => name),
  )
}

const sum = (values: Readonly<Record<string, number>>): number =>
  Object.values(values).reduce((total, value) => total + value, 0)

const liveOf = ({ datasets }: LedgerSummary): number =>
  Object.values(datasets).reduce((total, { live }) => total + live, 0)

/** Waits until all persons are merged and every change is delivered and acknowledged; gives up when nothing has moved for a minute. */
async function awaitDelivery(stage: Stage): Promise<LedgerSummary> {
  const { query } = stage.installation.database
  const wanted = sum(await countRecords(query))
  const progress = openProgress(['delivered'])
  let movedAt = Date.now()
  let before = ''
  try {
    for (;;) {
      const ledger = await readLedger(stage.platform)
      const undelivered = (await countUndelivered(query)) + Number(await awaitsMerge(query))
      progress.show({ label: 'delivered', done: liveOf(ledger), total: wanted })
      // The ledger was read before the queue was seen empty; what it holds now is what counts.
      if (undelivered === 0) return await readLedger(stage.platform)
      const now = `${ledger.deliveries} ${undelivered}`
      if (now !== before) movedAt = Date.now()
      before = now
      if (Date.now() - movedAt > GIVE_UP_AFTER_MS) return ledger
      await wait(POLL_MS)
    }
  } finally {
    progress.close()
  }
}

async function count(stage: Stage, { runs }: FeedPass): Promise<Counts> {
  const { query } = stage.installation.database
  const deliveries = await sumDeliveries(query)
  return {
    runs,
    records: await countRecords(query),
    rejections: await countRejections(query),
    deliveries: Object.fromEntries(deliveries.map((one) => [one.dataset, one])),
  }
}

async function changeCity(stage: Stage): Promise<void> {
  for (const { facts } of stage.departments) {
    const response = await fetch(new URL('/_control/pass', facts.listening), {
      method: 'POST',
      body: JSON.stringify({ pass: 2 }),
    })
    if (!response.ok) throw new AppError('SOURCE_UNAVAILABLE', `an emulator answered ${response.status}`)
  }
  // The feeds read only what has settled for two seconds, by the departments' own clocks, of which one counts whole seconds.
  await wait(3200)
}

/** Both passes, from the departments to the platform, and every total of them. */
async function play(stage: Stage, startedAt: number): Promise<DemoResult> {
  const { city } = stage.options
  const played = { city, feeds: feedsOfStage(stage) }
  say('  first pass: departments → GridBridge → platform')
  const firstTaken = await runFeeds(stage, sourceCounts(city))
  const ledgerFirst = await awaitDelivery(stage)
  const countsFirst = await count(stage, firstTaken)
  const pulledByApi = await pullEverything(stage.api.facts.listening, stage.consumer)
  say('  the city changes; second pass')
  await changeCity(stage)
  const secondTaken = await runFeeds(stage, {})
  const ledger = await awaitDelivery(stage)
  const countsSecond = await count(stage, secondTaken)
  const persons = await countMerged(stage)
  const verdict = await verifyAudit(stage.config)
  const first = firstPass(played, countsFirst)
  const second = secondPass(countsFirst, countsSecond)
  const differences = findDifferences(played, {
    runs: firstTaken.runs,
    postedFirst: firstTaken.posted,
    postedSecond: secondTaken.posted,
    first,
    second,
    rejectedByRule: countsFirst.rejections,
    platformFirst: platformLive(ledgerFirst),
    platformSecond: platformLive(ledger),
    pulledByApi,
    ledger,
    persons,
    auditVerified: verdict.state === 'whole',
  })
  return {
    ok: differences.length === 0,
    seed: city.seed,
    seconds: Math.round((Date.now() - startedAt) / 100) / 10,
    first,
    departments: tellDepartments(stage, firstTaken.runs),
    expectedRejected: expectedRejectedTotals(played),
    rejectedByRule: countsFirst.rejections,
    platform: platformLive(ledgerFirst),
    second,
    pulledByApi,
    batches: sumBatches([firstTaken.posted, secondTaken.posted]),
    persons: { merged: persons.persons, conflicts: persons.conflicts },
    redeliveries: ledger.redeliveries,
    duplicateEffects: ledger.duplicateEffects,
    restarts: stage.worker.restarts() + stage.api.restarts(),
    audit: { entries: await countAuditEntries(stage.installation.database.query), verified: verdict.state === 'whole' },
    peakRssMb: Math.round(largestResidentSet()),
    differences,
  }
}

async function stopStage(stops: readonly (() => Promise<void>)[]): Promise<void> {
  for (const stop of stops.toReversed()) await stop().catch(() => undefined)
}

/** Waits for Ctrl-C, with everything running, so that it can be looked at. */
async function leaveOpen(stage: Stage): Promise<void> {
  say(`  open: ${stage.api.facts.listening}/openapi.json · end with Ctrl-C`)
  const { promise, resolve } = Promise.withResolvers<void>()
  process.once('SIGINT', () => resolve())
  process.once('SIGTERM', () => resolve())
  await promise
}

/**
 * Plays the whole flow on a synthetic city with every system as a process of its own. Returns the exit code: 0 only when every
 * total adds up.
 */
export async function playDemo(given: Readonly<Record<string, string | boolean | undefined>>): Promise<number> {
  const startedAt = Date.now()
  const options = readOptions(given)
  const stops: (() => Promise<void>)[] = []
  try {
    say(`  a city of ${options.city.residents} residents, seed ${options.city.seed}, in ${options.data}`)
    const stage = await openStage(options, stops)
    const result = await play(stage, startedAt)
    report(result)
    if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`)
    if (!options.exit) await leaveOpen(stage)
    return result.ok ? 0 : 1
  } finally {
    await stopStage(stops)
  }
}
