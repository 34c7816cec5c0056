import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import pg from 'pg'
import { projectRoot } from '../demo/processes.ts'
import { loadConfig } from '../src/config.ts'
import { openInstallation, type Installation } from '../src/installation.ts'
import { openEmbeddedServer } from '../src/store/embedded-server.ts'
import { isRedisInstalled, startRedisServer, type RedisServer } from './redis-server.ts'
import { openCanaryBook, type CanaryBook } from './taint-canaries.ts'
import { openCapture, runCommand, startProcess, type Capture, type RunningProcess } from './taint-capture.ts'
import { watchStatements } from './taint-database.ts'
import { openReceiver, type Receiver } from './taint-receiver.ts'

const folders = ['product', 'temporary', 'platform', 'outside', 'evidence', 'archive', 'reports'] as const
type Folder = (typeof folders)[number]

/** A real installation, a receiver and everything they print, in a temporary directory. */
export interface Stage {
  /** The source tree that runs. */
  readonly root: string
  readonly directories: Readonly<Record<Folder, string>>
  readonly capture: Capture
  readonly book: CanaryBook
  readonly installation: Installation
  /** A superuser, for looking behind the product's back. */
  readonly owner: () => pg.Client
  /** Connects the superuser anew, after the server has gone. */
  readonly reconnect: () => Promise<void>
  /** A Redis whose every command is captured and whose append-only file is searched. */
  readonly queueServer: RedisServer | null
  readonly receiver: Receiver
  readonly command: (
    name: string,
    script: readonly string[],
    environment?: Readonly<Record<string, string>>,
  ) => Promise<string>
  readonly start: (
    name: string,
    script: readonly string[],
    announces: boolean,
    environment?: Readonly<Record<string, string>>,
  ) => Promise<RunningProcess>
  readonly usePlatform: (address: string) => void
  /** Runs when the stage is closed; the last one first. */
  readonly onClose: (work: () => Promise<unknown> | void) => void
  readonly close: () => Promise<void>
}

function makeDirectories(): Stage['directories'] & { readonly base: string } {
  const base = mkdtempSync(path.join(tmpdir(), 'gridbridge-taint-'))
  // The embedded server of root runs as another user, who must be able to walk to its files.
  chmodSync(base, 0o711)
  const made = folders.map((name) => [name, path.join(base, name)] as const)
  for (const [, folder] of made) mkdirSync(folder)
  return { base, ...(Object.fromEntries(made) as Stage['directories']) }
}

async function openQueueServer(capture: Capture, onClose: Stage['onClose']): Promise<RedisServer | null> {
  if (!isRedisInstalled()) return null
  const server = await startRedisServer({ keep: true })
  onClose(server.stop)
  const monitor = await server.client.monitor()
  monitor.on('monitor', (_time: string, words: readonly string[]) =>
    capture.write('queue server commands', 'monitor', `${words.join(' ')}\n`),
  )
  monitor.on('error', () => undefined)
  onClose(() => monitor.disconnect())
  return server
}

/** Everything that must be ended, in the reverse order of its beginning; one that fails does not keep the others. */
function openClosing(base: string): Pick<Stage, 'onClose' | 'close'> {
  const works: (() => Promise<unknown> | void)[] = []
  return {
    onClose: (work) => void works.push(work),
    close: async () => {
      for (const work of works.toReversed()) await Promise.resolve(work()).catch(() => undefined)
      rmSync(base, { recursive: true, force: true })
    },
  }
}

/**
 * Has long values stored as they are. What PostgreSQL compresses nobody can search: a text is in pieces there, and digits that never
 * stood alone do.
 */
async function storeAsGiven(owner: pg.Client): Promise<void> {
  const { rows } = await owner.query<{ statement: string }>(
    `select format('alter table %s alter column %I set storage external', attrelid::regclass, attname) as statement
       from pg_attribute join pg_class on pg_class.oid = attrelid
      where relkind in ('r', 'p') and attstorage in ('x', 'm') and attnum > 0 and not attisdropped
        and relnamespace in ('gridbridge'::regnamespace, 'bullmq'::regnamespace)`,
  )
  for (const { statement } of rows) await owner.query(statement)
}

/** A superuser of the database, who is connected anew after the server has gone. */
async function openOwner(url: string, onClose: Stage['onClose']): Promise<Pick<Stage, 'owner' | 'reconnect'>> {
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: url })
    client.on('error', () => undefined)
    await client.connect()
    return client
  }
  let owner = await connect()
  onClose(() => owner.end())
  const reconnect = async (): Promise<void> => {
    await owner.end().catch(() => undefined)
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const connected = await connect().catch(() => null)
      if (connected !== null) return void (owner = connected)
      await wait(200)
    }
    throw new Error('the database did not come back')
  }
  return { owner: () => owner, reconnect }
}

/** Half a minute. */
const MOST_ATTEMPTS = 150

/** The database of the installation, made before the product opens it: one whose server tells of every statement. */
async function prepareServer(directory: string): Promise<void> {
  const server = await openEmbeddedServer(directory)
  try {
    await watchStatements(server.url)
  } finally {
    await server.stop()
  }
}

export interface StageOptions {
  readonly root?: string
  readonly withRedis: boolean
}

/** Opens the stage: the installation's database runs, nothing else yet. */
export async function openStage({ root = projectRoot, withRedis }: StageOptions): Promise<Stage> {
  const { base, ...directories } = makeDirectories()
  const closing = openClosing(base)
  const capture = openCapture()
  const book = openCanaryBook()
  const environment = {
    GRIDBRIDGE_DATA: directories.product,
    GRIDBRIDGE_EGRESS_ALLOW: 'loopback',
    LOG_LEVEL: 'trace',
    PORT: '0',
    TMPDIR: directories.temporary,
  }
  try {
    await prepareServer(directories.product)
    const installation = await openInstallation(loadConfig(environment), 'taint', 3)
    closing.onClose(installation.close)
    const { owner, reconnect } = await openOwner(installation.databaseUrl, closing.onClose)
    await storeAsGiven(owner())
    const queueServer = withRedis ? await openQueueServer(capture, closing.onClose) : null
    let platform = ''
    const { name, certNumber, phone } = book.take()
    const refusal = JSON.stringify({ error: name, subject: certNumber, phone })
    const receiver = await openReceiver(capture, () => platform, refusal)
    closing.onClose(receiver.close)
    return {
      root,
      directories,
      capture,
      book,
      installation,
      owner,
      reconnect,
      queueServer,
      receiver,
      command: (called, script, extra = {}) =>
        runCommand(called, capture, { root, script, environment: { ...environment, ...extra } }),
      start: (called, script, announces, extra = {}) =>
        startProcess(called, capture, { root, script, environment: { ...environment, ...extra } }, announces),
      usePlatform: (address) => void (platform = address),
      ...closing,
    }
  } catch (error) {
    await closing.close()
    throw error
  }
}
