import { hash, randomUUID } from 'node:crypto'
import pg from 'pg'
import { EMPTY_HEAD, makeEntry } from '../audit/entry.ts'
import type { AuditEvent } from '../audit/events.ts'
import { AppError } from '../errors.ts'
import { noteEntries } from './audit-trail.ts'

/** Runs one statement and returns its rows. `$1` … in order of `values`. */
export type Query = <Row = Record<string, unknown>>(
  text: string,
  values?: readonly unknown[],
) => Promise<readonly Row[]>

export interface Transaction {
  readonly query: Query
  /** Appends to this connection's audit lane, in this transaction: the entries and what they tell of stand or fall together. */
  readonly audit: (...events: readonly AuditEvent[]) => Promise<void>
}

export interface Database {
  readonly query: Query
  /** Commits when `work` returns, rolls back when it throws. After `deadlineMs` the connection is destroyed and it throws. */
  readonly transaction: <Result>(
    work: (transaction: Transaction) => Promise<Result>,
    deadlineMs?: number,
  ) => Promise<Result>
  readonly close: () => Promise<void>
}

/** Where one connection stands in its audit lane. The process is the lane's only writer. */
interface Lane {
  readonly id: string
  seq: number
  head: Buffer
}

pg.types.setTypeParser(pg.types.builtins.INT8, Number)

const parseTime = pg.types.getTypeParser(pg.types.builtins.TIMESTAMPTZ) as (text: string) => Date
let lastTime = { text: '', date: new Date(Number.NaN) }

/** Rows that one transaction saved have the same time, and reading a page of them would parse it 500 times. */
pg.types.setTypeParser(pg.types.builtins.TIMESTAMPTZ, (text) => {
  if (text !== lastTime.text) lastTime = { text, date: parseTime(text) }
  return lastTime.date
})

const connectionSqlStates = new Set(['57P01', '57P02', '57P03', '08000', '08003', '08006', '53300', '25P03', '57014'])
const connectionErrnos = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EHOSTUNREACH'])

/** PostgreSQL puts row values into `detail`, so neither its message nor its detail is passed on, only the SQLSTATE. */
function toDatabaseError(error: unknown): AppError {
  if (error instanceof AppError) return error
  const code = (error as { code?: string } | null)?.code ?? ''
  const message = error instanceof Error ? error.message : ''
  const lost =
    connectionSqlStates.has(code) ||
    connectionErrnos.has(code) ||
    /^(Connection terminated|timeout exceeded|Query read timeout|Client was closed|Client has encountered)/.test(
      message,
    )
  if (lost) return new AppError('DATABASE_UNAVAILABLE', code, { cause: error })
  if (code === '42P01' || code === '3F000') return new AppError('DATABASE_OUTDATED', code, { cause: error })
  return new AppError('INTERNAL', `SQLSTATE ${code || 'none'}`, { cause: error })
}

const preparedNames = new Map<string, string>()

/**
 * Makes a statement one that each connection parses once and plans a few times: for those that every answer asks, where that is half of
 * their cost. The name follows from the text, so that no two share one. Returns the text.
 */
export function prepared(text: string): string {
  if (!preparedNames.has(text)) preparedNames.set(text, hash('sha256', text).slice(0, 32))
  return text
}

const queryOn =
  (client: pg.PoolClient | pg.Pool): Query =>
  async <Row>(text: string, values: readonly unknown[] = []) => {
    const name = preparedNames.get(text)
    const statement = { text, values: values as unknown[] }
    try {
      const result = await client.query(name === undefined ? statement : { ...statement, name })
      const rows = result.rows as Row[]
      // Finished statements hang together in the driver until the old space is collected, and would keep 86 % of all rows so long.
      result.rows = []
      return rows
    } catch (error) {
      throw toDatabaseError(error)
    }
  }

const laneByClient = new WeakMap<pg.PoolClient, Lane>()

/** Opens a lane in the transaction of its first entry. */
async function openLane(query: Query, processName: string): Promise<Lane> {
  const lane: Lane = { id: randomUUID(), seq: 0, head: EMPTY_HEAD }
  await query('select audit.open_lane($1, $2)', [lane.id, processName])
  return lane
}

/** The database's clock as a transaction began, in microseconds since the epoch, and this process's own at that moment. */
interface Clock {
  readonly micros: number
  readonly readAt: number
}

const BEGIN = 'begin; select (extract(epoch from clock_timestamp()) * 1000000)::int8 as micros'

/** Begins a transaction and reads the clock on one way to the database and back. */
async function begin(client: pg.PoolClient): Promise<Clock> {
  try {
    const results = (await client.query(BEGIN)) as unknown as readonly pg.QueryResult<Pick<Clock, 'micros'>>[]
    return { micros: results[1]?.rows[0]?.micros ?? 0, readAt: performance.now() }
  } catch (error) {
    throw toDatabaseError(error)
  }
}

/** The database's time now, RFC 3339 with microseconds: never ahead of its own clock, because the way back from it is not counted. */
function timeOf({ micros, readAt }: Clock): string {
  const now = micros + Math.floor((performance.now() - readAt) * 1000)
  return `${new Date(Math.floor(now / 1000)).toISOString().slice(0, -1)}${String(now % 1000).padStart(3, '0')}Z`
}

/** One statement appends one entry; several of one moment go in one statement, each behind the one before it. */
const appends = (count: number): string =>
  `select ${Array.from({ length: count }, (_, place) => `audit.append($1, $${3 * place + 2}, $${3 * place + 3}, $${3 * place + 4})`).join(', ')}`

const APPEND_ONE = prepared(appends(1))

async function appendEntries(query: Query, lane: Lane, clock: Clock, events: readonly AuditEvent[]): Promise<void> {
  const recordedAt = timeOf(clock)
  const values: unknown[] = [lane.id]
  for (const event of events) {
    const place = { entryId: randomUUID(), recordedAt, laneId: lane.id, laneSeq: lane.seq + 1, previous: lane.head }
    const entry = makeEntry(event, place)
    values.push(lane.head, entry.body, entry.leaf)
    lane.seq += 1
    lane.head = entry.leaf
  }
  await query(events.length === 1 ? APPEND_ONE : appends(events.length), values)
}

async function runTransaction<Result>(
  client: pg.PoolClient,
  processName: string,
  work: (transaction: Transaction) => Promise<Result>,
): Promise<Result> {
  const query = queryOn(client)
  const known = laneByClient.get(client)
  let lane = known === undefined ? null : { ...known }
  const before = lane?.seq ?? 0
  const clock = await begin(client)
  const audit: Transaction['audit'] = async (...events) => {
    lane ??= await openLane(query, processName)
    await appendEntries(query, lane, clock, events)
  }
  try {
    const result = await work({ query, audit })
    await query('commit')
    if (lane !== null) {
      laneByClient.set(client, lane)
      noteEntries(lane.seq - before)
    }
    return result
  } catch (error) {
    // A connection that cannot even roll back is given up, whatever the fault before was.
    await query('rollback').catch(() => {
      throw new AppError('DATABASE_UNAVAILABLE', 'the connection broke in a transaction', { cause: error })
    })
    throw error
  }
}

/** `endsAt` in milliseconds since the epoch. */
async function withDeadline<Result>(promise: Promise<Result>, endsAt: number | undefined): Promise<Result> {
  if (endsAt === undefined) return promise
  const { promise: late, reject } = Promise.withResolvers<never>()
  const expire = (): void => reject(new AppError('DATABASE_UNAVAILABLE', 'no answer within the deadline'))
  const timer = setTimeout(expire, Math.max(0, endsAt - Date.now()))
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

async function checkOut(pool: pg.Pool): Promise<pg.PoolClient> {
  try {
    return await pool.connect()
  } catch (error) {
    throw toDatabaseError(error)
  }
}

/** A connection before the deadline. One that comes free later goes back to the pool, which would else run dry. */
async function checkOutWithin(pool: pg.Pool, endsAt: number | undefined): Promise<pg.PoolClient> {
  const connecting = checkOut(pool)
  try {
    return await withDeadline(connecting, endsAt)
  } catch (error) {
    void connecting.then(
      (client) => client.release(),
      () => undefined,
    )
    throw error
  }
}

/** One transaction on one connection. A connection whose state is unknown afterwards is destroyed, and its lane with it. */
async function transactionOn<Result>(
  pool: pg.Pool,
  processName: string,
  work: (transaction: Transaction) => Promise<Result>,
  deadlineMs: number | undefined,
): Promise<Result> {
  const endsAt = deadlineMs === undefined ? undefined : Date.now() + deadlineMs
  const client = await checkOutWithin(pool, endsAt)
  const running = runTransaction(client, processName, work)
  try {
    const result = await withDeadline(running, endsAt)
    client.release()
    return result
  } catch (error) {
    running.catch(() => undefined)
    const failure = toDatabaseError(error)
    client.release(failure.code === 'DATABASE_UNAVAILABLE' || failure.code === 'INTERNAL')
    throw failure
  }
}

export interface DatabaseOptions {
  readonly url: string
  /** Goes into the audit lanes and `application_name`, for example `worker`. */
  readonly processName: string
  readonly connections?: number
  /** What the login becomes; the application where it is not given. */
  readonly role?: 'gridbridge_app' | 'gridbridge_sequencer' | 'gridbridge_signer'
}

/**
 * Opens the pool that the running product uses, as the role of the application, of the sequencer or of the signer. Half-open connections are the reason for the
 * timeouts: with them a dead connection was given up in 9 s, without them not within 40 s.
 */
export function openDatabase(options: DatabaseOptions): Database {
  const { role = 'gridbridge_app' } = options
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.connections ?? 8,
    application_name: `gridbridge-${options.processName}`,
    options: `-c role=${role} -c search_path=gridbridge,pg_temp -c timezone=UTC`,
    keepAlive: true,
    // A connection that is closed takes its audit lane with it; an installation at rest should not open lanes all day.
    idleTimeoutMillis: 0,
    connectionTimeoutMillis: 3000,
    statement_timeout: 30_000,
    query_timeout: 35_000,
    idle_in_transaction_session_timeout: 30_000,
  })
  // A connection that breaks is replaced by the pool; without listeners it would end the process, idle or checked out.
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  return {
    query: queryOn(pool),
    transaction: (work, deadlineMs) => transactionOn(pool, options.processName, work, deadlineMs),
    close: () => pool.end(),
  }
}
