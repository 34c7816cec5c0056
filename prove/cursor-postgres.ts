import pg from 'pg'
import { startEmbeddedDatabase } from '../test/support/embedded-database.ts'
import type { SqlServer, SqlTableKind, SqlWriter } from './cursor-sql.ts'

/** $1 ids, $2 time, $3 versions. An exchange table gets one row more for each change. */
const writes: Readonly<Record<SqlTableKind, (table: string) => string>> = {
  keyset: (table) => `
    insert into ${table} select id, $2, v from unnest($1::text[], $3::int[]) as given (id, v) order by id
      on conflict (id) do update set at = excluded.at, v = excluded.v`,
  exchange: (table) => `
    insert into ${table} (id, at, v, flag) select id, $2, v, '0' from unnest($1::text[], $3::int[]) as given (id, v)`,
}

const columns: Readonly<Record<SqlTableKind, string>> = {
  keyset: 'id text primary key, at timestamptz not null, v int not null',
  exchange: 'seq bigserial primary key, id text, at timestamptz not null, v int, flag char(1)',
}

async function openWriter(client: pg.Client, kind: SqlTableKind): Promise<SqlWriter> {
  const now = async (): Promise<number> => {
    const { rows } = await client.query<{ now: Date }>('select clock_timestamp() as now')
    return rows[0]?.now.getTime() ?? 0
  }
  const run = async (text: string): Promise<void> => void (await client.query(text))
  return {
    begin: () => run('begin'),
    write: async (table, versions, grainMs) => {
      const read = await now()
      const at = read - (read % grainMs)
      const [ids, numbers] = [versions.map(({ id }) => id), versions.map(({ version }) => version)]
      await client.query(writes[kind](table), [ids, new Date(at), numbers])
      return at
    },
    commit: () => run('commit'),
    rollback: () => run('rollback'),
    now,
    close: () => client.end(),
  }
}

/** A department's PostgreSQL on a free port, with an account that may read, and mark what an exchange table holds. */
export async function startPostgres(kind: SqlTableKind): Promise<SqlServer> {
  const server = await startEmbeddedDatabase()
  // Several schedules are set up side by side.
  const setup = new pg.Pool({ connectionString: server.url, max: 4 })
  setup.on('error', () => undefined)
  setup.on('connect', (client) => client.on('error', () => undefined))
  await setup.query(`create role reader login password 'reader-word'`)
  await setup.query('alter default privileges in schema public grant select, update on tables to reader')
  return {
    kind,
    createTable: async (table) => void (await setup.query(`create table ${table} (${columns[kind]})`)),
    readTable: async (table) => {
      const { rows } = await setup.query<{ id: string; v: number }>(`select id, max(v) as v from ${table} group by id`)
      return new Map(rows.map(({ id, v }) => [id, v]))
    },
    openWriter: async () => openWriter(await server.connect(), kind),
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
