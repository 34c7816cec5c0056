import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { memoryLimits, projectRoot } from '../demo/processes.ts'
import { startSilentProxy, type SilentProxy } from '../test/support/silent-proxy.ts'
import { freePort } from './free-port.ts'

/** One process of the product that answers, behind a connection to the database that can fall silent. It is started again when it ends. */
export interface Replica {
  readonly port: number
  readonly kill: () => void
  readonly loseConnections: () => void
  readonly restarts: () => number
  readonly stop: () => Promise<void>
}

/** The same database over another port. */
function through({ port }: SilentProxy, databaseUrl: string): string {
  const url = new URL(databaseUrl)
  url.hostname = '127.0.0.1'
  url.port = String(port)
  return url.href
}

async function ready(child: ChildProcess): Promise<void> {
  if (child.stdout === null) throw new Error('wanted output')
  for await (const line of createInterface(child.stdout)) {
    if (!line.includes('listening')) continue
    child.stdout.resume()
    return
  }
}

export async function startReplica(
  databaseUrl: string,
  environment: Readonly<Record<string, string>>,
): Promise<Replica> {
  const proxy = await startSilentProxy(Number(new URL(databaseUrl).port))
  const port = await freePort()
  const launch = (): ChildProcess =>
    spawn(process.execPath, [...memoryLimits, 'src/cli.ts', 'start', '--role', 'api'], {
      cwd: projectRoot,
      env: {
        PATH: process.env['PATH'],
        LOG_LEVEL: 'silent',
        ...environment,
        DATABASE_URL: through(proxy, databaseUrl),
        PORT: String(port),
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  let [child, isOver, restarts] = [launch(), false, 0]
  const watch = (): void => {
    child.once('exit', () => {
      if (isOver) return
      restarts += 1
      child = launch()
      child.stdout?.resume()
      watch()
    })
  }
  await ready(child)
  watch()
  return {
    port,
    kill: () => void child.kill('SIGKILL'),
    loseConnections: proxy.silenceOpen,
    restarts: () => restarts,
    stop: async () => {
      isOver = true
      const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : null
      child.kill('SIGKILL')
      await ended
      proxy.close()
    },
  }
}
