import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { addConsumer, addFeed, type AddedConsumer } from '../src/commands.ts'
import type { Config } from '../src/config.ts'
import { publishItem } from '../src/item-commands.ts'
import { loadDepartments } from '../src/feeds/departments.ts'
import { openInstallation, type Installation } from '../src/installation.ts'
import { datasets, type CityOptions } from './city/options.ts'
import type { FeedFacts } from './departments/department.ts'
import { demoConfig, demoEnvironment, emptyData } from './installation.ts'
import { projectRoot, startPart, type Part } from './processes.ts'

export interface DemoOptions {
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
export interface Stage {
  readonly options: DemoOptions
  readonly config: Config
  readonly installation: Installation
  readonly departments: readonly Part<DepartmentFacts>[]
  readonly platform: Part<{ readonly listening: string }>
  readonly api: Part<{ readonly listening: string }>
  readonly worker: Part<object>
  readonly consumer: AddedConsumer
}

/** One process for each department of the registry. */
function startDepartments(options: DemoOptions, installation: Installation): Promise<Part<DepartmentFacts>[]> {
  const { residents, seed } = options.city
  return Promise.all(
    [...loadDepartments().keys()].map((name) =>
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
          '--database-url',
          installation.databaseUrl,
        ],
      }),
    ),
  )
}

/**
 * Every feed's own hour is twelve hours away: a slot that came due while the demo runs would add a run, and its rows would be counted
 * twice.
 */
function farSlot(now: Date): string {
  const inShanghai = (now.getUTCHours() + 8) % 24
  return `/schedule/cron=0 ${(inShanghai + 12) % 24} * * *`
}

async function addFeeds(installation: Installation, departments: readonly Part<DepartmentFacts>[]): Promise<void> {
  for (const { facts } of departments) {
    for (const feed of Object.values(facts.feeds)) {
      const own = Object.entries(feed.set).map(([pointer, value]) => `${pointer}=${value}`)
      const set = [...own, farSlot(new Date())]
      const secret = Object.entries(feed.secrets).map(([name, value]) => `${name}=${value}`)
      await addFeed(installation, path.join(projectRoot, feed.manifest), { set, secret })
    }
  }
}

/** The platform's port is chosen first, because the consumer is registered with its address and the platform needs the secret. */
async function startPlatform(options: DemoOptions, config: Config): Promise<Pick<Stage, 'platform' | 'consumer'>> {
  const port = 20_000 + (randomBytes(2).readUInt16BE() % 12_000)
  await publishItem(config, {
    code: 'LZ-QD-001',
    name: '实有人口、房屋、单位基础信息采集核实',
    county: '510502',
    approvalNo: '演示批准',
    validFrom: '2024-10-01',
    validTo: null,
  })
  const consumer = await addConsumer(config, 'grid-platform', {
    datasets: [...datasets, 'person'],
    profile: 'P1_OPERATOR',
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
  const api = await startPart<{ listening: string }>({
    name: 'api',
    logs,
    environment,
    supervised: true,
    script: ['src/cli.ts', 'start', '--role', 'api'],
  })
  const worker = await startPart<object>({
    name: 'worker',
    logs,
    environment,
    supervised: true,
    announces: false,
    script: [
      'src/cli.ts',
      'start',
      '--role',
      'worker',
      '--role',
      'scheduler',
      '--role',
      'sequencer',
      '--role',
      'signer',
    ],
  })
  return { api, worker }
}

/**
 * Empties the data directory and starts everything: the embedded server, the departments, the platform and the product, with
 * the feeds and the consumer registered. What was started goes into `stops`, also when a later part fails.
 */
export async function openStage(options: DemoOptions, stops: (() => Promise<void>)[]): Promise<Stage> {
  const config = demoConfig(options.data)
  await emptyData(options.data)
  const installation = await openInstallation(config, 'demo', 4)
  stops.push(installation.close)
  const departments = await startDepartments(options, installation)
  stops.push(...departments.map((part) => part.stop))
  await addFeeds(installation, departments)
  const { platform, consumer } = await startPlatform(options, config)
  stops.push(platform.stop)
  const { api, worker } = await startProduct(options)
  stops.push(api.stop, worker.stop)
  return { options, config, installation, departments, platform, consumer, api, worker }
}
