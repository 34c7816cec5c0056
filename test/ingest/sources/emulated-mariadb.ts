import type { Connection } from 'mysql2/promise'
import type { SqlSourceManifest } from '../../../src/feeds/manifest-types.ts'
import type { Source } from '../../../src/ingest/sources/source.ts'
import { openSqlSource, type SqlSourceOptions } from '../../../src/ingest/sources/sql.ts'
import { createEgressGuard } from '../../../src/security/egress.ts'
import { startMariadbServer } from '../../support/mariadb-server.ts'
import { longAgo } from './emulated-table.ts'

export interface EmulatedMariadb {
  /** A department's own account, which writes. */
  readonly writer: Connection
  readonly connect: () => Promise<Connection>
  readonly manifestOf: (table: string, change?: Partial<SqlSourceManifest>) => SqlSourceManifest
  readonly open: (manifest: SqlSourceManifest, change?: Partial<SqlSourceOptions>) => Promise<Source>
  readonly close: () => Promise<void>
}

/** A department's MariaDB with an account `reader` that may only read. */
export async function startEmulatedMariadb(more: readonly string[] = []): Promise<EmulatedMariadb> {
  const server = await startMariadbServer(more)
  await server.writer.query(`create user reader@'127.0.0.1' identified by 'reader-word'`)
  await server.writer.query(`grant select on ${server.database}.* to reader@'127.0.0.1'`)
  const opened: Source[] = []
  return {
    writer: server.writer,
    connect: server.connect,
    manifestOf: (table, change = {}) => ({ ...manifestTo(server.port, server.database, table), ...change }),
    open: async (manifest, change = {}) => {
      const source = await openSqlSource({
        manifest,
        secrets: { word: 'reader-word' },
        egress: createEgressGuard(['loopback'], async () => ['127.0.0.1']),
        limits: { pageBytes: 100_000, pages: 1000 },
        recordId: '/id',
        ...change,
      })
      opened.push(source)
      return source
    },
    close: async () => {
      await Promise.all(opened.map((source) => source.close()))
      await server.stop()
    },
  }
}

function manifestTo(port: number, database: string, table: string): SqlSourceManifest {
  return {
    kind: 'sql',
    driver: 'mariadb',
    host: 'department.invalid',
    port,
    database,
    user: 'reader',
    password: 'word',
    tls: { kind: 'off' },
    table,
    columns: ['id', 'at'],
    reading: { kind: 'keyset', updatedAt: 'at', id: 'id', window: longAgo },
    pageSize: 3,
    timeoutMs: 5000,
  }
}
