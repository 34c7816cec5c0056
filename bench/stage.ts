import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import type { FeedFacts } from '../demo/departments/department.ts'
import { memoryLimits, projectRoot, startPart } from '../demo/processes.ts'
import { loadConfig } from '../src/config.ts'
import { openInstallation } from '../src/installation.ts'
import type { LoaderAnswer, LoaderTask } from './task.ts'

/** One department system that a loader can read. */
export interface BenchSource {
  readonly manifest: Readonly<Record<string, unknown>>
  readonly secrets: Readonly<Record<string, string>>
}

/** An installation with an embedded database and the population register of a clean city, for one bench. */
export interface BenchStage {
  readonly directory: string
  readonly databaseUrl: string
  readonly records: number
  /** The register as its department serves it: signed HTTP. */
  readonly http: BenchSource
  /** Empties what loaders filled, so that every load finds the same tables. */
  readonly empty: () => Promise<void>
  readonly load: (loader: keyof typeof loaders, source: BenchSource, again?: boolean) => Promise<LoaderAnswer>
  readonly close: () => Promise<void>
}

/** The path of a script of the bench. */
export const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** The floor runs as Node is; the product as `gridbridge start` runs it, within its memory limits. */
const loaders = {
  floor: [script('load-floor.ts')],
  product: [...memoryLimits, script('load-product.ts')],
} as const

/** Runs a Node command in a process of its own, so that its memory and its warm-up are its own: its task in, its answer out, both JSON. */
export async function runScript(
  command: readonly string[],
  task: unknown,
  environment: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  const child = spawn(process.execPath, command, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  })
  child.stdin.end(JSON.stringify(task))
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const { promise, resolve } = Promise.withResolvers<number | null>()
  child.once('close', resolve)
  if ((await promise) !== 0) throw new Error(`${command.at(-1)} failed`)
  return JSON.parse(output)
}

async function runLoader(
  name: keyof typeof loaders,
  task: LoaderTask,
  environment: Readonly<Record<string, string>>,
): Promise<LoaderAnswer> {
  const answer = (await runScript(loaders[name], task, environment)) as LoaderAnswer
  if (answer.records !== task.records) throw new Error(`${name} loaded ${answer.records} of ${task.records} records`)
  return answer
}

async function emptyTables(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(`
    truncate gridbridge.record, gridbridge.run cascade;
    drop table if exists floor;
    create table floor (id text primary key, record jsonb);
    checkpoint;
  `)
  await client.end()
}

function httpSource(feed: FeedFacts): BenchSource {
  const written = JSON.parse(readFileSync(path.join(projectRoot, feed.manifest), 'utf8')) as { source: object }
  const source = { ...written.source, baseUrl: feed.set['/source/baseUrl'] }
  return { manifest: { ...written, source }, secrets: feed.secrets }
}

/** Opens the stage with `records` residents, none of them dirty. */
export async function openBenchStage(records: number): Promise<BenchStage> {
  const directory = mkdtempSync(path.join(tmpdir(), 'gridbridge-bench-'))
  const environment = { GRIDBRIDGE_DATA: directory, GRIDBRIDGE_EGRESS_ALLOW: 'loopback' }
  const installation = await openInstallation(loadConfig(environment), 'bench', 2)
  const { databaseUrl } = installation
  const register = await startPart<{ feeds: Readonly<Record<string, FeedFacts>> }>({
    name: 'public-security',
    logs: path.join(directory, 'logs'),
    script: ['demo/departments/public-security.ts', '--clean', '--residents', String(records)],
  })
  const feed = register.facts.feeds['LZ-GA-RK-001']
  if (feed === undefined) throw new Error('the register offers no residents')
  return {
    directory,
    databaseUrl,
    records,
    http: httpSource(feed),
    empty: () => emptyTables(databaseUrl),
    load: (loader, source, again = false) => runLoader(loader, { databaseUrl, ...source, records, again }, environment),
    close: async () => {
      await register.stop()
      await installation.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
