/**
 * The process that reads hostile inputs one after another: HostileTask as JSON on standard input, one HostileReading for each on
 * standard output. Beside them a healthy source is read again and again, as other feeds are.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { text } from 'node:stream/consumers'
import { setTimeout as wait } from 'node:timers/promises'
import { loadDatasets } from '../src/feeds/datasets.ts'
import type { HttpSourceManifest, Manifest } from '../src/feeds/manifest-types.ts'
import { compileMapping } from '../src/ingest/map.ts'
import { datasetOf } from '../src/ingest/preview.ts'
import { openSource } from '../src/ingest/sources/open.ts'
import { validate } from '../src/ingest/validate.ts'
import { AppError } from '../src/errors.ts'
import { createEgressGuard } from '../src/security/egress.ts'
import { readPeakMb } from '../test/support/peak-memory.ts'

export interface HostileTask {
  readonly manifests: readonly Manifest[]
  /** Base address of the healthy source. */
  readonly healthy: string
}

export interface HostileReading {
  /** The code that reading ended with; null where it came to its end and refused rows; `read` where it refused none. */
  readonly code: string | null
  /** What the error says besides its code. */
  readonly detail: string
  /** Processor time of the whole process, in milliseconds. */
  readonly cpuMs: number
  /** Growth of the process while it read, at its most. */
  readonly megabytes: number
  /** The longest time that nothing else was done, in milliseconds. */
  readonly stallMs: number
  /** Healthy sources that were not read to their end. */
  readonly hurt: number
}

/** Between two healthy readings, so that what they cost is little beside what is measured. */
const HEALTHY_PAUSE_MS = 50

const { manifests, healthy } = JSON.parse(await text(process.stdin)) as HostileTask
const datasets = loadDatasets()
const egress = createEgressGuard(['loopback'])

const healthySource: HttpSourceManifest = {
  kind: 'http',
  baseUrl: healthy,
  auth: { kind: 'none' },
  request: { method: 'GET', path: '/healthy', query: { after: '{page.offset}' } },
  records: '/data/rows',
  paging: { kind: 'offset', size: 1 },
  timeouts: { connectMs: 2000, totalMs: 10_000 },
}

/** Reads, maps and judges everything. Returns how many rows were refused. */
async function readAll(of: Manifest): Promise<number> {
  const dataset = datasetOf(of, datasets)
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

async function readHostile(manifest: Manifest): Promise<Pick<HostileReading, 'code' | 'detail'>> {
  try {
    return { code: (await readAll(manifest)) > 0 ? null : 'read', detail: '' }
  } catch (error) {
    return error instanceof AppError ? error : { code: 'uncoded', detail: String(error) }
  }
}

async function isHurt(manifest: Manifest): Promise<boolean> {
  return readAll({ ...manifest, source: healthySource }).then(
    (refused) => refused !== 1,
    () => true,
  )
}

async function readHealthyUntil(manifest: Manifest, isOver: () => boolean): Promise<number> {
  let hurt = 0
  do {
    hurt += Number(await isHurt(manifest))
    await wait(HEALTHY_PAUSE_MS)
  } while (!isOver())
  return hurt
}

/** From here on `readPeakMb` is of what follows. */
function forgetPeak(): void {
  if (existsSync('/proc/self/clear_refs')) writeFileSync('/proc/self/clear_refs', '5')
}

async function measure(manifest: Manifest): Promise<HostileReading> {
  // What each kind of reading needs is loaded before it is measured.
  await readHealthyUntil(manifest, () => true)
  forgetPeak()
  const before = readPeakMb()
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  const cpu = process.cpuUsage()
  let isOver = false
  const others = readHealthyUntil(manifest, () => isOver)
  const { code, detail } = await readHostile(manifest)
  const { user, system } = process.cpuUsage(cpu)
  isOver = true
  const hurt = await others
  delay.disable()
  return {
    code,
    detail,
    cpuMs: Math.round((user + system) / 1000),
    megabytes: Math.round(readPeakMb() - before),
    stallMs: Math.round(delay.max / 1e6),
    hurt,
  }
}

const readings: HostileReading[] = []
for (const manifest of manifests) readings.push(await measure(manifest))
process.stdout.write(JSON.stringify(readings))
