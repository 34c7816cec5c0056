import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import type { FeedFacts } from '../demo/departments/department.ts'
import { memoryLimits, startPart } from '../demo/processes.ts'
import { loadConfig } from '../src/config.ts'
import { openInstallation } from '../src/installation.ts'

/** What the two loaders are told, and what each answers. */
export interface IngestTask {
  readonly databaseUrl: string
  readonly feed: FeedFacts
  readonly records: number
}

interface LoaderAnswer {
  readonly records: number
  readonly seconds: number
  readonly peakRssMb: number
}

export interface IngestResult {
  /** Records per second, median of the rounds: read, mapped, validated, protected, saved with cursor and audit. */
  readonly rate: number
  /** Records per second of the floor: the same pages fetched, parsed and inserted as (id, jsonb), nothing else. */
  readonly floorRate: number
  readonly ratio: number
  readonly peakRssMb: number
  readonly rounds: readonly { readonly rate: number; readonly floorRate: number }[]
}

const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** The floor runs as Node is; the product as `gridbridge start` runs it, within its memory limits. */
const loaders = {
  floor: [script('ingest-floor.ts')],
  product: [...memoryLimits, script('ingest-product.ts')],
} as const

/** Runs a loader in a process of its own, so that its memory and its warm-up are its own. */
async function load(
  name: keyof typeof loaders,
  task: IngestTask,
  environment: Readonly<Record<string, string>>,
): Promise<LoaderAnswer> {
  const child = spawn(process.execPath, loaders[name], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  })
  child.stdin.end(JSON.stringify(task))
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const { promise, resolve } = Promise.withResolvers<number | null>()
  child.once('close', resolve)
  if ((await promise) !== 0) throw new Error(`${name} failed`)
  const answer = JSON.parse(output) as LoaderAnswer
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

const median = (values: readonly number[]): number =>
  values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0

/**
 * Ingest against its floor, alternating, in one run on one machine: the shared source is warm for both, and each round empties
 * both tables first.
 */
export async function benchIngest(records: number, rounds: number): Promise<IngestResult> {
  const data = mkdtempSync(path.join(tmpdir(), 'gridbridge-bench-'))
  const environment = { GRIDBRIDGE_DATA: data, GRIDBRIDGE_EGRESS_ALLOW: 'loopback' }
  const installation = await openInstallation(loadConfig(environment), 'bench', 2)
  const source = await startPart<{ feeds: Readonly<Record<string, FeedFacts>> }>({
    name: 'public-security',
    logs: path.join(data, 'logs'),
    script: ['demo/departments/public-security.ts', '--clean', '--residents', String(records)],
  })
  try {
    const feed = source.facts.feeds['LZ-GA-RK-001']
    if (feed === undefined) throw new Error('the source offers no residents')
    const task: IngestTask = { databaseUrl: installation.databaseUrl, feed, records }
    await emptyTables(task.databaseUrl)
    await load('floor', task, environment)
    const measured = []
    for (let round = 0; round < rounds; round++) {
      await emptyTables(task.databaseUrl)
      const floor = await load('floor', task, environment)
      await emptyTables(task.databaseUrl)
      const product = await load('product', task, environment)
      measured.push({
        rate: records / product.seconds,
        floorRate: records / floor.seconds,
        peakRssMb: product.peakRssMb,
      })
    }
    const rate = median(measured.map((one) => one.rate))
    const floorRate = median(measured.map((one) => one.floorRate))
    return {
      rate: Math.round(rate),
      floorRate: Math.round(floorRate),
      ratio: Math.round(median(measured.map((one) => one.rate / one.floorRate)) * 1000) / 1000,
      peakRssMb: Math.max(...measured.map((one) => one.peakRssMb)),
      rounds: measured.map((one) => ({ rate: Math.round(one.rate), floorRate: Math.round(one.floorRate) })),
    }
  } finally {
    await source.stop()
    await installation.close()
    rmSync(data, { recursive: true, force: true })
  }
}
