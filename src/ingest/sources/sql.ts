import { Client } from 'pg'
import { AppError } from '../../errors.ts'
import type { SqlSourceManifest } from '../../feeds/manifest-types.ts'
import type { EgressGuard } from '../../security/egress.ts'
import { isCount, isOneOf, isShape, isText, orNull, toCursor } from './cursor.ts'
import type { SourceLimits } from './limits.ts'
import { assertPageBytes, assertPageCount } from './limits.ts'
import { takeSecret } from './secrets.ts'
import type { Cursor, Secrets, Source, SourcePage } from './source.ts'
import type { SqlTable } from './sql-columns.ts'
import { findTable, readColumn } from './sql-columns.ts'
import { toSqlError } from './sql-errors.ts'
import type { SqlQueries } from './sql-queries.ts'
import { writeQueries } from './sql-queries.ts'

export interface SqlSourceOptions {
  readonly manifest: SqlSourceManifest
  readonly secrets: Secrets
  readonly egress: EgressGuard
  readonly limits: SourceLimits
}

type SqlWindow = { readonly from: string; readonly to: string }

/** A row's place in the order of (updatedAt, id), as texts the source database wrote. */
type RowKey = { readonly at: string; readonly tie: string }

type SqlPosition = {
  readonly kind: 'sql'
  readonly state: 'reading' | 'done'
  readonly window: SqlWindow | null
  readonly last: RowKey | null
  /** Pages of this run. */
  readonly pages: number
}

interface SqlDoor {
  readonly client: Client
  readonly table: SqlTable
  readonly queries: SqlQueries
  readonly options: SqlSourceOptions
}

type TextRow = readonly (string | null)[]

// The server ends a slow statement itself; the client waits this much longer before it gives the connection up.
const GRACE_MS = 1000

// pg_catalog alone, so that a function of the department cannot stand in for one of PostgreSQL's.
const sessionOptions = '-c default_transaction_read_only=on -c search_path=pg_catalog -c DateStyle=ISO,YMD'

const checks = {
  kind: isOneOf('sql'),
  state: isOneOf('reading', 'done'),
  window: orNull(isShape<SqlWindow>({ from: isText, to: isText })),
  last: orNull(isShape<RowKey>({ at: isText, tie: isText })),
  pages: isCount,
}

const beginning: SqlPosition = { kind: 'sql', state: 'done', window: null, last: null, pages: 0 }

/**
 * Opens one table of a department's PostgreSQL, read-only, on a connection of its own to the address the egress guard
 * checked. Rows are read in the order of (updatedAt, id) by windows of the source's own clock. Throws AppError
 * EGRESS_FORBIDDEN, SECRET_MISSING, MANIFEST_INVALID, SOURCE_UNAVAILABLE and SOURCE_REFUSED.
 */
export async function openSqlSource(options: SqlSourceOptions): Promise<Source> {
  const { manifest } = options
  const what = `${manifest.host}:${manifest.port}`
  const client = await connect(options).catch((error: unknown) => {
    throw toSqlError(error, what)
  })
  try {
    const table = await findTable(client, manifest)
    const door = { client, table, queries: writeQueries(table), options }
    return {
      readPage: (cursor) =>
        readPage(door, cursor).catch((error: unknown) => {
          throw toSqlError(error, what)
        }),
      close: () => client.end(),
    }
  } catch (error) {
    await client.end()
    throw toSqlError(error, what)
  }
}

async function connect({ manifest, secrets, egress }: SqlSourceOptions): Promise<Client> {
  const client = new Client({
    host: await egress.resolve(manifest.host, manifest.port),
    port: manifest.port,
    database: manifest.database,
    user: manifest.user,
    password: takeSecret(secrets, manifest.password),
    // Every setting that pg would otherwise take from the environment is given, so that no PG… variable weakens it.
    ssl: false,
    options: sessionOptions,
    application_name: 'gridbridge',
    client_encoding: 'UTF8',
    connectionTimeoutMillis: manifest.timeoutMs,
    statement_timeout: manifest.timeoutMs,
    query_timeout: manifest.timeoutMs + GRACE_MS,
  })
  // A connection that breaks between two pages is noticed by the next query; unheard, the event would end the process.
  client.on('error', () => undefined)
  await client.connect()
  return client
}

async function readPage(door: SqlDoor, cursor: Cursor | null): Promise<SourcePage> {
  const position = await findPosition(door, cursor)
  if (position.window === null || position.state === 'done') return { rows: [], cursor: position, done: true }
  const rows = await readRows(door, position.window, position.last)
  const last = rows.at(-1)
  if (last === undefined) return { rows: [], cursor: { ...position, state: 'done' }, done: true }
  const pages = position.pages + 1
  assertPageCount(pages, door.options.limits)
  assertPageBytes(countCharacters(rows), door.options.limits)
  const values = rows.map((row, place) => ({ row: place, value: toObject(door.table, row) }))
  return { rows: values, cursor: { ...position, last: keyOf(door.table, last), pages }, done: false }
}

/** The saved place inside a run, else the beginning of the next window; `done` when that would be empty. */
async function findPosition(door: SqlDoor, cursor: Cursor | null): Promise<SqlPosition> {
  const saved = cursor === null ? beginning : toCursor<SqlPosition>(cursor, checks)
  if (saved.state === 'reading') return saved
  await assertReachable(door)
  const { start, lookbackSeconds, settleSeconds } = door.options.manifest.keyset.window
  const { rows } = await door.client.query<SqlWindow & { readonly open: boolean }>(door.queries.window, [
    start,
    saved.window?.to ?? null,
    lookbackSeconds,
    settleSeconds,
  ])
  const [window] = rows
  if (window?.open !== true) return saved
  return { ...beginning, state: 'reading', window: { from: window.from, to: window.to } }
}

async function assertReachable({ client, queries, table }: SqlDoor): Promise<void> {
  const { rows } = await client.query<{ readonly rows: number }>(queries.unreachable)
  const count = rows[0]?.rows ?? 0
  if (count === 0) return
  const columns = `${table.updatedAt.name} or ${table.id.name}`
  throw new AppError('SOURCE_BODY_INVALID', `${count} rows hold null or infinity in ${columns} and would never be read`)
}

/** Up to a page of rows in order. Rows with one and the same key are never parted, whatever the page size. */
async function readRows(door: SqlDoor, window: SqlWindow, last: RowKey | null): Promise<readonly TextRow[]> {
  const { queries, table, options } = door
  const size = options.manifest.pageSize
  const edges = [window.from, window.to, size + 1]
  const read =
    last === null
      ? await queryRows(door, queries.firstRows, edges)
      : await queryRows(door, queries.rowsAfter, [...edges, last.at, last.tie])
  const [inside, beyond] = [read[size - 1], read[size]]
  if (inside === undefined || beyond === undefined) return read
  const key = keyOf(table, inside)
  if (!isSameKey(key, keyOf(table, beyond))) return read.slice(0, size)
  const before = read.filter((row) => !isSameKey(key, keyOf(table, row)))
  return [...before, ...(await queryRows(door, queries.rowsAt, [key.at, key.tie]))]
}

async function queryRows({ client }: SqlDoor, text: string, values: readonly unknown[]): Promise<readonly TextRow[]> {
  const result = await client.query<(string | null)[]>({ text, values: [...values], rowMode: 'array' })
  return result.rows
}

function keyOf(table: SqlTable, row: TextRow): RowKey {
  const [at, tie] = row.slice(table.columns.length)
  return { at: at ?? '', tie: tie ?? '' }
}

function isSameKey(left: RowKey, right: RowKey): boolean {
  return left.at === right.at && left.tie === right.tie
}

function toObject(table: SqlTable, row: TextRow): Readonly<Record<string, unknown>> {
  return Object.fromEntries(table.columns.map((column, place) => [column.name, readColumn(column, row[place] ?? null)]))
}

function countCharacters(rows: readonly TextRow[]): number {
  return rows.reduce((sum, row) => sum + row.reduce((length, text) => length + (text?.length ?? 0), 0), 0)
}
