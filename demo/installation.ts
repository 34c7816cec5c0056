import { existsSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { loadConfig, type Config } from '../src/config.ts'

/** The environment of every product process of the demo: an installation of its own, which may call this machine only. */
export function demoEnvironment(dataDirectory: string): Readonly<Record<string, string>> {
  return { GRIDBRIDGE_DATA: path.join(dataDirectory, 'gridbridge'), GRIDBRIDGE_EGRESS_ALLOW: 'loopback' }
}

export function demoConfig(dataDirectory: string): Config {
  return loadConfig({ ...process.env, ...demoEnvironment(dataDirectory) })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Empties the demo's directory. A server that an interrupted demo left running is stopped first. */
export async function emptyData(dataDirectory: string): Promise<void> {
  const pidFile = path.join(dataDirectory, 'gridbridge', 'postgresql', 'postmaster.pid')
  if (existsSync(pidFile)) {
    const pid = Number(readFileSync(pidFile, 'utf8').split('\n')[0])
    if (isAlive(pid)) process.kill(pid, 'SIGINT')
    for (let attempt = 0; attempt < 100 && isAlive(pid); attempt++) await wait(100)
  }
  rmSync(dataDirectory, { recursive: true, force: true })
}
