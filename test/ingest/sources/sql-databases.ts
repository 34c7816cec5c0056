import type { SqlSourceManifest } from '../../../src/feeds/manifest-types.ts'
import type { Source } from '../../../src/ingest/sources/source.ts'
import type { SqlSourceOptions } from '../../../src/ingest/sources/sql.ts'
import { startEmulatedMariadb } from './emulated-mariadb.ts'
import { startEmulatedDatabase } from './emulated-table.ts'

/** A department's database of any make, for what all of them must do alike. */
export interface DepartmentDatabase {
  /** Runs one statement as the department. */
  readonly write: (statement: string) => Promise<void>
  /** Rows of one statement, as texts. */
  readonly look: (statement: string) => Promise<readonly (readonly string[])[]>
  /** A transaction of its own, ended by the caller. */
  readonly begin: () => Promise<{
    readonly write: (statement: string) => Promise<void>
    readonly commit: () => Promise<void>
  }>
  /** The type of a time without zone, to the microsecond. */
  readonly time: string
  /** The type of a text of any length. */
  readonly text: string
  /** SQL of now, less some seconds. */
  readonly ago: (seconds: number) => string
  readonly manifestOf: (table: string, change?: Partial<SqlSourceManifest>) => SqlSourceManifest
  readonly open: (manifest: SqlSourceManifest, change?: Partial<SqlSourceOptions>) => Promise<Source>
  readonly close: () => Promise<void>
}

export async function openPostgresql(): Promise<DepartmentDatabase> {
  const { writer, connect, ...rest } = await startEmulatedDatabase()
  return {
    ...rest,
    write: async (statement) => void (await writer.query(statement)),
    look: async (statement) =>
      (await writer.query<string[]>({ text: statement, rowMode: 'array' })).rows.map((row) => row.map(String)),
    begin: async () => {
      const client = await connect()
      await client.query('begin')
      return {
        write: async (statement) => void (await client.query(statement)),
        commit: async () => {
          await client.query('commit')
          await client.end()
        },
      }
    },
    time: 'timestamp(6)',
    text: 'text',
    ago: (seconds) => `localtimestamp - interval '${seconds} seconds'`,
  }
}

export async function openMariadb(): Promise<DepartmentDatabase> {
  const { writer, connect, ...rest } = await startEmulatedMariadb()
  return {
    ...rest,
    write: async (statement) => void (await writer.query(statement)),
    look: async (statement) => {
      const [rows] = await writer.query<never[]>({ sql: statement, rowsAsArray: true })
      return rows.map((row: readonly unknown[]) => row.map(String))
    },
    begin: async () => {
      const connection = await connect()
      await connection.beginTransaction()
      return {
        write: async (statement) => void (await connection.query(statement)),
        commit: async () => {
          await connection.commit()
          await connection.end()
        },
      }
    },
    time: 'datetime(6)',
    text: 'longtext',
    ago: (seconds) => `now(6) - interval ${seconds} second`,
  }
}
