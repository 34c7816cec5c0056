import type { Client } from 'pg'
import type { ReadWindow, SqlSourceManifest } from '../../../src/feeds/manifest-types.ts'
import { readPointer } from '../../../src/ingest/sources/pointer.ts'
import type { Source } from '../../../src/ingest/sources/source.ts'
import type { SqlSourceOptions } from '../../../src/ingest/sources/sql.ts'
import { openSqlSource } from '../../../src/ingest/sources/sql.ts'
import { createEgressGuard } from '../../../src/security/egress.ts'
import { startEmbeddedDatabase } from '../../support/embedded-database.ts'

export interface EmulatedDatabase {
  /** A department's own account, which writes. */
  readonly writer: Client
  readonly connect: () => Promise<Client>
  readonly manifestOf: (table: string, change?: Partial<SqlSourceManifest>) => SqlSourceManifest
  readonly open: (manifest: SqlSourceManifest, change?: Partial<SqlSourceOptions>) => Promise<Source>
  readonly close: () => Promise<void>
}

/** Everything since the beginning of 2026, without look-back and settle time. */
export const longAgo: ReadWindow = { lookbackSeconds: 0, settleSeconds: 0, start: '2026-01-01T00:00:00+08:00' }

/** A department's PostgreSQL in its own time zone, with an account that may only read. */
export async function startEmulatedDatabase(): Promise<EmulatedDatabase> {
  const server = await startEmbeddedDatabase()
  const setup = await server.connect()
  await setup.query(`alter database postgres set timezone to 'Asia/Shanghai'`)
  await setup.query(`create role reader login password 'reader-word'`)
  await setup.query('alter default privileges in schema public grant select on tables to reader')
  await setup.end()
  const writer = await server.connect()
  const opened: Source[] = []
  return {
    writer,
    connect: () => server.connect(),
    manifestOf: (table, change = {}) => ({ ...manifestTo(server.port, table), ...change }),
    open: async (manifest, change = {}) => {
      const source = await openReader(manifest, change)
      opened.push(source)
      return source
    },
    close: async () => {
      await Promise.all(opened.map((source) => source.close()))
      await writer.end()
      await server.stop()
    },
  }
}

export function idsOf(values: readonly unknown[]): readonly unknown[] {
  return values.map((value) => readPointer(value, '/id'))
}

/** 1 to `count`. */
export function numbers(count: number): readonly number[] {
  return Array.from({ length: count }, (_, n) => n + 1)
}

function openReader(manifest: SqlSourceManifest, change: Partial<SqlSourceOptions>): Promise<Source> {
  return openSqlSource({
    manifest,
    secrets: { word: 'reader-word' },
    egress: createEgressGuard(['loopback'], async () => ['127.0.0.1']),
    limits: { pageBytes: 100_000, pages: 1000 },
    recordId: '/id',
    ...change,
  })
}

function manifestTo(port: number, table: string): SqlSourceManifest {
  return {
    kind: 'sql',
    driver: 'postgresql',
    host: 'localhost',
    port,
    database: 'postgres',
    user: 'reader',
    password: 'word',
    table,
    columns: ['id', 'at'],
    tls: { kind: 'off' },
    reading: { kind: 'keyset', updatedAt: 'at', id: 'id', window: longAgo },
    pageSize: 3,
    timeoutMs: 5000,
  }
}
