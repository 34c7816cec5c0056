import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { projectRoot } from '../demo/processes.ts'
import { loadConfig } from '../src/config.ts'
import { openInstallation, type Installation } from '../src/installation.ts'
import { isRedisInstalled, startRedisServer, type RedisServer } from './redis-server.ts'
import { openCanaryBook, type CanaryBook } from './taint-canaries.ts'
import {
  openCapture,
  openReceiver,
  runCommand,
  startProcess,
  type Capture,
  type Receiver,
  type RunningProcess,
} from './taint-capture.ts'

/** A real installation, a receiver and everything they print, in a temporary directory. */
export interface Stage {
  /** The source tree that runs. */
  readonly root: string
  readonly directories: Readonly<Record<'product' | 'temporary' | 'platform' | 'outside', string>>
  readonly capture: Capture
  readonly book: CanaryBook
  readonly installation: Installation
  /** A superuser, for looking behind the product's back. */
  readonly owner: pg.Client
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
  const inside = (name: string): string => {
    mkdirSync(path.join(base, name))
    return path.join(base, name)
  }
  return {
    base,
    product: inside('product'),
    temporary: inside('temporary'),
    platform: inside('platform'),
    outside: inside('outside'),
  }
}

async function openQueueServer(capture: Capture, onClose: Stage['onClose']): Promise<RedisServer | null> {
  if (!isRedisInstalled()) return null
  const server = await startRedisServer({ keep: true })
  onClose(server.stop)
  const monitor = await server.client.monitor()
  monitor.on('monitor', (_time: string, words: readonly string[]) =>
    capture.write('queue server', 'commands', `${words.join(' ')}\n`),
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
    const installation = await openInstallation(loadConfig(environment), 'taint', 3)
    closing.onClose(installation.close)
    const owner = new pg.Client({ connectionString: installation.databaseUrl })
    await owner.connect()
    closing.onClose(() => owner.end())
    await storeAsGiven(owner)
    const queueServer = withRedis ? await openQueueServer(capture, closing.onClose) : null
    let platform = ''
    const refused = book.take()
    const receiver = await openReceiver(
      capture,
      () => platform,
      JSON.stringify({ error: refused.name, subject: refused.certNumber, phone: refused.phone }),
    )
    closing.onClose(receiver.close)
    return {
      root,
      directories,
      capture,
      book,
      installation,
      owner,
      queueServer,
      receiver,
      command: (name, script, extra = {}) =>
        runCommand(name, capture, { root, script, environment: { ...environment, ...extra } }),
      start: (name, script, announces, extra = {}) =>
        startProcess(name, capture, { root, script, environment: { ...environment, ...extra } }, announces),
      usePlatform: (address) => void (platform = address),
      ...closing,
    }
  } catch (error) {
    await closing.close()
    throw error
  }
}
