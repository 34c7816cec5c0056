import { spawn } from 'node:child_process'
import { hash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { memoryLimits } from '../demo/processes.ts'
import { loadDatasets } from '../src/feeds/datasets.ts'
import { readManifest } from '../src/feeds/manifest.ts'
import type { SourceManifest } from '../src/feeds/manifest-types.ts'
import { hostileFiles, type HostileFile } from './hostile-files.ts'
import { hostileBodies, type HostileBody } from './hostile-http.ts'
import { hostileTexts } from './hostile-texts.ts'
import { hostileWorkbooks } from './hostile-workbooks.ts'
import type { HostileReading, HostileTask } from './hostile-reader.ts'

const allFiles = [...hostileFiles, ...hostileTexts, ...hostileWorkbooks]

const MOST_MS = 1000
const MOST_MEGABYTES = 100

/** What reading one input should come to, and what it came to. */
interface HostileReport extends HostileReading {
  readonly what: string
  readonly wanted: string | null
  /** In the detail of the error. */
  readonly words: string
}

export interface HostileVerdict {
  readonly ok: boolean
  readonly inputs: number
  readonly worst: Pick<HostileReading, 'cpuMs' | 'megabytes' | 'stallMs'>
  /** Inputs that came to something else, took too long or too much, or hurt others. */
  readonly failed: readonly HostileReport[]
}

/** One input where it can be read. */
interface Laid extends Pick<HostileReport, 'what' | 'wanted' | 'words'> {
  readonly source: SourceManifest
}

const reader = fileURLToPath(new URL('hostile-reader.ts', import.meta.url))
const connector = fileURLToPath(new URL('../connectors/justice/mediation.json', import.meta.url))

const healthyPage = (after: string | null): string =>
  JSON.stringify({ data: { rows: after === null || after === '0' ? [{ ajid: '1' }] : [] } })

/** A department that answers `/<place>` with that hostile body; at `/healthy` it has one row, which is refused. */
async function serve(): Promise<Server> {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://department.invalid')
    const hostile = hostileBodies[Number(url.pathname.slice(1))]
    const headers = hostile?.headers ?? { 'content-type': 'application/json' }
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    // Who refuses a body closes the connection while it is sent.
    response.on('error', () => undefined)
    response.end(hostile?.bytes() ?? healthyPage(url.searchParams.get('after')))
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return server
}

function addressOf(server: Server): string {
  const address = server.address()
  return typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : ''
}

function layBody({ what, code, answer }: HostileBody, place: number, baseUrl: string): Laid {
  const source: SourceManifest = {
    kind: 'http',
    baseUrl,
    auth: { kind: 'none' },
    request: { method: 'GET', path: `/${place}`, query: { token: '{page.token}' } },
    records: '/data/rows',
    paging: { kind: 'token', size: 10, next: '/next' },
    timeouts: { connectMs: 2000, totalMs: 10_000 },
    ...(answer === undefined ? {} : { answer }),
  }
  return { what, wanted: code, words: '', source }
}

async function layFile({ what, code, words, content, format, rows = 1 }: HostileFile, drop: string): Promise<Laid> {
  const bytes = await content()
  mkdirSync(drop)
  writeFileSync(path.join(drop, 'data'), bytes)
  writeFileSync(path.join(drop, 'data.ok'), JSON.stringify({ rows, sm3: hash('sm3', bytes) }))
  const marker = { suffix: '.ok' }
  const source: SourceManifest = { kind: 'file', directory: drop, pattern: 'data', marker, format, pageSize: 500 }
  return { what, wanted: code, words, source }
}

/** Reads the inputs one after another in a process whose memory is nobody else's. */
async function readInProcess(laid: readonly Laid[], healthy: string): Promise<readonly HostileReport[]> {
  const base = readManifest(connector, loadDatasets())
  const task: HostileTask = { manifests: laid.map(({ source }) => ({ ...base, source })), healthy }
  const child = spawn(process.execPath, [...memoryLimits, reader], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end(JSON.stringify(task))
  const readings = JSON.parse(await text(child.stdout)) as readonly HostileReading[]
  return laid.flatMap(({ what, wanted, words }, place) => {
    const reading = readings[place]
    return reading === undefined ? [] : [{ what, wanted, words, ...reading }]
  })
}

const isGood = ({ code, detail, wanted, words, cpuMs, megabytes, hurt }: HostileReport): boolean =>
  code === wanted && detail.includes(words) && cpuMs <= MOST_MS && megabytes <= MOST_MEGABYTES && hurt === 0

function judge(reports: readonly HostileReport[]): HostileVerdict {
  const worst = (key: 'cpuMs' | 'megabytes' | 'stallMs'): number => Math.max(...reports.map((report) => report[key]))
  const failed = reports.filter((report) => !isGood(report))
  return {
    ok: failed.length === 0 && reports.length === hostileBodies.length + allFiles.length,
    inputs: reports.length,
    worst: { cpuMs: worst('cpuMs'), megabytes: worst('megabytes'), stallMs: worst('stallMs') },
    failed,
  }
}

/**
 * Reads every hostile input beside a healthy source. Each must come to its coded end within a second of processor time and 100 MB, and
 * the healthy source must not notice. `together`: how many are read by one process; by one alone, nothing is hidden in memory that an
 * earlier one left behind.
 */
export async function proveHostile({ together }: { readonly together: number }): Promise<HostileVerdict> {
  const directory = mkdtempSync(path.join(tmpdir(), 'gridbridge-hostile-'))
  const server = await serve()
  const healthy = addressOf(server)
  const laid = hostileBodies.map((body, place) => layBody(body, place, healthy))
  const reports: HostileReport[] = []
  try {
    for (const [place, file] of allFiles.entries()) laid.push(await layFile(file, path.join(directory, String(place))))
    for (let from = 0; from < laid.length; from += together)
      reports.push(...(await readInProcess(laid.slice(from, from + together), healthy)))
    return judge(reports)
  } finally {
    server.close().closeAllConnections()
    rmSync(directory, { recursive: true, force: true })
  }
}
