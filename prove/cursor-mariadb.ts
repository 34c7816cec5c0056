import type { Connection, RowDataPacket } from 'mysql2/promise'
import { startMariadbServer } from '../test/support/mariadb-server.ts'
import type { SqlServer, SqlWriter } from './cursor-sql.ts'

async function readClock(connection: Connection): Promise<number> {
  const [rows] = await connection.query<RowDataPacket[]>(
    `select cast(unix_timestamp(sysdate(6)) * 1000 as signed) as ms`,
  )
  return Number(rows[0]?.['ms'])
}

function openWriter(connection: Connection): SqlWriter {
  const run = async (text: string): Promise<void> => void (await connection.query(text))
  return {
    begin: () => run('start transaction'),
    write: async (table, versions, grainMs) => {
      const now = await readClock(connection)
      const at = now - (now % grainMs)
      // Rows are locked in one order by all, so that few transactions meet in a deadlock.
      for (const { id, version } of versions.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
        await connection.query(
          `insert into ${table} values (?, from_unixtime(? / 1000), ?) on duplicate key update at = values(at), v = values(v)`,
          [id, at, version],
        )
      }
      return at
    },
    commit: () => run('commit'),
    rollback: () => run('rollback'),
    now: () => readClock(connection),
    close: () => connection.end(),
  }
}

/** A department's MariaDB on a free port, with an account that may only read. */
export async function startMariadb(): Promise<SqlServer> {
  const server = await startMariadbServer()
  await server.writer.query(`create user reader@'127.0.0.1' identified by 'reader-word'`)
  await server.writer.query(`grant select on ${server.database}.* to reader@'127.0.0.1'`)
  return {
    kind: 'keyset',
    createTable: async (table) => {
      await server.writer.query(`create table ${table} (id varchar(20) primary key, at datetime(6) not null, v int)`)
    },
    readTable: async (table) => {
      const [rows] = await server.writer.query<RowDataPacket[]>(`select id, v from ${table}`)
      return new Map(rows.map((row) => [String(row['id']), Number(row['v'])]))
    },
    openWriter: async () => openWriter(await server.connect()),
    source: {
      kind: 'sql',
      driver: 'mariadb',
      host: '127.0.0.1',
      port: server.port,
      database: server.database,
      user: 'reader',
      password: 'word',
      tls: { kind: 'off' },
      timeoutMs: 10_000,
    },
    secrets: { word: 'reader-word' },
    close: server.stop,
  }
}
