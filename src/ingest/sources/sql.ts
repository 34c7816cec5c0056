import { AppError } from '../../errors.ts'
import type { SqlSourceManifest } from '../../feeds/manifest-types.ts'
import type { EgressGuard } from '../../security/egress.ts'
import type { SourceLimits } from './limits.ts'
import { assertPageBytes, assertPageCount } from './limits.ts'
import { takeSecret } from './secrets.ts'
import type { Cursor, Secrets, Source, SourcePage } from './source.ts'
import { loadDatabase } from './sql-databases.ts'
import type { Ask, SqlAddress, SqlConnection, SqlDatabase, TextRow } from './sql-dialect.ts'
import { toSqlError } from './sql-errors.ts'
import { beginning, toPosition, type SqlPosition } from './sql-position.ts'
import { readRows } from './sql-rows.ts'
import { writeStatements, type SqlStatements, type SqlWindow } from './sql-statements.ts'
import { findTable, type SqlTable } from './sql-table.ts'
import { toStatement } from './sql-text.ts'

export interface SqlSourceOptions {
  readonly manifest: SqlSourceManifest
  readonly secrets: Secrets
  readonly egress: EgressGuard
  readonly limits: SourceLimits
}

interface SqlDoor {
  readonly ask: Ask
  readonly table: SqlTable
  readonly statements: SqlStatements
  readonly options: SqlSourceOptions
}

/**
 * Opens one table or view of a department's database, read-only, on a connection of its own to the address the egress
 * guard checked. What is read goes by the database's own clock and by exact texts. Throws AppError EGRESS_FORBIDDEN,
 * SECRET_MISSING, MANIFEST_INVALID, SOURCE_UNAVAILABLE and SOURCE_REFUSED.
 */
export async function openSqlSource(options: SqlSourceOptions): Promise<Source> {
  const { manifest } = options
  const what = `${manifest.host}:${manifest.port}`
  const database = await loadDatabase(manifest.driver)
  const coded = <Result>(work: Promise<Result>): Promise<Result> =>
    work.catch((error: unknown) => {
      throw toSqlError(error, what, database)
    })
  const connection = await coded(connect(database, options))
  try {
    const door = await coded(openDoor(database, connection, options))
    return { readPage: (cursor) => coded(readPage(door, cursor)), close: connection.close }
  } catch (error) {
    await connection.close()
    throw error
  }
}

async function connect(database: SqlDatabase, options: SqlSourceOptions): Promise<SqlConnection> {
  return database.connect(await toAddress(options))
}

async function toAddress({ manifest, secrets, egress }: SqlSourceOptions): Promise<SqlAddress> {
  const { host, port, user, tls, timeoutMs } = manifest
  const ca = tls.kind === 'off' || tls.ca === undefined ? {} : { ca: takeSecret(secrets, tls.ca) }
  return {
    address: await egress.resolve(host, port),
    host: (tls.kind === 'verify' ? tls.serverName : undefined) ?? host,
    port,
    database: manifest.database,
    user,
    password: takeSecret(secrets, manifest.password),
    tls: tls.kind === 'off' ? null : { ...ca, rejectUnauthorized: true, minVersion: 'TLSv1.2' },
    timeoutMs,
    writes: false,
  }
}

async function openDoor(database: SqlDatabase, connection: SqlConnection, options: SqlSourceOptions): Promise<SqlDoor> {
  const { dialect } = database
  const table = await findTable(database, connection, options.manifest)
  const ask: Ask = (statement) => connection.query(toStatement(statement, dialect.mark))
  return { ask, table, statements: writeStatements(dialect, table), options }
}

async function readPage(door: SqlDoor, cursor: Cursor | null): Promise<SourcePage> {
  const { table, options } = door
  const position = await findPosition(door, toPosition(cursor))
  if (position.state === 'done') return { rows: [], cursor: position, done: true }
  const read = await readRows(door.ask, door.statements, table, position, options.manifest.pageSize)
  if (read === null) return { rows: [], cursor: { ...position, state: 'done' }, done: true }
  const pages = position.pages + 1
  assertPageCount(pages, options.limits)
  assertPageBytes(countCharacters(read.rows), options.limits)
  const rows = read.rows.map((row, place) => ({ row: place, value: toObject(table, row) }))
  return { rows, cursor: { ...position, last: read.last, pages }, done: false }
}

/** The saved place inside a run, else the beginning of the next one; `done` when its window would be empty. */
async function findPosition(door: SqlDoor, saved: SqlPosition): Promise<SqlPosition> {
  if (saved.state === 'reading') return saved
  await assertReachable(door)
  if (door.table.clock === null) return { ...beginning, state: 'reading' }
  const window = await findWindow(door, saved.window?.to ?? null)
  return window === null ? saved : { ...beginning, state: 'reading', window }
}

async function findWindow(
  { ask, statements, table: { clock } }: SqlDoor,
  before: string | null,
): Promise<SqlWindow | null> {
  if (clock === null) return null
  const [[from = null, to = null, isOpen] = []] = await ask(statements.window(clock, before))
  if (from === null || to === null || isOpen !== '1') return null
  const held = statements.heldFrom(clock, { from, to })
  const [[first = null] = []] = held === null ? [] : await ask(held)
  if (first === null) return { from, to }
  return first === from ? null : { from, to: first }
}

async function assertReachable({ ask, statements, table }: SqlDoor): Promise<void> {
  const [[count = '0'] = []] = await ask(statements.unreachable)
  if (Number(count) === 0) return
  const columns = table.order.map(({ column }) => column.name).join(' or ')
  throw new AppError('SOURCE_KEY_UNUSABLE', `${count} rows hold null or no date in ${columns} and would never be read`)
}

function toObject(table: SqlTable, row: TextRow): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    table.columns.map(({ name, rules }, place) => {
      const text = row[place] ?? null
      return [name, text === null ? null : rules.read(text)]
    }),
  )
}

function countCharacters(rows: readonly TextRow[]): number {
  return rows.reduce((sum, row) => sum + row.reduce((length, text) => length + (text?.length ?? 0), 0), 0)
}
