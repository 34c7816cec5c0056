import { spawn, type ChildProcess } from 'node:child_process'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { buffer } from 'node:stream/consumers'

/** Where a clear value could come to rest or leave, by kind. Each kind has a planted leak that must be found. */
export const sinkKinds = [
  'product tables',
  'audit entries',
  'queue tables',
  'catalogue',
  'statement activity',
  'data files',
  'write-ahead log',
  'server log',
  'process logs',
  'process environment',
  'command output',
  'http answers',
  'problem answers',
  'metrics',
  'deliveries',
  'receiver files',
  'temporary files',
  'queue server',
] as const
export type SinkKind = (typeof sinkKinds)[number]

export interface Sink {
  readonly kind: SinkKind
  /** Where exactly: table and column, file, process, question. */
  readonly place: string
  readonly bytes: Uint8Array
}

/** Everything that was printed, answered or sent, kept as it came. */
export interface Capture {
  readonly write: (kind: SinkKind, place: string, bytes: Uint8Array | string) => void
  readonly sinks: () => readonly Sink[]
}

export function openCapture(): Capture {
  const chunks = new Map<string, { readonly kind: SinkKind; readonly place: string; readonly bytes: Uint8Array[] }>()
  return {
    write: (kind, place, bytes) => {
      const key = `${kind}|${place}`
      const kept = chunks.get(key) ?? { kind, place, bytes: [] }
      chunks.set(key, kept)
      kept.bytes.push(Buffer.from(bytes))
    },
    sinks: () => [...chunks.values()].map(({ kind, place, bytes }) => ({ kind, place, bytes: Buffer.concat(bytes) })),
  }
}

export interface ProcessOptions {
  /** The source tree it runs: the project's own or a changed copy. */
  readonly root: string
  readonly script: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

function launch({ root, script, environment }: ProcessOptions, timeout = 0): ChildProcess {
  const own = { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment }
  return spawn(process.execPath, [...script], { cwd: root, env: own, stdio: ['ignore', 'pipe', 'pipe'], timeout })
}

export interface RunningProcess {
  readonly pid: number
  /** The address it told on its first line; empty where it tells none. */
  readonly listening: string
  readonly stop: (signal?: 'SIGTERM' | 'SIGKILL') => Promise<void>
}

/** Starts a process and keeps all its output. `announces`: its first line on standard output tells where it listens. */
export async function startProcess(
  name: string,
  capture: Capture,
  options: ProcessOptions,
  announces: boolean,
): Promise<RunningProcess> {
  const child = launch(options)
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
  })
  child.stdout?.on('data', (bytes: Buffer) => capture.write('process logs', `${name} stdout`, bytes))
  child.stderr?.on('data', (bytes: Buffer) => capture.write('process logs', `${name} stderr`, bytes))
  const listening = announces ? await readAddress(child, name) : ''
  return {
    pid: child.pid ?? 0,
    listening,
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal)
      await ended
    },
  }
}

function readAddress(child: ChildProcess, name: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  if (child.stdout === null) throw new Error(`${name} has no output`)
  createInterface({ input: child.stdout }).once('line', (line) =>
    resolve((JSON.parse(line) as { listening: string }).listening),
  )
  child.once('exit', (code) => reject(new Error(`${name} ended with ${code} before it was ready`)))
  return promise
}

/** A command that has not ended by then is ended; what it did not do shows in the totals. */
const MOST_COMMAND_MS = 90_000

/** Runs a command of the product to its end and keeps what it printed. Returns its standard output. */
export async function runCommand(name: string, capture: Capture, options: ProcessOptions): Promise<string> {
  const child = launch(options, MOST_COMMAND_MS)
  if (child.stdout === null || child.stderr === null) throw new Error(`${name} has no output`)
  const [output, errors] = await Promise.all([buffer(child.stdout), buffer(child.stderr)])
  capture.write('command output', name, Buffer.concat([output, Buffer.from('\n'), errors]))
  return output.toString('utf8')
}

export interface Receiver {
  readonly url: string
  readonly close: () => void
}

const headerText = (request: IncomingMessage): string => request.rawHeaders.join('\n')

/**
 * Takes deliveries, keeps each with its headers, and hands it to the platform behind it. A path of its own refuses everything
 * with status 500 and a body that repeats a person.
 */
export async function openReceiver(capture: Capture, platform: () => string, refusal: string): Promise<Receiver> {
  const server = createServer((request, response) => {
    const take = async (): Promise<void> => {
      const body = await buffer(request)
      capture.write(
        'deliveries',
        request.url ?? '',
        Buffer.concat([Buffer.from(headerText(request)), Buffer.from('\n'), body]),
      )
      if (request.url !== '/webhook') return void response.writeHead(500, { 'x-refused': 'yes' }).end(refusal)
      const headers = Object.entries(request.headers).filter(([name]) => name.startsWith('webhook-')) as [
        string,
        string,
      ][]
      const answer = await fetch(new URL('/webhook', platform()), { method: 'POST', headers, body })
      response.writeHead(answer.status).end(await answer.text())
    }
    take().catch(() => response.writeHead(502).end())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
