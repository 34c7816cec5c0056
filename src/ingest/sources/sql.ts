import { AppError } from '../../errors.ts'
import type { Pointer, SqlSourceManifest } from '../../feeds/manifest-types.ts'
import type { EgressGuard } from '../../security/egress.ts'
import type { SourceLimits } from './limits.ts'
import { assertPageBytes, assertPageCount } from './limits.ts'
import { createFieldsBuilder } from '../build-fields.ts'
import { readPointer } from './pointer.ts'
import { takeSecret } from './secrets.ts'
import type { Cursor, Secrets, Source, SourcePage } from './source.ts'
import { loadDatabase } from './sql-databases.ts'
import type { Ask, SqlAddress, SqlConnection, SqlDatabase, TextRow } from './sql-dialect.ts'
import { importPackage, type ImportDriver } from './sql-driver.ts'
import { toSqlError } from './sql-errors.ts'
import { beginning, toPosition, type SqlPosition } from './sql-position.ts'
import { openMarker, type Marker } from './sql-marks.ts'
import { cutAtRepeat, keyOf, readRows } from './sql-rows.ts'
import { writeStatements, type SqlStatements, type SqlWindow } from './sql-statements.ts'
import { findTable, type ClockColumn, type SqlTable } from './sql-table.ts'
import { toStatement, type Sql } from './sql-text.ts'

export interface SqlSourceOptions {
  readonly manifest: SqlSourceManifest
  readonly secrets: Secrets
  readonly egress: EgressGuard
  readonly limits: SourceLimits
  /** Where the record id is in a row. */
  readonly recordId: Pointer
  /** How a driver that we do not bring is imported; by Node where it is not given. */
  readonly importDriver?: ImportDriver
}

interface SqlDoor {
  readonly ask: Ask
  readonly table: SqlTable
  readonly toObject: ToObject
  readonly statements: SqlStatements
  readonly marker: Marker | null
  readonly options: SqlSourceOptions
}

/**
 * Opens one table or view of a department's database, read-only, on a connection of its own to the address the egress
 * guard checked. What is read goes by the database's own clock and by exact texts. Throws AppError EGRESS_FORBIDDEN,
 * SECRET_MISSING, DRIVER_MISSING, MANIFEST_INVALID, SOURCE_UNAVAILABLE and SOURCE_REFUSED.
 */
export async function openSqlSource(options: SqlSourceOptions): Promise<Source> {
  const { manifest } = options
  const what = `${manifest.host}:${manifest.port}`
  const database = await loadDatabase(manifest.driver)
  const coded = <Result>(work: Promise<Result>): Promise<Result> =>
    work.catch((error: unknown) => {
      throw toSqlError(error, what, database)
    })
  const connect = async (writes: boolean): Promise<SqlConnection> =>
    database.connect({ ...(await toAddress(options)), writes }, options.importDriver ?? importPackage)
  const connection = await coded(connect(false))
  try {
    const door = await coded(openDoor(database, connection, () => connect(true), options))
    return { readPage: (cursor) => coded(readPage(door, cursor)), close: () => closeDoor(door, connection) }
  } catch (error) {
    await connection.close()
    throw error
  }
}

async function toAddress({ manifest, secrets, egress, limits }: SqlSourceOptions): Promise<Omit<SqlAddress, 'writes'>> {
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
    pageBytes: limits.pageBytes,
  }
}

async function openDoor(
  database: SqlDatabase,
  connection: SqlConnection,
  openWriter: () => Promise<SqlConnection>,
  options: SqlSourceOptions,
): Promise<SqlDoor> {
  const { dialect } = database
  const table = await findTable(database, connection, options.manifest)
  const statements = writeStatements(dialect, table)
  const ask: Ask = (statement) => connection.query(toStatement(statement, dialect.mark))
  const marker = await openMarker(database, table, statements, openWriter)
  return { ask, table, toObject: createToObject(table), statements, marker, options }
}

async function closeDoor({ marker }: SqlDoor, connection: SqlConnection): Promise<void> {
  await marker?.close()
  await connection.close()
}

async function readPage(door: SqlDoor, cursor: Cursor | null): Promise<SourcePage> {
  const { table, toObject, options, marker } = door
  const position = await findPosition(door, toPosition(cursor))
  if (position.state === 'done') return { rows: [], cursor: position, done: true }
  const read = await readRows(door.ask, door.statements, table, position, options.manifest.pageSize)
  if (read === null) return { rows: [], cursor: { ...position, state: 'done' }, done: true }
  const { rows, last } = options.manifest.reading.kind === 'exchange' ? cutAtRepeat(table, read, idOf(door)) : read
  const pages = position.pages + 1
  assertPageCount(pages, options.limits)
  assertPageBytes(countCharacters(rows), options.limits)
  return {
    rows: rows.map((row, place) => ({ row: place, value: toObject(row) })),
    cursor: { ...position, last, pages },
    done: false,
    ...(marker === null ? {} : { saved: () => marker.mark(rows.map((row) => keyOf(table, row))) }),
  }
}

function idOf({ toObject, options }: SqlDoor): (row: TextRow) => unknown {
  return (row) => readPointer(toObject(row), options.recordId)
}

/** The saved place inside a run, else the beginning of the next one; `done` when its window would be empty. */
async function findPosition(door: SqlDoor, saved: SqlPosition): Promise<SqlPosition> {
  if (saved.state === 'reading') return saved
  await assertReachable(door)
  const { clock } = door.table
  if (clock === null) return { ...beginning, state: 'reading' }
  const window = await findWindow(door, clock, saved.window?.to ?? null)
  // Both edges have one form of fixed width, so texts compare as their times do.
  return window === null || window.from >= window.to ? saved : { ...beginning, state: 'reading', window }
}

async function findWindow(
  { ask, statements, marker }: SqlDoor,
  clock: ClockColumn,
  before: string | null,
): Promise<SqlWindow | null> {
  const [[lower = null, to = null] = []] = await ask(statements.window(clock, before))
  if (lower === null || to === null) return null
  // Where rows are marked, one that is ready was not read, or not saved, or asked for again: however old, it is read.
  const from = earliest(lower, marker === null ? null : await askOne(ask, statements.firstReady(clock)))
  const held = await askOne(ask, statements.heldFrom(clock, { from, to }))
  return { from, to: earliest(to, held) }
}

async function askOne(ask: Ask, statement: Sql | null): Promise<string | null> {
  if (statement === null) return null
  const [[text = null] = []] = await ask(statement)
  return text
}

function earliest(time: string, other: string | null): string {
  return other !== null && other < time ? other : time
}

async function assertReachable({ ask, statements, table }: SqlDoor): Promise<void> {
  const count = Number(await askOne(ask, statements.unreachable))
  if (count === 0) return
  const columns = table.order.map(({ column }) => column.name).join(' or ')
  throw new AppError('SOURCE_KEY_UNUSABLE', `${count} rows hold null or no date in ${columns} and would never be read`)
}

type ToObject = (row: TextRow) => Readonly<Record<string, unknown>>

function createToObject({ columns }: SqlTable): ToObject {
  const build = createFieldsBuilder(columns.map(({ name }) => name))
  return (row) =>
    build(
      columns.map(({ rules }, place) => {
        const text = row[place] ?? null
        return text === null ? null : rules.read(text)
      }),
    )
}

function countCharacters(rows: readonly TextRow[]): number {
  return rows.reduce((sum, row) => sum + row.reduce((length, text) => length + (text?.length ?? 0), 0), 0)
}
