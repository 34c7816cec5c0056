import pg from 'pg'
import { startEmbeddedDatabase } from '../test/support/embedded-database.ts'
import type { SqlServer } from './cursor-sql.ts'

/** A department's PostgreSQL on a free port, with an account that may only read. */
export async function startPostgres(): Promise<SqlServer> {
  const server = await startEmbeddedDatabase()
  // Several schedules are set up side by side.
  const setup = new pg.Pool({ connectionString: server.url, max: 4 })
  setup.on('error', () => undefined)
  await setup.query(`create role reader login password 'reader-word'`)
  await setup.query('alter default privileges in schema public grant select on tables to reader')
  const openWriter: SqlServer['openWriter'] = async () => {
    const client = await server.connect()
    const now = async (): Promise<number> => {
      const { rows } = await client.query<{ now: Date }>('select clock_timestamp() as now')
      return rows[0]?.now.getTime() ?? 0
    }
    return {
      begin: async () => void (await client.query('begin')),
      write: async (table, versions, grainMs) => {
        const read = await now()
        const at = read - (read % grainMs)
        await client.query(
          `insert into ${table} select id, $2, v from unnest($1::text[], $3::int[]) as given (id, v) order by id
             on conflict (id) do update set at = excluded.at, v = excluded.v`,
          [versions.map(({ id }) => id), new Date(at), versions.map(({ version }) => version)],
        )
        return at
      },
      commit: async () => void (await client.query('commit')),
      rollback: async () => void (await client.query('rollback')),
      now,
      close: () => client.end(),
    }
  }
  return {
    createTable: async (table) => {
      await setup.query(`create table ${table} (id text primary key, at timestamptz not null, v int not null)`)
    },
    readTable: async (table) => {
      const { rows } = await setup.query<{ id: string; v: number }>(`select id, v from ${table}`)
      return new Map(rows.map(({ id, v }) => [id, v]))
    },
    openWriter,
    source: {
      kind: 'sql',
      driver: 'postgresql',
      host: '127.0.0.1',
      port: server.port,
      database: 'postgres',
      user: 'reader',
      password: 'word',
      tls: { kind: 'off' },
      timeoutMs: 10_000,
    },
    secrets: { word: 'reader-word' },
    close: async () => {
      await setup.end()
      await server.stop()
    },
  }
}
