import pg from 'pg'
import { AppError } from '../errors.ts'
import { openCourse, type House, type Transaction } from './course.ts'
import { queryOn, toDatabaseError, type Query } from './query.ts'
import { createSigningWatch, type SigningState } from './signing.ts'

export type { Transaction } from './course.ts'
export { prepared, type Query } from './query.ts'

export interface Database {
  readonly query: Query
  /** Commits when `work` returns, rolls back when it throws. After `deadlineMs` the connection is destroyed and it throws. */
  readonly transaction: <Result>(
    work: (transaction: Transaction) => Promise<Result>,
    deadlineMs?: number,
  ) => Promise<Result>
  /** The same database for one answer, all of whose work ends at this moment, in milliseconds since the epoch. */
  readonly until: (endsAt: number) => Database
  /** How far signing is behind the log, at most some seconds old. */
  readonly signing: () => Promise<SigningState>
  readonly close: () => Promise<void>
}

pg.types.setTypeParser(pg.types.builtins.INT8, Number)

const parseTime = pg.types.getTypeParser(pg.types.builtins.TIMESTAMPTZ) as (text: string) => Date
let lastTime = { text: '', date: new Date(Number.NaN) }

/** Rows that one transaction saved have the same time, and reading a page of them would parse it 500 times. */
pg.types.setTypeParser(pg.types.builtins.TIMESTAMPTZ, (text) => {
  if (text !== lastTime.text) lastTime = { text, date: parseTime(text) }
  return lastTime.date
})

async function runTransaction<Result>(
  client: pg.PoolClient,
  house: House,
  work: (transaction: Transaction) => Promise<Result>,
): Promise<Result> {
  const { transaction, commit } = openCourse(client, house)
  try {
    const result = await work(transaction)
    await commit()
    return result
  } catch (error) {
    // A connection that cannot even roll back is given up, whatever the fault before was.
    await queryOn(client)('rollback').catch(() => {
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

/**
 * Work on one connection. A connection whose state is unknown afterwards is destroyed, and its lane with it: one that fell silent would
 * keep every later caller until the driver gives it up after 35 s.
 */
async function workOn<Result>(
  pool: pg.Pool,
  endsAt: number | undefined,
  work: (client: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await checkOutWithin(pool, endsAt)
  const running = work(client)
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

const earlier = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined || other === undefined ? (one ?? other) : Math.min(one, other)

/** The pool as its callers see it; `endsAt`: all of what they do ends then. */
function databaseOn(pool: pg.Pool, house: House, endsAt?: number): Database {
  const ask = queryOn(pool)
  const query: Query = (text, values) =>
    endsAt === undefined ? ask(text, values) : workOn(pool, endsAt, (client) => queryOn(client)(text, values))
  return {
    query,
    transaction: (work, deadlineMs) => {
      const deadline = deadlineMs === undefined ? undefined : Date.now() + deadlineMs
      return workOn(pool, earlier(endsAt, deadline), (client) => runTransaction(client, house, work))
    },
    until: (moment) => databaseOn(pool, house, earlier(endsAt, moment)),
    signing: () => house.signing(query),
    close: () => pool.end(),
  }
}

const MOST_UNSIGNED_SECONDS = 900

export interface DatabaseOptions {
  readonly url: string
  /** Goes into the audit lanes and `application_name`, for example `worker`. */
  readonly processName: string
  readonly connections?: number
  /** What the login becomes; the application where it is not given. */
  readonly role?: 'gridbridge_app' | 'gridbridge_sequencer' | 'gridbridge_signer' | 'gridbridge_pruner'
  /** How old the oldest entry without a signed checkpoint may be before nothing personal leaves; 900 where it is not given. */
  readonly mostUnsignedSeconds?: number
  /** Which trees over the audit log have to be signed; `standard` where it is not given. */
  readonly suite?: 'standard' | 'gm'
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
  const { processName, mostUnsignedSeconds: mostSeconds = MOST_UNSIGNED_SECONDS, suite = 'standard' } = options
  return databaseOn(pool, { processName, signing: createSigningWatch({ mostSeconds, suite }) })
}
