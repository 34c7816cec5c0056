import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { verifyLanes, type Verdict } from '../src/audit/verify.ts'
import { loadConfig } from '../src/config.ts'
import { openInstallation } from '../src/installation.ts'
import { auditSnapshotOn } from '../src/store/audit-log.ts'
import type { Database, Query } from '../src/store/database.ts'
import { createRandom, type Random } from './random.ts'
import { placeOf, tamperings, type Lying, type Tampering } from './tamperings.ts'

export interface TamperVerdict {
  readonly ok: boolean
  readonly seed: number
  readonly tamperings: number
  readonly found: number
  readonly named: number
  readonly falseAlarms: number
  /** Kinds of tampering that were not found or not named, with how often. */
  readonly missed: Readonly<Record<string, number>>
}

type Lane = readonly Lying[]

interface Attempt {
  readonly kind: string
  readonly found: boolean
  readonly named: boolean
}

/** A real log: several connections' lanes, two entries a transaction, with one in seven rolled back. */
export async function writeLog(database: Database, transactions: number): Promise<void> {
  const write = (count: number): Promise<void> =>
    database.transaction(async ({ audit, query }) => {
      // Held open a moment, so that the pool has to use every connection.
      await query('select pg_sleep(0.002)')
      const entry = { actor: 'system:worker', outcome: 'ok', dataset: 'resident' } as const
      await audit({ ...entry, type: 'page.saved', feed: 'LZ-GA-RK-001', count })
      await audit({ ...entry, type: 'changes.pulled', actor: 'consumer:platform', count })
      if (count % 7 === 3) throw new Error('rolled back')
    })
  await Promise.allSettled(Array.from({ length: transactions }, (_, count) => write(count)))
}

async function readLanes(query: Query): Promise<readonly Lane[]> {
  const entries = await query<Lying>(
    'select lane_id as "laneId", lane_seq::int as "laneSeq", body, leaf from audit.entry order by lane_id, lane_seq',
  )
  return [...Map.groupBy(entries, (entry) => entry.laneId).values()].filter((lane) => lane.length >= 4)
}

async function verify(client: pg.Client): Promise<Verdict> {
  const snapshot = await auditSnapshotOn(client)
  return verifyLanes(snapshot.lanes, snapshot.entries, snapshot.pruned)
}

/** Each kind in turn, on a lane and at a place that chance picks. */
function planTampering(lanes: readonly Lane[], number: number, random: Random): Tampering {
  const tampering = tamperings[number % tamperings.length]?.(lanes[random(lanes.length)] ?? [], random)
  if (tampering === undefined) throw new Error('wanted a tampering')
  return tampering
}

async function attack(client: pg.Client, query: Query, { kind, work, places }: Tampering): Promise<Attempt> {
  await client.query('savepoint whole')
  await work(query)
  const verdict = await verify(client)
  await client.query('rollback to savepoint whole')
  const found = verdict.state === 'tampered'
  return { kind, found, named: found && places.includes(placeOf(verdict.lane, verdict.seq)) }
}

/** Statements on one client, in its transaction. */
export const queryOf =
  (client: pg.Client): Query =>
  async <Row>(text: string, values: readonly unknown[] = []) =>
    (await client.query(text, [...values])).rows as Row[]

/** Runs `work` as a superuser in one transaction that is never committed. */
export async function asSuperuser<Result>(url: string, work: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query('begin')
    return await work(client)
  } finally {
    await client.end()
  }
}

async function attackLog(client: pg.Client, count: number, seed: number): Promise<TamperVerdict> {
  const query = queryOf(client)
  const random = createRandom(seed)
  const lanes = await readLanes(query)
  const before = await verify(client)
  const attempts: Attempt[] = []
  for (let number = 0; number < count; number++) {
    attempts.push(await attack(client, query, planTampering(lanes, number, random)))
  }
  return judge(seed, attempts, [before, await verify(client)])
}

function judge(seed: number, attempts: readonly Attempt[], clean: readonly Verdict[]): TamperVerdict {
  const missed = attempts.filter((attempt) => !attempt.named)
  const falseAlarms = clean.filter((verdict) => verdict.state !== 'whole').length
  const counted = Object.groupBy(missed, (attempt) => attempt.kind)
  return {
    ok: missed.length === 0 && falseAlarms === 0,
    seed,
    tamperings: attempts.length,
    found: attempts.filter((attempt) => attempt.found).length,
    named: attempts.filter((attempt) => attempt.named).length,
    falseAlarms,
    missed: Object.fromEntries(Object.entries(counted).map(([kind, of]) => [kind, of?.length ?? 0])),
  }
}

/**
 * Single tamperings with a real log by a superuser, each rolled back after: every one must be found and its first bad entry
 * named, and the untouched log must verify before and after.
 */
export async function proveTamper(options: {
  readonly tamperings: number
  readonly seed: number
}): Promise<TamperVerdict> {
  const data = mkdtempSync(path.join(tmpdir(), 'gridbridge-tamper-'))
  const installation = await openInstallation(loadConfig({ GRIDBRIDGE_DATA: data }), 'tamper', 3)
  try {
    await writeLog(installation.database, 60)
    return await asSuperuser(installation.databaseUrl, (client) => attackLog(client, options.tamperings, options.seed))
  } finally {
    await installation.close()
    rmSync(data, { recursive: true, force: true })
  }
}
