import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EMPTY_HEAD, leafHash, makeEntry } from '../../src/audit/entry.ts'
import type { Query } from '../../src/store/database.ts'
import { verifyLog } from '../support/audit-log.ts'
import { environmentOf, runCommand } from '../support/command-line.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { createRandom } from '../support/random.ts'
import { placeOf, tamperings, type Lying } from './tampering.ts'

const SEED = 20_261_123
const MUTATIONS = 60
const ENTRIES = 48

let installation: TestInstallation
let lanes: readonly (readonly Lying[])[] = []

/** Entries of several kinds in several lanes: one transaction holds two, some are rolled back. */
async function writeLog(): Promise<void> {
  const { database } = installation
  const write = (count: number): Promise<void> =>
    database.transaction(async ({ audit, query }) => {
      await query('select pg_sleep(0.002)')
      await audit({
        type: 'page.saved',
        actor: 'system:worker',
        outcome: 'ok',
        feed: 'LZ-GA-RK-001',
        dataset: 'resident',
        count,
      })
      await audit({
        type: 'access.denied',
        actor: 'unknown',
        outcome: 'denied',
        details: { reason: 'CLIENT_UNAUTHENTICATED' },
      })
      if (count % 7 === 3) throw new Error('rolled back')
    })
  await Promise.allSettled(Array.from({ length: ENTRIES }, (_, count) => write(count)))
}

async function readLanes(query: Query): Promise<readonly (readonly Lying[])[]> {
  const entries = await query<Lying>(
    'select lane_id as "laneId", lane_seq as "laneSeq", body, leaf from audit.entry order by lane_id, lane_seq',
  )
  return [...Map.groupBy(entries, (entry) => entry.laneId).values()].filter((lane) => lane.length >= 4)
}

/** Puts the log back as it was; the copies were made before the first tampering. */
async function restore(): Promise<void> {
  await installation.asOwner(`
    truncate audit.entry, audit.lane;
    insert into audit.lane select * from saved_lane;
    insert into audit.entry select * from saved_entry`)
}

async function tamper(work: (query: Query) => Promise<unknown>): Promise<void> {
  const client = new Client({ connectionString: installation.ownerUrl })
  await client.connect()
  try {
    await client.query('begin')
    await work(
      async <Row>(text: string, values: readonly unknown[] = []) =>
        (await client.query(text, [...values])).rows as Row[],
    )
    await client.query('commit')
  } finally {
    await client.end()
  }
}

beforeAll(async () => {
  installation = await openTestInstallation('audit', 3)
  await writeLog()
  await installation.asOwner(
    'create table saved_entry as select * from audit.entry; create table saved_lane as select * from audit.lane',
  )
  lanes = await readLanes(installation.asOwner)
})
afterAll(() => installation.close())

test('a log that nobody touched is whole, with every entry of every lane', async () => {
  const [row] = await installation.asOwner<{ entries: number; lanes: number }>(
    'select (select count(*) from audit.entry) as entries, (select count(*) from audit.lane) as lanes',
  )
  expect(row?.entries).toBe(2 * (ENTRIES - 7))
  expect(lanes.length).toBeGreaterThan(1)
  expect(await verifyLog(installation.ownerUrl)).toEqual({ state: 'whole', ...row })
})

describe(`what a superuser changes is found, and the first bad entry is named (seed ${SEED})`, () => {
  const random = createRandom(SEED)
  const plans = Array.from({ length: MUTATIONS }, (_, number) => ({
    number,
    lane: random(1000),
    seed: random(2 ** 31),
  }))

  test.each(plans)('tampering $number', async ({ number, lane, seed }) => {
    const entries = lanes[lane % lanes.length] ?? []
    const tampering = tamperings[number % tamperings.length]?.(entries, createRandom(seed))
    if (tampering === undefined) throw new Error('wanted a tampering')
    await tamper(tampering.work)
    const verdict = await verifyLog(installation.ownerUrl)
    const found = verdict.state === 'tampered' ? placeOf(verdict.lane, verdict.seq) : verdict.state
    await restore()
    expect([tampering.kind, tampering.places]).toEqual([tampering.kind, expect.arrayContaining([found])])
    expect(await verifyLog(installation.ownerUrl)).toMatchObject({ state: 'whole' })
  })
})

describe('gridbridge audit verify', () => {
  const verify = () => runCommand(['audit', 'verify', '--json'], environmentOf(installation))

  test('ends with 0 and tells that the log is whole', async () => {
    const { code, output } = await verify()
    expect(JSON.parse(output)).toMatchObject({ state: 'whole', entries: 2 * (ENTRIES - 7) })
    expect(code).toBe(0)
  })

  test('ends with 1 and names the first bad entry', async () => {
    const entry = lanes[0]?.[2]
    await installation.asOwner(`update audit.entry set actor = 'operator:nobody' where lane_id = $1 and lane_seq = 3`, [
      entry?.laneId,
    ])
    const { code, output } = await verify()
    await restore()
    expect(JSON.parse(output)).toMatchObject({
      state: 'tampered',
      lane: entry?.laneId,
      seq: 3,
      fault: 'a column is not a copy of the body',
    })
    expect(code).toBe(1)
  })

  test('ends with 2 where an entry is newer than the program, which is never taken for whole', async () => {
    const place = {
      entryId: crypto.randomUUID(),
      recordedAt: '2026-11-23T01:02:03.000004Z',
      laneId: crypto.randomUUID(),
      laneSeq: 1,
      previous: EMPTY_HEAD,
    }
    const { body } = makeEntry({ type: 'run.finished', actor: 'system:worker', outcome: 'ok' }, place)
    const newer = Buffer.from(body.toString().replace('"v":1}', '"v":2}'))
    await installation.database.query('select audit.open_lane($1, $2)', [place.laneId, 'newer'])
    await installation.database.query('select audit.append($1, $2, $3, $4)', [
      place.laneId,
      EMPTY_HEAD,
      newer,
      leafHash(newer),
    ])
    const { code, output } = await verify()
    await restore()
    expect(JSON.parse(output)).toMatchObject({ state: 'undecided' })
    expect(code).toBe(2)
  })

  test('ends with 2 where the log cannot be read', async () => {
    const environment = {
      ...environmentOf(installation),
      OWNER_DATABASE_URL: 'postgresql://nobody:nothing@127.0.0.1:1/none',
    }
    const { code, errors } = await runCommand(['audit', 'verify'], environment)
    expect([code, errors.split(':')[0]]).toEqual([2, 'DATABASE_UNAVAILABLE'])
  })
})
