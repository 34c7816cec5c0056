import type { SqlDriver, SqlSourceManifest } from '../../../src/feeds/manifest-types.ts'
import type { Source } from '../../../src/ingest/sources/source.ts'
import { openSqlSource } from '../../../src/ingest/sources/sql.ts'
import { createEgressGuard } from '../../../src/security/egress.ts'
import { longAgo } from './emulated-table.ts'

type Row = readonly (string | null)[]

/** A driver package that is not installed: it answers what a test says and keeps what it was asked. */
export interface FakeDriver {
  /** The packages that were imported, in order. */
  readonly imported: string[]
  /** What the driver was given to connect with, once for each connection. */
  readonly connections: Readonly<Record<string, unknown>>[]
  /** Statement and bound values, one a line. */
  readonly asked: string[]
  readonly open: (change?: Partial<SqlSourceManifest>) => Promise<Source>
}

/** What the database says to a statement. */
export type Answers = (text: string) => readonly Row[]

/** Opens sources whose driver is faked with the shape that each package has. */
export function createFakeDriver(driver: SqlDriver, answers: Answers): FakeDriver {
  const fake = {
    imported: [] as string[],
    connections: [] as Readonly<Record<string, unknown>>[],
    asked: [] as string[],
  }
  const answer = (text: string, values: readonly unknown[]): readonly Row[] => {
    const line = text.replaceAll(/\s+/g, ' ').trim()
    fake.asked.push(values.length === 0 ? line : `${line} ← ${values.join(' | ')}`)
    return answers(line)
  }
  const importDriver = async (name: string): Promise<unknown> => {
    fake.imported.push(name)
    return name === 'mssql' ? fakeMssql(fake.connections, answer) : fakeOracle(fake.connections, answer)
  }
  const open = (change: Partial<SqlSourceManifest> = {}): Promise<Source> =>
    openSqlSource({
      manifest: { ...manifestOf(driver), ...change },
      secrets: { word: 'p@ss#word', authority: 'PEM' },
      egress: createEgressGuard(['10.0.0.0/8'], async () => ['10.0.0.7']),
      limits: { pageBytes: 100_000, pages: 1000 },
      recordId: '/ID',
      importDriver,
    })
  return { ...fake, open }
}

type Answer = (text: string, values: readonly unknown[]) => readonly Row[]

/** oracledb, and dmdb, which took its interface over. */
function fakeOracle(connections: Readonly<Record<string, unknown>>[], answer: Answer): unknown {
  const execute = async (text: string, values: readonly unknown[]) => ({ rows: answer(text, values) })
  return {
    default: {
      OUT_FORMAT_ARRAY: 4001,
      STRING: 2001,
      CLOB: 2017,
      getConnection: async (options: Readonly<Record<string, unknown>>) => {
        connections.push(options)
        return { execute, close: async () => undefined }
      },
    },
  }
}

function fakeMssql(connections: Readonly<Record<string, unknown>>[], answer: Answer): unknown {
  return {
    NVarChar: 'NVarChar',
    ConnectionPool: function ConnectionPool(config: Readonly<Record<string, unknown>>) {
      connections.push(config)
      return {
        connect: async () => undefined,
        on: () => undefined,
        close: async () => undefined,
        request: () => {
          const values: unknown[] = []
          return {
            input: (_name: string, _type: unknown, value: unknown) => values.push(value),
            query: async (text: string) => ({ recordset: answer(text, values) }),
          }
        },
      }
    },
  }
}

/** A front-end database of a department, with names that need quoting. */
export function manifestOf(driver: SqlDriver): SqlSourceManifest {
  return {
    kind: 'sql',
    driver,
    host: 'department.example',
    port: 1521,
    database: 'front',
    user: 'reader',
    password: 'word',
    tls: { kind: 'off' },
    schema: 'GA',
    table: 'RK"]',
    columns: ['ID', 'AT', 'XM'],
    reading: {
      kind: 'keyset',
      updatedAt: 'AT',
      id: 'ID',
      window: { ...longAgo, lookbackSeconds: 60, settleSeconds: 5 },
    },
    pageSize: 2,
    timeoutMs: 5000,
  }
}
