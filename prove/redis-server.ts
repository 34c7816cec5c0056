import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { freePort } from './free-port.ts'

export interface RedisServer {
  readonly url: string
  readonly directory: string
  /** A client of the server, for looking and for damage. */
  readonly client: Redis
  readonly stop: () => Promise<void>
}

export const isRedisInstalled = (): boolean => spawnSync('redis-server', ['--version']).status === 0

async function connect(port: number): Promise<Redis> {
  const client = new Redis({ port, host: '127.0.0.1', lazyConnect: true, retryStrategy: () => null })
  client.on('error', () => undefined)
  for (let attempt = 0; client.status !== 'ready' && attempt < 100; attempt++) {
    await wait(50)
    await client.connect().catch(() => undefined)
  }
  return client
}

/** Starts a Redis on a free port. It keeps nothing on disk, unless `keep` asks for its append-only file in `directory`. */
export async function startRedisServer({ keep }: { readonly keep: boolean } = { keep: false }): Promise<RedisServer> {
  const port = await freePort()
  const directory = mkdtempSync(path.join(tmpdir(), 'gridbridge-redis-'))
  const settings = {
    port: String(port),
    bind: '127.0.0.1',
    dir: directory,
    save: '',
    appendonly: keep ? 'yes' : 'no',
    'maxmemory-policy': 'noeviction',
  }
  const words = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
  const server = spawn('redis-server', words, { stdio: 'ignore' })
  const client = await connect(port)
  const stop = async (): Promise<void> => {
    client.disconnect()
    const ended = new Promise((resolve) => {
      server.once('exit', resolve)
    })
    server.kill('SIGTERM')
    await ended
    rmSync(directory, { recursive: true, force: true })
  }
  return { url: `redis://127.0.0.1:${port}`, directory, client, stop }
}
