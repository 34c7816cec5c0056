import { execFile } from 'node:child_process'
import { hash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { memoryLimits } from '../demo/processes.ts'
import { loadDatasets } from '../src/feeds/datasets.ts'
import { readManifest } from '../src/feeds/manifest.ts'
import type { Manifest, SourceManifest } from '../src/feeds/manifest-types.ts'
import { fileInputs, httpInputs, type FileInput, type HttpInput } from './hostile-inputs.ts'
import type { HostileReading } from './hostile-reader.ts'

const MOST_MS = 1000
const MOST_MEGABYTES = 100

interface HostileReport extends HostileReading {
  readonly name: string
  readonly wanted: string
}

export interface HostileVerdict {
  readonly ok: boolean
  readonly inputs: number
  readonly worst: Pick<HostileReading, 'cpuMs' | 'megabytes' | 'stallMs'>
  /** Inputs that came to something else, took too long or too much, or hurt others. */
  readonly failed: readonly HostileReport[]
}

const reader = fileURLToPath(new URL('hostile-reader.ts', import.meta.url))
const connector = fileURLToPath(new URL('../connectors/justice/mediation.json', import.meta.url))
const run = promisify(execFile)

const healthyPage = (after: string | null): string =>
  JSON.stringify({ data: { rows: after === null || after === '0' ? [{ ajid: '1' }] : [] } })

/** A department whose answers are given by path; at `/healthy` it has one row, which is refused. */
async function serve(
  answers: ReadonlyMap<string, { readonly input: HttpInput; readonly bytes: Buffer }>,
): Promise<Server> {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://department.invalid')
    const answer = answers.get(url.pathname)
    for (const [name, value] of Object.entries(answer?.input.headers ?? { 'content-type': 'application/json' }))
      response.setHeader(name, value)
    // Who refuses a body closes the connection while it is sent.
    response.on('error', () => undefined)
    response.end(answer?.bytes ?? healthyPage(url.searchParams.get('after')))
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

async function read(base: Manifest, source: SourceManifest, healthy: string): Promise<HostileReading> {
  const manifest = { ...base, source }
  const { stdout } = await run(process.execPath, [...memoryLimits, reader, JSON.stringify(manifest), healthy])
  return JSON.parse(stdout) as HostileReading
}

async function readHttp(base: Manifest, input: HttpInput): Promise<HostileReport> {
  const bytes = await input.bytes()
  const server = await serve(new Map([['/hostile', { input, bytes }]]))
  const baseUrl = addressOf(server)
  const source: SourceManifest = {
    kind: 'http',
    baseUrl,
    auth: { kind: 'none' },
    request: { method: 'GET', path: '/hostile', query: { after: '{page.offset}' } },
    records: '/data/rows',
    paging: { kind: 'token', size: 10, next: '/next' },
    timeouts: { connectMs: 2000, totalMs: 10_000 },
    ...(input.answer === undefined ? {} : { answer: input.answer }),
  }
  try {
    return { name: input.name, wanted: input.wanted, ...(await read(base, source, baseUrl)) }
  } finally {
    server.close().closeAllConnections()
  }
}

async function readFile(base: Manifest, input: FileInput): Promise<HostileReport> {
  const directory = mkdtempSync(path.join(tmpdir(), 'gridbridge-hostile-'))
  const drop = path.join(directory, 'drop')
  const bytes = await input.bytes()
  mkdirSync(drop)
  writeFileSync(path.join(drop, 'data'), bytes)
  writeFileSync(path.join(drop, 'data.ok'), JSON.stringify({ rows: 1, sm3: hash('sm3', bytes) }))
  const server = await serve(new Map())
  const source: SourceManifest = {
    kind: 'file',
    directory: drop,
    pattern: 'data',
    marker: { suffix: '.ok' },
    format: input.format,
    pageSize: 100,
  }
  try {
    return { name: input.name, wanted: input.wanted, ...(await read(base, source, addressOf(server))) }
  } finally {
    server.close().closeAllConnections()
    rmSync(directory, { recursive: true, force: true })
  }
}

const isGood = ({ outcome, wanted, cpuMs, megabytes, hurt }: HostileReport): boolean =>
  outcome === wanted && cpuMs <= MOST_MS && megabytes <= MOST_MEGABYTES && hurt === 0

/**
 * Reads every hostile input in a process of its own, beside a healthy source. Each must come to its coded end within a second of
 * processor time and 100 MB, and the healthy source must not notice. `share`: every how many inputs one is read.
 */
export async function proveHostile({ share }: { readonly share: number }): Promise<HostileVerdict> {
  const base = readManifest(connector, loadDatasets())
  const chosen = <One>(inputs: readonly One[]): readonly One[] => inputs.filter((_, place) => place % share === 0)
  const reports: HostileReport[] = []
  for (const input of chosen(httpInputs)) reports.push(await readHttp(base, input))
  for (const input of chosen(fileInputs)) reports.push(await readFile(base, input))
  const worst = (key: 'cpuMs' | 'megabytes' | 'stallMs'): number => Math.max(...reports.map((report) => report[key]))
  const failed = reports.filter((report) => !isGood(report))
  return {
    ok: failed.length === 0,
    inputs: reports.length,
    worst: { cpuMs: worst('cpuMs'), megabytes: worst('megabytes'), stallMs: worst('stallMs') },
    failed,
  }
}
