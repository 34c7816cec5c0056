import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { EMPTY_HEAD, makeEntry, makeEntryId } from '../audit/entry.ts'
import { appends, discloses, madeOf, write, type AuditedEvent } from './append-statement.ts'
import { noteEntries } from './audit-trail.ts'
import { prepared, queryOn, toDatabaseError, type Query } from './query.ts'
import { assertSigned, type SigningState } from './signing.ts'

export interface Transaction {
  readonly query: Query
  /**
   * Appends to this connection's audit lane, in this transaction: the entries and what they tell of stand or fall together. Personal
   * information does not leave after it while the log is not signed (AUDIT_UNSIGNED) or what would leave is frozen (FROZEN).
   */
  readonly audit: (...events: readonly AuditedEvent[]) => Promise<void>
}

/** Where one connection stands in its audit lane. The process is the lane's only writer. */
interface Lane {
  readonly id: string
  seq: number
  head: Buffer
}

const laneByClient = new WeakMap<pg.PoolClient, Lane>()

/** A connection has one lane: one that was rolled back is opened again by its name, and the lock on the name is held once. */
function laneOf(client: pg.PoolClient): Lane {
  const known = laneByClient.get(client) ?? { id: randomUUID(), seq: 0, head: EMPTY_HEAD }
  laneByClient.set(client, known)
  return { ...known }
}

/** The database's clock as a transaction began, in microseconds since the epoch, and this process's own at that moment. */
interface Clock {
  readonly micros: number
  readonly readAt: number
}

const READ_CLOCK = 'select (extract(epoch from clock_timestamp()) * 1000000)::int8 as micros'
const BEGIN = `begin; ${READ_CLOCK}`

const clockByClient = new WeakMap<pg.PoolClient, Clock>()
/** The clock of a database is read anew after so long: two clocks that are both kept right part by 5 ms in it at most (500 ppm). */
const CLOCK_MS = 10_000

/** Reads the clock, and begins a transaction on the same way to the database and back where it is to begin. */
async function readClock(client: pg.PoolClient, statements: typeof BEGIN | typeof READ_CLOCK): Promise<void> {
  try {
    const results = [await client.query(statements)].flat() as readonly pg.QueryResult<Pick<Clock, 'micros'>>[]
    clockByClient.set(client, { micros: results.at(-1)?.rows[0]?.micros ?? 0, readAt: performance.now() })
  } catch (error) {
    throw toDatabaseError(error)
  }
}

async function clockOf(client: pg.PoolClient): Promise<Clock> {
  const known = clockByClient.get(client)
  if (known !== undefined && performance.now() - known.readAt < CLOCK_MS) return known
  await readClock(client, READ_CLOCK)
  return clockByClient.get(client) ?? { micros: 0, readAt: 0 }
}

/** The database's time now, RFC 3339 with microseconds: never ahead of its own clock, because the way back from it is not counted. */
function timeOf({ micros, readAt }: Clock): string {
  const now = micros + Math.floor((performance.now() - readAt) * 1000)
  return `${new Date(Math.floor(now / 1000)).toISOString().slice(0, -1)}${String(now % 1000).padStart(3, '0')}Z`
}

/** What all transactions of a database share. */
export interface House {
  readonly processName: string
  readonly signing: (query: Query) => Promise<SigningState>
}

async function appendEntries(query: Query, lane: Lane, clock: Clock, events: readonly AuditedEvent[]): Promise<void> {
  const recordedAt = timeOf(clock)
  const values: unknown[] = [lane.id]
  const manifests: unknown[] = []
  for (const { event, manifest } of events.map(write)) {
    const place = { entryId: makeEntryId(), recordedAt, laneId: lane.id, laneSeq: lane.seq + 1, previous: lane.head }
    const entry = makeEntry(event, place)
    values.push(lane.head, entry.body, entry.leaf)
    lane.seq += 1
    lane.head = entry.leaf
    if (manifest !== null) manifests.push(lane.seq, manifest)
  }
  const disclosures = events.filter(discloses)
  for (const disclosure of disclosures) values.push(...madeOf(disclosure))
  const text = appends(events.length, disclosures.length, manifests.length / 2)
  await query(events.length === 1 ? prepared(text) : text, [...values, ...manifests])
}

/** A transaction on one connection, as far as it has come. */
export interface Course {
  readonly transaction: Transaction
  readonly commit: () => Promise<void>
}

/**
 * Entries wait for the next statement or the end, and the transaction begins with its first statement: one that only appends is a single
 * statement, one way to the database and back instead of three. Nobody can tell the difference but by the time that it takes.
 */
export function openCourse(client: pg.PoolClient, house: House): Course {
  const ask = queryOn(client)
  const lane = laneOf(client)
  const before = lane.seq
  let waiting: readonly AuditedEvent[] = []
  let isBegun = false
  const begin = async (): Promise<void> => {
    if (!isBegun) await readClock(client, BEGIN)
    isBegun = true
  }
  const flush = async (): Promise<void> => {
    if (waiting.length === 0) return
    // A lane is opened in the transaction of its first entry.
    if (lane.seq === 0) {
      await begin()
      await ask('select audit.open_lane($1, $2)', [lane.id, house.processName])
    }
    const events = waiting
    waiting = []
    await appendEntries(ask, lane, await clockOf(client), events)
  }
  const query: Query = async (text, values) => {
    await begin()
    await flush()
    return ask(text, values)
  }
  return {
    transaction: {
      query,
      audit: async (...events) => {
        if (events.some(discloses)) assertSigned(await house.signing(query))
        waiting = [...waiting, ...events]
      },
    },
    commit: async () => {
      await flush()
      if (isBegun) await ask('commit')
      laneByClient.set(client, lane)
      noteEntries(lane.seq - before)
    },
  }
}
