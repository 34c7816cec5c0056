import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { createConnection, type Connection } from 'mysql2/promise'
import { freePort } from './embedded-database.ts'

export interface MariadbServer {
  readonly port: number
  /** The database that everything is made in. */
  readonly database: string
  /** A connected account that may do everything; `stop` ends it. */
  readonly writer: Connection
  /** Another such connection; the caller ends it. */
  readonly connect: () => Promise<Connection>
  readonly stop: () => Promise<void>
}

export const isMariadbInstalled = (): boolean =>
  spawnSync('mariadbd', ['--version']).status === 0 &&
  // mariadb-install-db comes with the server and cannot work without the client's my_print_defaults.
  spawnSync('sh', ['-c', 'command -v mariadb-install-db && command -v my_print_defaults']).status === 0

const DATABASE = 'department'
const PASSWORD = 'writer-word'

// utf8mb4 as a department's newer systems have it; older tables name their own character set. The tests are not about
// surviving a power cut.
const settings = [
  '--bind-address=127.0.0.1',
  '--character-set-server=utf8mb4',
  '--default-time-zone=+08:00',
  '--innodb-flush-log-at-trx-commit=0',
  '--innodb-buffer-pool-size=32M',
  '--sql-mode=',
]

/**
 * Starts a MariaDB with an empty database on a free port, in a folder that goes away with it. Takes about two seconds. `more`
 * are options of mariadbd.
 */
export async function startMariadbServer(more: readonly string[] = []): Promise<MariadbServer> {
  const port = await freePort()
  const directory = mkdtempSync(path.join(tmpdir(), 'gridbridge-mariadb-'))
  const server = startServer(directory, port, more)
  const connect = (): Promise<Connection> =>
    createConnection({
      host: '127.0.0.1',
      port,
      user: 'writer',
      password: PASSWORD,
      database: DATABASE,
      charset: 'utf8mb4',
    })
  const writer = await connectWhenReady(connect, server).catch((error: unknown) => {
    server.kill('SIGKILL')
    throw error
  })
  return {
    port,
    database: DATABASE,
    writer,
    connect,
    stop: async () => {
      await writer.end()
      await endServer(server)
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function startServer(directory: string, port: number, more: readonly string[]): ChildProcess {
  const data = path.join(directory, 'data')
  const user = serverUser()
  const install = spawnSync('mariadb-install-db', [
    '--no-defaults',
    `--datadir=${data}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    ...user,
  ])
  if (install.status !== 0) throw new Error(`mariadb-install-db ended with ${install.status}`)
  const first = path.join(directory, 'first.sql')
  writeFileSync(first, firstStatements)
  const places = [
    `--datadir=${data}`,
    `--socket=${path.join(directory, 'socket')}`,
    `--pid-file=${path.join(directory, 'pid')}`,
    `--init-file=${first}`,
  ]
  return spawn('mariadbd', ['--no-defaults', ...places, `--port=${port}`, ...settings, ...more, ...user], {
    stdio: 'ignore',
  })
}

// With the anonymous and the root account left as they are, which listen on the socket alone.
const firstStatements = `
create database ${DATABASE};
create user writer@'127.0.0.1' identified by '${PASSWORD}';
grant all on *.* to writer@'127.0.0.1' with grant option;
`

/** mariadbd does not run as root unless it is told to; a mysql account of the machine is not asked for. */
function serverUser(): readonly string[] {
  return process.getuid?.() === 0 ? [`--user=root`] : []
}

async function connectWhenReady(connect: () => Promise<Connection>, server: ChildProcess): Promise<Connection> {
  for (let attempt = 0; attempt < 200 && server.exitCode === null; attempt++) {
    const connection = await connect().catch(() => null)
    if (connection !== null) return connection
    await wait(50)
  }
  throw new Error('mariadbd did not come up')
}

async function endServer(server: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => {
    server.once('exit', resolve)
  })
  server.kill('SIGTERM')
  await ended
}
