import path from 'node:path'
import { randomBytes } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { addConsumer, addFeed, runFeedNow, verifyAudit, type AddedConsumer } from '../src/commands.ts'
import type { Config } from '../src/config.ts'
import { AppError } from '../src/errors.ts'
import { openInstallation, type Installation } from '../src/installation.ts'
import { countAuditEntries } from '../src/store/audit-log.ts'
import { sumDeliveries } from '../src/store/deliveries.ts'
import { countRecords } from '../src/store/records.ts'
import { countRejections } from '../src/store/rejections.ts'
import type { Run } from '../src/store/runs.ts'
import { sourceCounts } from './city/expectations.ts'
import { datasets, type CityOptions } from './city/options.ts'
import type { FeedFacts } from './departments/department.ts'
import { demoConfig, demoEnvironment, emptyData } from './installation.ts'
import type { LedgerSummary } from './platform/ledger.ts'
import { largestResidentSet, projectRoot, startPart, type Part } from './processes.ts'
import { drawTable, openProgress, say } from './progress.ts'
import { pullEverything } from './pull.ts'
import { expectedRejectedTotals, findDifferences, firstPass, platformLive, secondPass, type Counts, type DemoResult } from './totals.ts'

interface DemoOptions {
  readonly city: CityOptions
  readonly data: string
  readonly json: boolean
  readonly exit: boolean
  /** How much later than its ledger the platform answers, in milliseconds. */
  readonly platformSlowMs: number
}

interface DepartmentFacts {
  readonly listening: string
  readonly feeds: Readonly<Record<string, FeedFacts>>
}

/** Everything that runs, and how to ask it. */
interface Stage {
  readonly options: DemoOptions
  readonly config: Config
  readonly installation: Installation
  readonly departments: readonly Part<DepartmentFacts>[]
  readonly platform: Part<{ readonly listening: string }>
  readonly api: Part<{ readonly listening: string }>
  readonly worker: Part<object>
  readonly consumer: AddedConsumer
}

const departmentNames = ['public-security', 'natural-resources', 'market-supervision', 'civil-affairs'] as const

function wholeNumber(name: string, value: unknown, least: number): number {
  const number = Number(value)
  if (Number.isSafeInteger(number) && number >= least) return number
  throw new AppError('USAGE_INVALID', `--${name} is "${String(value)}"; give a whole number from ${least}`)
}

function readOptions(given: Readonly<Record<string, string | boolean | undefined>>): DemoOptions {
  const city = { residents: wholeNumber('residents', given['residents'], 20), seed: wholeNumber('seed', given['seed'], 0) }
  const data = path.resolve(typeof given['data'] === 'string' ? given['data'] : 'data/demo')
  const platformSlowMs = wholeNumber('platform-slow', given['platformSlow'] ?? 0, 0)
  return { city, data, json: given['json'] === true, exit: given['exit'] === true, platformSlowMs }
}

function startDepartments(options: DemoOptions, installation: Installation): Promise<Part<DepartmentFacts>[]> {
  const { residents, seed } = options.city
  return Promise.all(
    departmentNames.map((name) =>
      startPart<DepartmentFacts>({
        name,
        logs: path.join(options.data, 'logs'),
        script: [
          `demo/departments/${name}.ts`,
          '--residents',
          String(residents),
          '--seed',
          String(seed),
          '--data',
          path.join(options.data, 'departments'),
          ...(name === 'natural-resources' ? ['--database-url', installation.databaseUrl] : []),
        ],
      }),
    ),
  )
}

async function addFeeds(config: Config, departments: readonly Part<DepartmentFacts>[]): Promise<void> {
  for (const { facts } of departments) {
    for (const feed of Object.values(facts.feeds)) {
      const set = Object.entries(feed.set).map(([pointer, value]) => `${pointer}=${value}`)
      const secret = Object.entries(feed.secrets).map(([name, value]) => `${name}=${value}`)
      await addFeed(config, path.join(projectRoot, feed.manifest), { set, secret })
    }
  }
}

/** The platform's port is chosen first, because the consumer is registered with its address and the platform needs the secret. */
async function startPlatform(options: DemoOptions, config: Config): Promise<Pick<Stage, 'platform' | 'consumer'>> {
  const port = 20_000 + (randomBytes(2).readUInt16BE() % 12_000)
  const consumer = await addConsumer(config, 'grid-platform', {
    datasets,
    profile: 'operator',
    purpose: 'LZ-QD-001',
    days: 365,
    webhook: `http://127.0.0.1:${port}/webhook`,
  })
  const platform = await startPart<{ listening: string }>({
    name: 'platform',
    logs: path.join(options.data, 'logs'),
    script: [
      'demo/platform/main.ts',
      '--port',
      String(port),
      '--data',
      path.join(options.data, 'platform'),
      '--slow',
      String(options.platformSlowMs),
      '--secret',
      consumer.webhookSecret ?? '',
    ],
  })
  return { platform, consumer }
}

/** The product as an operator starts it: an api process and a worker process, each started again when it ends unasked. */
async function startProduct(options: DemoOptions): Promise<Pick<Stage, 'api' | 'worker'>> {
  const logs = path.join(options.data, 'logs')
  const environment = { ...demoEnvironment(options.data), PORT: options.exit ? '0' : (process.env['PORT'] ?? '8080') }
  const api = await startPart<{ listening: string }>({ name: 'api', logs, environment, supervised: true, script: ['src/cli.ts', 'start', '--role', 'api'] })
  const worker = await startPart<object>({
    name: 'worker',
    logs,
    environment,
    supervised: true,
    announces: false,
    script: ['src/cli.ts', 'start', '--role', 'worker', '--role', 'scheduler'],
  })
  return { api, worker }
}

const POLL_MS = 150

async function readLedger(platform: Stage['platform']): Promise<LedgerSummary> {
  const response = await fetch(new URL('/ledger', platform.facts.listening))
  return (await response.json()) as LedgerSummary
}

/** Runs every feed once and shows how far each is. Returns the runs by dataset. */
async function runFeeds(stage: Stage, totals: Readonly<Record<string, number>>): Promise<Readonly<Record<string, Run>>> {
  const codes = stage.departments.flatMap(({ facts }) => Object.keys(facts.feeds))
  const progress = openProgress(codes)
  try {
    const runs = await Promise.all(
      codes.map((code) =>
        runFeedNow(stage.config, code, true, (run) =>
          progress.show({ label: code, done: run.pulled, total: run.state === 'done' ? run.pulled : (totals[run.dataset] ?? run.pulled) }),
        ),
      ),
    )
    return Object.fromEntries(runs.map((run) => [run.dataset, run]))
  } finally {
    progress.close()
  }
}

/** Waits until the platform holds what is stored and every delivery is acknowledged; gives up when nothing moves for a minute. */
async function awaitDelivery(stage: Stage): Promise<LedgerSummary> {
  const { query } = stage.installation.database
  const progress = openProgress(['delivered'])
  let movedAt = Date.now()
  let before = ''
  try {
    for (;;) {
      const [ledger, stored, deliveries] = [await readLedger(stage.platform), await countRecords(query), await sumDeliveries(query)]
      const open = deliveries.reduce((total, one) => total + one.delivered - one.acknowledged, 0)
      const held = Object.values(platformLive(ledger)).reduce((total, live) => total + live, 0)
      const wanted = Object.values(stored).reduce((total, records) => total + records, 0)
      progress.show({ label: 'delivered', done: held, total: wanted })
      const pending = await query('select 1 from subscription join agreement using (agreement_id) where exists (select from record where record.dataset_id = agreement.dataset_id and (change_tx, change_seq) > (cursor_tx, cursor_seq))')
      // The ledger was read before the queue was seen empty; what it holds now is what counts.
      if (open === 0 && pending.length === 0) return await readLedger(stage.platform)
      const now = JSON.stringify([held, open, ledger.deliveries, pending.length])
      if (now !== before) movedAt = Date.now()
      before = now
      if (Date.now() - movedAt > 60_000) return ledger
      await wait(POLL_MS)
    }
  } finally {
    progress.close()
  }
}

async function count(stage: Stage, runs: Readonly<Record<string, Run>>): Promise<Counts> {
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
    const response = await fetch(new URL('/_control/pass', facts.listening), { method: 'POST', body: JSON.stringify({ pass: 2 }) })
    if (!response.ok) throw new AppError('SOURCE_UNAVAILABLE', `an emulator answered ${response.status}`)
  }
  // The feeds read only what has settled for two seconds, by the departments' own clocks.
  await wait(2500)
}

/** Both passes, from the departments to the platform, and every total of them. */
async function play(stage: Stage, startedAt: number): Promise<DemoResult> {
  const { city } = stage.options
  say('  first pass: departments → GridBridge → platform')
  const firstRuns = await runFeeds(stage, sourceCounts(city))
  const ledgerFirst = await awaitDelivery(stage)
  const countsFirst = await count(stage, firstRuns)
  const pulledByApi = await pullEverything(stage.api.facts.listening, stage.consumer)
  say('  the city changes; second pass')
  await changeCity(stage)
  const secondRuns = await runFeeds(stage, {})
  const ledger = await awaitDelivery(stage)
  const countsSecond = await count(stage, secondRuns)
  const verdict = await verifyAudit(stage.config)
  const first = firstPass(city, countsFirst)
  const second = secondPass(countsFirst, countsSecond)
  const differences = findDifferences(city, {
    first,
    second,
    rejectedByRule: countsFirst.rejections,
    platformFirst: platformLive(ledgerFirst),
    platformSecond: platformLive(ledger),
    pulledByApi,
    ledger,
    auditVerified: verdict.state === 'whole',
  })
  return {
    ok: differences.length === 0,
    seed: city.seed,
    seconds: Math.round((Date.now() - startedAt) / 100) / 10,
    first,
    expectedRejected: expectedRejectedTotals(city),
    rejectedByRule: countsFirst.rejections,
    platform: platformLive(ledgerFirst),
    second,
    pulledByApi,
    redeliveries: ledger.redeliveries,
    duplicateEffects: ledger.duplicateEffects,
    restarts: stage.worker.restarts() + stage.api.restarts(),
    audit: { entries: await countAuditEntries(stage.installation.database.query), verified: verdict.state === 'whole' },
    peakRssMb: Math.round(largestResidentSet()),
    differences,
  }
}

function report(result: DemoResult): void {
  const head = ['dataset', 'source', 'pulled', 'valid', 'rejected', 'stored', 'acknowledged', 'platform', '+', '~', '−', 'delivered again']
  const rows = Object.entries(result.first).map(([dataset, first]) => {
    const second = result.second[dataset]
    return [dataset, first.source, first.pulled, first.valid, first.rejected, first.stored, first.acknowledged, result.platform[dataset] ?? 0, second?.inserted ?? 0, second?.updated ?? 0, second?.deleted ?? 0, second?.delivered ?? 0]
  })
  say(drawTable(head, rows))
  say(`  audit: ${result.audit.entries} entries, ${result.audit.verified ? 'whole' : 'NOT WHOLE'}; largest process ${result.peakRssMb} MiB; ${result.seconds} s`)
  for (const difference of result.differences) say(`  does not add up: ${difference}`)
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
  const config = demoConfig(options.data)
  await emptyData(options.data)
  const stops: (() => Promise<void>)[] = []
  const keep = <Started extends { readonly stop: () => Promise<void> }>(started: Started): Started => (stops.push(started.stop), started)
  try {
    say(`  a city of ${options.city.residents} residents, seed ${options.city.seed}, in ${options.data}`)
    const installation = await openInstallation(config, 'demo', 4)
    stops.push(installation.close)
    const departments = (await startDepartments(options, installation)).map(keep)
    await addFeeds(config, departments)
    const { platform, consumer } = await startPlatform(options, config)
    keep(platform)
    const { api, worker } = await startProduct(options)
    const stage: Stage = { options, config, installation, departments, platform, consumer, api: keep(api), worker: keep(worker) }
    const result = await play(stage, startedAt)
    report(result)
    if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`)
    if (!options.exit) await leaveOpen(stage)
    return result.ok ? 0 : 1
  } finally {
    await stopStage(stops)
  }
}
