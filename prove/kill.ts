import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { memoryLimits, projectRoot } from '../demo/processes.ts'
import type { DemoResult } from '../demo/totals.ts'
import { createRandom, type Random } from './random.ts'

export interface KillOptions {
  readonly residents: number
  readonly kills: number
  readonly seed: number
  /** null: the queue is on PostgreSQL. */
  readonly redisUrl: string | null
}

export interface KillVerdict {
  readonly ok: boolean
  readonly seed: number
  readonly kills: number
  readonly restarts: number
  readonly redeliveries: number
  readonly duplicateEffects: number
  readonly seconds: number
  readonly differences: readonly string[]
}

/** The worker process of a demo: a child of it that was started with the worker's role. */
function findWorker(demo: number): number | null {
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const parent = /\) \S (\d+)/.exec(readFileSync(`/proc/${entry}/stat`, 'utf8'))?.[1]
      const isWorker = readFileSync(`/proc/${entry}/cmdline`, 'utf8').includes('--role\0worker')
      if (Number(parent) === demo && isWorker) return Number(entry)
    } catch {
      // The process ended while it was looked at.
    }
  }
  return null
}

function playDemo(
  options: KillOptions,
  data: string,
): { readonly child: ChildProcess; readonly result: Promise<DemoResult> } {
  const residents = ['--residents', String(options.residents), '--data', data]
  // A platform that answers late keeps deliveries in flight, so that kills hit them too.
  const slow = ['--platform-slow', '150']
  const child = spawn(
    process.execPath,
    [...memoryLimits, 'src/cli.ts', 'demo', '--json', '--exit', ...residents, ...slow],
    {
      cwd: projectRoot,
      env: { ...process.env, REDIS_URL: options.redisUrl ?? '' },
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  )
  let output = ''
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const { promise, resolve, reject } = Promise.withResolvers<DemoResult>()
  child.once('close', (code) => {
    const last = output.trim().split('\n').at(-1) ?? ''
    if (last.startsWith('{')) resolve(JSON.parse(last) as DemoResult)
    else reject(new Error(`the demo ended with ${code} and no result`))
  })
  return { child, result: promise }
}

/** Waits between two kills, in milliseconds: short enough to hit loading and delivering, long enough for a worker to come up. */
const SHORTEST_WAIT_MS = 600
const LONGEST_WAIT_MS = 2600

/** Kills the demo's worker again and again, until it was done often enough or the demo has ended. Returns how often. */
async function killWorkers(demo: ChildProcess, most: number, random: Random): Promise<number> {
  let kills = 0
  while (kills < most && demo.exitCode === null) {
    await wait(SHORTEST_WAIT_MS + random(LONGEST_WAIT_MS - SHORTEST_WAIT_MS))
    const worker = demo.pid === undefined ? null : findWorker(demo.pid)
    if (worker === null) continue
    process.kill(worker, 'SIGKILL')
    kills += 1
  }
  return kills
}

/**
 * Plays the demo while its worker is killed with SIGKILL at random moments; the demo's supervisor starts it again each time.
 * The totals must be those of an undisturbed run and nothing may take effect twice at the platform.
 */
export async function proveKill(options: KillOptions): Promise<KillVerdict> {
  const data = mkdtempSync(path.join(tmpdir(), 'gridbridge-kill-'))
  const random = createRandom(options.seed)
  const { child, result } = playDemo(options, data)
  try {
    const kills = await killWorkers(child, options.kills, random)
    const { ok, restarts, redeliveries, duplicateEffects, seconds, differences } = await result
    // Without a redelivery no kill hit a delivery in flight, and the run proves nothing about them.
    const all = kills === options.kills && restarts >= kills && redeliveries > 0
    return { ok: ok && all, seed: options.seed, kills, restarts, redeliveries, duplicateEffects, seconds, differences }
  } finally {
    rmSync(data, { recursive: true, force: true })
  }
}
