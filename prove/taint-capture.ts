import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { buffer } from 'node:stream/consumers'
import { kindOfLogLine, type Sink, type SinkKind } from './taint-kinds.ts'

/** Everything that was printed, answered or sent, kept as it came. */
export interface Capture {
  readonly write: (kind: SinkKind, place: string, bytes: Uint8Array | string) => void
  readonly sinks: () => readonly Sink[]
}

interface Chunk {
  readonly kind: SinkKind
  readonly place: string
  readonly bytes: Uint8Array[]
}

const joined = ({ kind, place, bytes }: Chunk): Sink => ({ kind, place, bytes: Buffer.concat(bytes) })

/** A chunk ends anywhere, so lines are told apart only when everything is there. */
function* byLine(place: string, bytes: Uint8Array): Generator<Sink> {
  const lines = Map.groupBy(Buffer.from(bytes).toString('latin1').split('\n'), kindOfLogLine)
  for (const [kind, some] of lines) yield { kind, place, bytes: Buffer.from(some.join('\n'), 'latin1') }
}

export function openCapture(): Capture {
  const chunks = new Map<string, Chunk>()
  return {
    write: (kind, place, bytes) => {
      const key = `${kind}|${place}`
      const kept = chunks.get(key) ?? { kind, place, bytes: [] }
      chunks.set(key, kept)
      kept.bytes.push(Buffer.from(bytes))
    },
    sinks: () =>
      [...chunks.values()]
        .map(joined)
        .flatMap((sink) => (sink.kind === 'application log' ? [...byLine(sink.place, sink.bytes)] : [sink])),
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
  child.stdout?.on('data', (bytes: Buffer) => capture.write('standard output', name, bytes))
  child.stderr?.on('data', (bytes: Buffer) => capture.write('application log', name, bytes))
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
  capture.write('command output', name, output)
  capture.write('command errors', name, errors)
  return output.toString('utf8')
}
