import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** A demo process that has told that it listens. */
export interface DemoProcess {
  readonly url: string
  /** The first line it printed. */
  readonly facts: Readonly<Record<string, unknown>>
  readonly stop: (signal?: NodeJS.Signals) => Promise<number | null>
}

async function readFirstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('no output')
  for await (const line of createInterface(child.stdout)) return line
  throw new Error(`the process ended with ${child.exitCode}`)
}

/** Starts `demo/<file>` and waits for its first line. */
export async function startDemo(file: string, args: readonly string[]): Promise<DemoProcess> {
  const path = fileURLToPath(new URL(`../../demo/${file}`, import.meta.url))
  const child = spawn(process.execPath, [path, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const facts: Record<string, unknown> = JSON.parse(await readFirstLine(child))
  return {
    url: String(facts['listening']),
    facts,
    stop: async (signal = 'SIGTERM') => {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
      child.kill(signal)
      await once(child, 'exit')
      return child.exitCode
    },
  }
}
