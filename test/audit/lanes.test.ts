import { randomUUID } from 'node:crypto'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EMPTY_HEAD, leafHash, makeEntry } from '../../src/audit/entry.ts'
import { openDatabase } from '../../src/store/database.ts'
import { verifyLog } from '../support/audit-log.ts'
import { codeOf } from '../support/coded-error.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'

let installation: TestInstallation
beforeAll(async () => {
  installation = await openTestInstallation('lanes')
})
afterAll(() => installation.close())

const saved = { type: 'page.saved', actor: 'system:worker', outcome: 'ok' } as const

async function countEntries(): Promise<number> {
  const [row] = await installation.asOwner<{ entries: number }>('select count(*) as entries from audit.entry')
  return row?.entries ?? -1
}

test('eight connections that append at once, some rolling back, leave whole lanes without gaps', async () => {
  const database = openDatabase({ url: installation.databaseUrl, processName: 'many', connections: 8 })
  const append = async (number: number): Promise<boolean> => {
    const isRolledBack = number % 5 === 2
    const work = database.transaction(async ({ audit }) => {
      await audit({ ...saved, count: number })
      if (number % 3 === 0) await audit({ ...saved, count: -number })
      if (isRolledBack) throw new Error('rolled back')
    })
    await work.catch(() => undefined)
    return isRolledBack
  }
  const writer = async (first: number): Promise<void> => {
    for (let turn = 0; turn < 50; turn++) await append(first + turn)
  }
  const before = await countEntries()
  await Promise.all(Array.from({ length: 8 }, (_, index) => writer(index * 50)))
  await database.close()
  const numbers = Array.from({ length: 400 }, (_, number) => number).filter((number) => number % 5 !== 2)
  const expected = numbers.length + numbers.filter((number) => number % 3 === 0).length
  expect((await countEntries()) - before).toBe(expected)
  expect(await verifyLog(installation.ownerUrl)).toMatchObject({ state: 'whole' })
  const gaps = await installation.asOwner(
    'select lane_id from audit.entry group by lane_id having max(lane_seq) <> count(*) or min(lane_seq) <> 1',
  )
  expect(gaps).toEqual([])
  const used = await installation.asOwner(`select from audit.lane where process = 'many' and last_seq > 0`)
  expect(used.length).toBeGreaterThan(1)
})

describe('an append', () => {
  const lane = randomUUID()
  const entryAt = (laneSeq: number, previous: Uint8Array, laneId: string = lane) =>
    makeEntry(saved, {
      entryId: randomUUID(),
      recordedAt: new Date().toISOString().replace('Z', '004Z'),
      laneId,
      laneSeq,
      previous,
    })
  const append = (head: Uint8Array, body: Uint8Array, leaf: Uint8Array) =>
    installation.database.query('select audit.append($1, $2, $3, $4)', [lane, head, body, leaf])

  beforeAll(async () => {
    await installation.database.query('select audit.open_lane($1, $2)', [lane, 'by hand'])
    const first = entryAt(1, EMPTY_HEAD)
    await append(EMPTY_HEAD, first.body, first.leaf)
  })

  test.each([
    ['with the head of before', () => ({ ...entryAt(2, EMPTY_HEAD), head: EMPTY_HEAD }), 'GB001'],
    ['with a head that never was', () => ({ ...entryAt(2, EMPTY_HEAD), head: Buffer.alloc(32, 1) }), 'GB001'],
    [
      'whose leaf is not of its body',
      () => ({ ...entryAt(2, EMPTY_HEAD), leaf: leafHash(Buffer.from('x')), head: EMPTY_HEAD }),
      'GB002',
    ],
  ])('%s is refused and leaves nothing', async (_what, make, state) => {
    const before = await countEntries()
    const { head, body, leaf } = make()
    await expect(append(head, body, leaf)).rejects.toThrow(state)
    expect(await countEntries()).toBe(before)
  })

  test('that skips a place or names another lane is refused although its head is right', async () => {
    const [row] = await installation.asOwner<{ head: Buffer }>('select head from audit.lane where lane_id = $1', [lane])
    const head = row?.head ?? EMPTY_HEAD
    const before = await countEntries()
    for (const entry of [entryAt(3, head), entryAt(1, head), entryAt(2, head, randomUUID())]) {
      await expect(append(head, entry.body, entry.leaf)).rejects.toThrow('GB001')
    }
    expect(await countEntries()).toBe(before)
  })

  test('after which another writer got into the lane makes the connection take a new lane', async () => {
    const { database } = installation
    const alone = openDatabase({ url: installation.databaseUrl, processName: 'intruded', connections: 1 })
    await alone.transaction(({ audit }) => audit(saved))
    const [own] = await installation.asOwner<{ lane: string; head: Buffer }>(
      `select lane_id as lane, head from audit.lane where process = 'intruded'`,
    )
    const intruder = entryAt(2, own?.head ?? EMPTY_HEAD, own?.lane)
    await database.query('select audit.append($1, $2, $3, $4)', [own?.lane, own?.head, intruder.body, intruder.leaf])
    expect(await codeOf(() => alone.transaction(({ audit }) => audit(saved)))).toBe('INTERNAL')
    await alone.transaction(({ audit }) => audit(saved))
    await alone.close()
    expect(
      await installation.asOwner(
        `select last_seq as seq from audit.lane where process = 'intruded' order by opened_at`,
      ),
    ).toEqual([{ seq: 2 }, { seq: 1 }])
    expect(await verifyLog(installation.ownerUrl)).toMatchObject({ state: 'whole' })
  })
})

describe('the application role', () => {
  const DENIED = '42501'
  const forbidden = [
    `update audit.entry set actor = 'operator:nobody'`,
    'delete from audit.entry',
    'truncate audit.entry',
    `insert into audit.entry (entry_id, recorded_at, lane_id, lane_seq, event_type, actor, outcome, body, leaf)
       values (gen_random_uuid(), now(), gen_random_uuid(), 1, 'x', 'x', 'x', '', '')`,
    'update audit.lane set last_seq = 0',
    'delete from audit.lane',
    'truncate audit.lane',
    'insert into audit.lane (lane_id, process) values (gen_random_uuid(), $$x$$)',
    'alter table audit.entry disable trigger all',
    'drop table audit.entry',
    'create table audit.own (id int)',
    'create table gridbridge.own (id int)',
    'create table bullmq.own (id int)',
    'create table public.own (id int)',
    'create schema own',
    'create role own',
    `create or replace function audit.append(uuid, bytea, bytea, bytea) returns bigint language sql as 'select 1::bigint'`,
    'drop function audit.append(uuid, bytea, bytea, bytea)',
    'delete from gridbridge.record',
    'truncate gridbridge.record',
    'delete from gridbridge.rejection',
    'delete from gridbridge.delivery',
    'delete from gridbridge.data_key',
    'alter table gridbridge.record add column own int',
    'set role postgres',
  ]

  test.each(forbidden)('may not: %s', async (statement) => {
    await expect(installation.database.query(statement)).rejects.toThrow(`SQLSTATE ${DENIED}`)
    const login = new Client({ connectionString: installation.databaseUrl })
    await login.connect()
    await expect(login.query(statement)).rejects.toMatchObject({ code: DENIED })
    await login.end()
  })

  test('is what every connection of the product has, however it logged in', async () => {
    const asSuperuser = openDatabase({ url: installation.ownerUrl, processName: 'owner', connections: 1 })
    const [row] = await asSuperuser.query<{ role: string }>('select current_user as role')
    await expect(asSuperuser.query('delete from audit.entry')).rejects.toThrow(`SQLSTATE ${DENIED}`)
    await asSuperuser.close()
    expect(row?.role).toBe('gridbridge_app')
  })
})
