import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { writeLog } from '../../prove/signed-log.ts'
import { proveTamper } from '../../prove/tamper.ts'
import { EMPTY_HEAD, leafHash, makeEntry } from '../../src/audit/entry.ts'
import { verifyLog } from '../support/audit-log.ts'
import { environmentOf, runCommand } from '../support/command-line.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'

const SEED = 20_261_123
/** One in seven rolls back; the others hold two entries. */
const TRANSACTIONS = 48
const ENTRIES = 2 * (TRANSACTIONS - 7)

let installation: TestInstallation
/** A lane of several entries. */
let lane = ''

/** Puts the log back as it was; the copies were made before the first tampering. */
async function restore(): Promise<void> {
  await installation.asOwner(`
    truncate audit.entry, audit.lane;
    insert into audit.lane select * from saved_lane;
    insert into audit.entry select * from saved_entry`)
}

beforeAll(async () => {
  installation = await openTestInstallation('audit', 3)
  await writeLog(installation.database, TRANSACTIONS)
  await installation.asOwner(
    'create table saved_entry as select * from audit.entry; create table saved_lane as select * from audit.lane',
  )
  const [long] = await installation.asOwner<{ lane: string }>(
    'select lane_id as lane from audit.lane where last_seq >= 4 order by last_seq desc',
  )
  lane = long?.lane ?? ''
})
afterAll(() => installation.close())

test('a log that nobody touched is whole, with every entry of every lane', async () => {
  const [row] = await installation.asOwner<{ entries: number; lanes: number }>(
    'select (select count(*) from audit.entry) as entries, (select count(*) from audit.lane) as lanes',
  )
  expect(row?.entries).toBe(ENTRIES)
  expect(row?.lanes).toBeGreaterThan(1)
  expect(await verifyLog(installation.ownerUrl)).toEqual({ state: 'whole', ...row })
})

test(
  `what a superuser changes is found, and the first bad entry is named (seed ${SEED})`,
  { timeout: 90_000 },
  async () => {
    const verdict = await proveTamper({ tamperings: 50, cleanLogs: 2, seed: SEED, secondEach: 1 })
    expect(verdict).toMatchObject({ ok: true, found: 50, named: 50, falseAlarms: 0, missed: {} })
  },
)

describe('gridbridge audit verify', () => {
  const verify = () => runCommand(['audit', 'verify', '--json'], environmentOf(installation))

  test('ends with 0 and tells that the log is whole', async () => {
    const { code, output } = await verify()
    expect(JSON.parse(output)).toMatchObject({ state: 'whole', entries: ENTRIES })
    expect(code).toBe(0)
  })

  test('ends with 1 and names the first bad entry', async () => {
    await installation.asOwner(`update audit.entry set actor = 'operator:nobody' where lane_id = $1 and lane_seq = 3`, [
      lane,
    ])
    const { code, output } = await verify()
    await restore()
    expect(JSON.parse(output)).toMatchObject({
      state: 'tampered',
      lane,
      seq: 3,
      fault: 'a column is not a copy of the body',
    })
    expect(code).toBe(1)
  })

  test('ends with 2 where an entry is newer than the program, which is never taken for whole', async () => {
    const place = {
      entryId: crypto.randomUUID(),
      recordedAt: new Date().toISOString().replace('Z', '004Z'),
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
