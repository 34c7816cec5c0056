import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { freePort } from './embedded-database.ts'

export interface RedisServer {
  readonly url: string
  /** A client of the server, for looking and for damage. */
  readonly client: Redis
  readonly stop: () => Promise<void>
}

export const isRedisInstalled = (): boolean => spawnSync('redis-server', ['--version']).status === 0

/** Starts a Redis that keeps nothing on disk, on a free port. */
export async function startRedisServer(): Promise<RedisServer> {
  const port = await freePort()
  const directory = mkdtempSync(path.join(tmpdir(), 'gridbridge-redis-'))
  const settings = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--dir',
    directory,
    '--save',
    '',
    '--appendonly',
    'no',
  ]
  const server = spawn('redis-server', [...settings, '--maxmemory-policy', 'noeviction'], { stdio: 'ignore' })
  const client = new Redis({ port, host: '127.0.0.1', lazyConnect: true, retryStrategy: () => null })
  client.on('error', () => undefined)
  for (let attempt = 0; client.status !== 'ready' && attempt < 100; attempt++) {
    await wait(50)
    await client.connect().catch(() => undefined)
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    client,
    stop: async () => {
      client.disconnect()
      const ended = new Promise((resolve) => {
        server.once('exit', resolve)
      })
      server.kill('SIGTERM')
      await ended
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
