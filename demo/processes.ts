import { spawn, type ChildProcess } from 'node:child_process'
import { createWriteStream, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export const projectRoot = fileURLToPath(new URL('..', import.meta.url))

/** How `gridbridge start` is run: see "Memory" in docs/operations.md. */
export const memoryLimits = ['--max-semi-space-size=32', '--max-old-space-size=1024'] as const

/** A process of the demo. `facts` is its first line of output. */
export interface Part<Facts> {
  readonly name: string
  readonly facts: Facts
  readonly stop: () => Promise<void>
  /** How often it ended unasked and was started again. */
  readonly restarts: () => number
}

export interface PartOptions {
  readonly name: string
  readonly script: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** Where its log goes; standard output beyond the first line is dropped. */
  readonly logs: string
  /** Start it again when it ends unasked, as an operator's supervisor would. */
  readonly supervised?: boolean
  /** The first line is waited for; a worker prints none and is ready when it runs. */
  readonly announces?: boolean
}

function launch({ name, script, environment, logs }: PartOptions): ChildProcess {
  mkdirSync(logs, { recursive: true })
  const child = spawn(process.execPath, [...memoryLimits, ...script], {
    cwd: projectRoot,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child.stderr?.pipe(createWriteStream(path.join(logs, `${name}.log`), { flags: 'a' }))
  return child
}

function firstLine<Facts>(child: ChildProcess, name: string): Promise<Facts> {
  const { promise, resolve, reject } = Promise.withResolvers<Facts>()
  if (child.stdout === null) throw new Error(`${name} has no output`)
  const lines = createInterface({ input: child.stdout })
  lines.once('line', (line) => resolve(JSON.parse(line) as Facts))
  child.once('exit', (code) => reject(new Error(`${name} ended with ${code} before it was ready; its log tells why`)))
  return promise
}

/** Starts one part of the demo as a process of its own. Throws when it ends before it announced itself. */
export async function startPart<Facts = Record<string, never>>(options: PartOptions): Promise<Part<Facts>> {
  let stopping = false
  let restarts = 0
  let child = launch(options)
  const watch = (): void => {
    child.once('exit', () => {
      if (stopping || options.supervised !== true) return
      restarts += 1
      child = launch(options)
      child.stdout?.resume()
      watch()
    })
  }
  const facts = options.announces === false ? ({} as Facts) : await firstLine<Facts>(child, options.name)
  child.stdout?.resume()
  watch()
  const stop = async (): Promise<void> => {
    stopping = true
    if (child.exitCode !== null || child.signalCode !== null) return
    const { promise, resolve } = Promise.withResolvers<void>()
    child.once('exit', () => resolve())
    child.kill('SIGTERM')
    await promise
  }
  return { name: options.name, facts, stop, restarts: () => restarts }
}

const MEBIBYTE = 1024

/** Parent of each process, from /proc; empty where there is none. */
function readParents(): ReadonlyMap<number, number> {
  const parents = new Map<number, number>()
  try {
    for (const entry of readdirSync('/proc')) {
      if (!/^\d+$/.test(entry)) continue
      const parent = /\) \S (\d+)/.exec(readFileSync(`/proc/${entry}/stat`, 'utf8'))?.[1]
      if (parent !== undefined) parents.set(Number(entry), Number(parent))
    }
  } catch {
    // A process that ended while it was looked at; the next sample has the rest.
  }
  return parents
}

function peakOf(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / MEBIBYTE
  } catch {
    return 0
  }
}

/** The largest resident set, in MiB, that any one process of this tree has had so far: this one, its children, theirs. */
export function largestResidentSet(): number {
  const parents = readParents()
  const belongs = (pid: number): boolean => pid === process.pid || (parents.has(pid) && belongs(parents.get(pid) ?? 0))
  const own = process.memoryUsage().rss / MEBIBYTE / MEBIBYTE
  return Math.max(own, ...[...parents.keys()].filter(belongs).map(peakOf))
}
