/**
 * The process that reads one hostile input: `hostile-reader.ts <manifest as JSON> <address of a healthy source>`. Beside it a healthy
 * source is read again and again, as other feeds are. Prints one line of JSON: HostileReading.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import { loadDatasets } from '../src/feeds/datasets.ts'
import type { HttpSourceManifest, Manifest } from '../src/feeds/manifest-types.ts'
import { compileMapping } from '../src/ingest/map.ts'
import { datasetOf } from '../src/ingest/preview.ts'
import { openSource } from '../src/ingest/sources/open.ts'
import { validate } from '../src/ingest/validate.ts'
import { AppError } from '../src/errors.ts'
import { createEgressGuard } from '../src/security/egress.ts'

export interface HostileReading {
  /** The code that reading ended with; `rejected` where it came to its end and refused rows; `read` where it refused none. */
  readonly outcome: string
  /** Processor time of the whole process, in milliseconds. */
  readonly cpuMs: number
  /** Growth of the process beyond what it took after healthy reading, at its most. */
  readonly megabytes: number
  /** The longest time that nothing else was done, in milliseconds. */
  readonly stallMs: number
  /** Healthy sources that were not read to their end. */
  readonly hurt: number
}

/** Between two healthy readings, so that what they cost is little beside what is measured. */
const HEALTHY_PAUSE_MS = 50

const [given = '{}', healthyAddress = ''] = process.argv.slice(2)
const manifest = JSON.parse(given) as Manifest
const dataset = datasetOf(manifest, loadDatasets())
const egress = createEgressGuard(['loopback'])

const healthy: HttpSourceManifest = {
  kind: 'http',
  baseUrl: healthyAddress,
  auth: { kind: 'none' },
  request: { method: 'GET', path: '/healthy', query: { after: '{page.offset}' } },
  records: '/data/rows',
  paging: { kind: 'offset', size: 1 },
  timeouts: { connectMs: 2000, totalMs: 10_000 },
}

/** Reads, maps and judges everything. Returns how many rows were refused. */
async function readAll(of: Manifest): Promise<number> {
  const source = await openSource(of, {}, egress)
  const mapRow = compileMapping(of, dataset)
  let refused = 0
  try {
    let cursor = null
    for (;;) {
      const page = await source.readPage(cursor, new Date())
      refused += validate(page.rows.map(mapRow), dataset).rejected.length
      if (page.done) return refused
      cursor = page.cursor
    }
  } finally {
    await source.close()
  }
}

async function readHostile(): Promise<string> {
  try {
    return (await readAll(manifest)) > 0 ? 'rejected' : 'read'
  } catch (error) {
    return error instanceof AppError ? error.code : 'uncoded'
  }
}

async function isHurt(): Promise<boolean> {
  return readAll({ ...manifest, source: healthy }).then(
    (refused) => refused !== 1,
    () => true,
  )
}

async function readHealthyUntil(isOver: () => boolean): Promise<number> {
  let hurt = 0
  do {
    hurt += Number(await isHurt())
    await wait(HEALTHY_PAUSE_MS)
  } while (!isOver())
  return hurt
}

/** The most memory this process had at once since `forgetPeak`. The kernel's maxRSS begins with that of whoever started it. */
const peakMegabytes = (): number => Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024

const forgetPeak = (): void => writeFileSync('/proc/self/clear_refs', '5')

async function main(): Promise<void> {
  // What each kind of reading needs is loaded before it is measured.
  await readHealthyUntil(() => true)
  forgetPeak()
  const before = peakMegabytes()
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  const cpu = process.cpuUsage()
  let isOver = false
  const others = readHealthyUntil(() => isOver)
  const outcome = await readHostile()
  const { user, system } = process.cpuUsage(cpu)
  isOver = true
  const hurt = await others
  const reading: HostileReading = {
    outcome,
    cpuMs: Math.round((user + system) / 1000),
    megabytes: Math.round(peakMegabytes() - before),
    stallMs: Math.round(delay.max / 1e6),
    hurt,
  }
  process.stdout.write(`${JSON.stringify(reading)}\n`)
}

await main()
