import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Client } from 'pg'
import { freePort } from '../../prove/free-port.ts'
import { loadEmbeddedPostgres } from '../../src/store/embedded-server.ts'

export interface EmbeddedDatabase {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
  /** A superuser's URL of the database `postgres`. */
  readonly url: string
  /** A connected superuser; the caller ends it. */
  readonly connect: (database?: string) => Promise<Client>
  readonly stop: () => Promise<void>
}

// Each test file has a database of its own with several pools; the tests are not about surviving a power cut.
const settings = ['fsync=off', 'max_connections=200', 'listen_addresses=127.0.0.1']

/** Starts a PostgreSQL of its own that leaves nothing behind. One for a test file is enough: it takes a second. */
export async function startEmbeddedDatabase(): Promise<EmbeddedDatabase> {
  const address = { host: '127.0.0.1', port: await freePort(), user: 'postgres', password: 'postgres' }
  const directory = await mkdtemp(path.join(tmpdir(), 'gridbridge-test-'))
  // Root's server runs as the user postgres, who must be able to walk to its directory.
  await chmod(directory, 0o711)
  const EmbeddedPostgres = await loadEmbeddedPostgres()
  const server = new EmbeddedPostgres({
    ...address,
    databaseDir: path.join(directory, 'data'),
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C.UTF-8'],
    postgresFlags: settings.flatMap((setting) => ['-c', setting]),
    onLog: () => undefined,
    onError: () => undefined,
  })
  await server.initialise()
  await server.start()
  return {
    ...address,
    database: 'postgres',
    url: `postgresql://${address.user}:${address.password}@${address.host}:${address.port}/postgres`,
    connect: async (database = 'postgres') => {
      const client = new Client({ ...address, database })
      await client.connect()
      return client
    },
    stop: async () => {
      await server.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

export { freePort }
