import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createRandom } from '../../prove/random.ts'
import { AppError } from '../../src/errors.ts'
import { projectPersons } from '../../src/ingest/project-persons.ts'
import { decodeCursor, pullChanges, type PulledPage } from '../../src/sharing/pull.ts'
import { findAgreement } from '../../src/store/consumers.ts'
import type { Database } from '../../src/store/database.ts'
import type { Feed } from '../../src/store/feeds.ts'
import { insertLinkDecision, type LinkVerdict } from '../../src/store/person-links.ts'
import { createResidentRow } from '../feeds/sample-manifest.ts'
import { codeOf } from '../support/coded-error.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerConsumer, settleChanges, storeRows } from '../support/ledger.ts'
import {
  createDeathRow,
  forgetPeople,
  mergeAll,
  numbers,
  readConflicts,
  readPersons,
  registerEvents,
  registerResidents,
} from '../support/people.ts'

let installation: TestInstallation
let police: Feed
let platform: Feed
let civil: Feed
let health: Feed
beforeAll(async () => {
  installation = await openTestInstallation('persons')
  police = await registerResidents(installation, 'LZ-GA-RK-001', 'public-security')
  platform = await registerResidents(installation, 'LZ-ZW-RK-001', 'government-services')
  civil = await registerEvents(installation, 'LZ-MZ-SW-001', 'civil-affairs')
  health = await registerEvents(installation, 'LZ-WJ-SW-001', 'health')
})
afterAll(() => installation.close())
beforeEach(() => forgetPeople(installation))

const store = (feed: Feed, ...rows: readonly unknown[]): Promise<void> => storeRows(installation, feed, rows)
const merge = (): Promise<number> => mergeAll(installation)
const persons = () => readPersons(installation)
const resident: typeof createResidentRow = (change) => createResidentRow({ zjhm: numbers[0], ...change })
const decide = (decision: LinkVerdict, recordId: string, feed = platform): Promise<number> =>
  insertLinkDecision(installation.database.query, {
    feed: feed.code,
    recordId,
    decision,
    reason: 'number-mistyped',
    by: 'operator:test',
  })

describe('one certificate is one person', () => {
  test('over feeds, departments and datasets, each field from who has the authority; the records stay as they are', async () => {
    await store(police, resident())
    await store(platform, resident({ id: 'Z-7', xm: '张侧室', lxfs: '19900000002', gxsj: '2026-11-05 08:00:00' }))
    await store(civil, createDeathRow())
    const before = await installation.asOwner('select * from gridbridge.record order by feed_id, source_record_id')
    await merge()
    const [person, ...others] = await persons()
    expect(others).toEqual([])
    expect(person).toMatchObject({
      clear: {
        certType: '111',
        certNumber: numbers[0],
        name: '张测试',
        lifeStatus: 'DECEASED',
        deathDate: '1999-05-06',
        phone: '19900000002',
      },
      masked: { certNumber: '510504********0028', name: '张**', phone: '199****0002', lifeStatus: 'DECEASED' },
    })
    const after = await installation.asOwner(
      'select * from gridbridge.record where feed_id <> 0 order by feed_id, source_record_id',
    )
    expect(after).toEqual(before)
  })

  test('a temporary identity card carries the number of the identity card; a passport has numbers of its own', async () => {
    await store(police, resident())
    await store(
      platform,
      resident({ id: 'Z-1', zjlx: '112' }),
      resident({ id: 'Z-2', zjlx: '414', zjhm: 'E00000001' }),
      resident({ id: 'Z-3', zjlx: '411', zjhm: 'E00000001' }),
    )
    await merge()
    expect(await persons()).toHaveLength(3)
  })

  test('the record id of a person is not the token that our tables are linked by', async () => {
    await store(police, resident())
    await merge()
    const [row] = await installation.asOwner<{ subject: string; person: string }>(
      `select encode(subject, 'hex') as subject, encode(person, 'hex') as person from gridbridge.person_member`,
    )
    expect((await persons())[0]?.id).toBe(row?.person)
    expect(row?.person).not.toBe(row?.subject)
  })
})

describe('what changes at a source', () => {
  test('comes to the same person: nothing is written, no version, no place in the feed', async () => {
    await store(police, resident())
    await merge()
    const before = await installation.asOwner('select * from gridbridge.record where feed_id = 0')
    await store(platform, resident({ id: 'Z-1', lxfs: '19900000001', gxsj: '2026-10-01 08:00:00' }))
    expect(await merge()).toBe(1)
    expect(await installation.asOwner('select * from gridbridge.record where feed_id = 0')).toEqual(before)
  })

  test('the last record of a person goes: a tombstone, and a new version when one comes back', async () => {
    await store(civil, createDeathRow())
    await merge()
    await store(police, resident())
    await merge()
    await store(police, resident({ scbz: '1' }))
    await merge()
    expect(await persons()).toMatchObject([{ version: 3, masked: { lifeStatus: 'DECEASED' } }])
    await store(civil, createDeathRow({ scbz: '1' }))
    await merge()
    expect(await persons()).toMatchObject([{ version: 4, masked: null, digest: null }])
    expect(await installation.asOwner('select * from gridbridge.person_member')).toEqual([])
    await store(police, resident())
    await merge()
    expect(await persons()).toMatchObject([{ version: 5, masked: { lifeStatus: 'ALIVE' } }])
  })

  test('a number is corrected: the record leaves one person and joins another', async () => {
    await store(police, resident(), resident({ id: 'R-2', zjhm: numbers[1], xm: '李样例' }))
    await store(civil, createDeathRow({ zjhm: numbers[1] }))
    await merge()
    await store(civil, createDeathRow({ zjhm: numbers[0] }))
    await merge()
    const byName = new Map((await persons()).map(({ clear }) => [clear['name'], clear['lifeStatus']]))
    expect(byName).toEqual(
      new Map([
        ['张测试', 'DECEASED'],
        ['李样例', 'ALIVE'],
      ]),
    )
  })

  test('the rules of the merge change: everything is merged anew, and what comes to the same is not written', async () => {
    await store(police, resident())
    await merge()
    await installation.asOwner(`update gridbridge.person_cursor set rules = 'older'`)
    await installation.asOwner(`update gridbridge.record set masked = null, digest = null where feed_id = 0`)
    expect(await merge()).toBe(1)
    expect(await persons()).toMatchObject([{ version: 2, masked: { name: '张**' } }])
  })
})

describe('contradictions', () => {
  test('DQ-071 is listed without a value and goes when the source corrects itself', async () => {
    await store(police, resident())
    await store(civil, createDeathRow())
    await merge()
    const [person] = await persons()
    expect(await readConflicts(installation)).toEqual([
      {
        person: person?.id,
        field: 'lifeStatus',
        rule: 'DQ-071',
        decidedBy: 'authority',
        sides: [
          [{ feed: civil.code, department: 'civil-affairs', recordId: 'D-1' }],
          [{ feed: police.code, department: 'public-security', recordId: 'R-1' }],
        ],
      },
    ])
    await store(police, resident({ zt: '1' }))
    await merge()
    expect(await readConflicts(installation)).toEqual([])
  })

  test('one that stays keeps the day it was found', async () => {
    const found = () => installation.asOwner('select found_at from gridbridge.person_conflict')
    await store(police, resident())
    await store(civil, createDeathRow())
    await merge()
    const before = await found()
    await store(police, resident({ lxfs: '19900000009' }))
    await merge()
    expect(await found()).toEqual(before)
  })
})

test('a person whom one department takes for a child is masked as a child', async () => {
  const passport = { zjlx: '414', zjhm: 'E00000001', mz: null }
  await store(police, resident({ ...passport, csrq: '19000312' }))
  await merge()
  expect(await persons()).toMatchObject([{ masked: { certNumber: 'E0*****01' } }])
  const birth = `${new Date().getUTCFullYear() - 5}0101`
  await store(platform, resident({ ...passport, id: 'Z-1', csrq: birth, gxsj: '2020-01-01 00:00:00' }))
  await merge()
  const [person] = await persons()
  expect(person).toMatchObject({ version: 2, clear: { birthDate: '1900-03-12' } })
  expect(person?.masked).not.toHaveProperty('certNumber')
})

describe('links that a reviewer parts', () => {
  test('the record is a person of its own until it is joined again', async () => {
    await store(police, resident())
    await store(platform, resident({ id: 'Z-1', xm: '李样例' }), resident({ id: 'Z-2', xm: '李样例' }))
    await merge()
    expect(await persons()).toHaveLength(1)
    await decide('part', 'Z-1')
    await merge()
    expect((await persons()).map(({ clear }) => clear['name']).toSorted()).toEqual(['张测试', '李样例'])
    await decide('join', 'Z-1')
    await merge()
    expect((await persons()).filter(({ masked }) => masked !== null)).toMatchObject([{ clear: { name: '张测试' } }])
    expect(await merge()).toBe(0)
  })

  test('a decision outlives new versions of the record, and ends with the certificate it was about', async () => {
    await store(police, resident())
    await store(platform, resident({ id: 'Z-1', xm: '李样例' }))
    await decide('part', 'Z-1')
    await merge()
    await store(platform, resident({ id: 'Z-1', xm: '李样例', lxfs: '19900000003' }))
    await merge()
    const alive = async () =>
      (await persons()).filter(({ masked }) => masked !== null).map(({ clear }) => clear['phone'])
    expect((await alive()).toSorted()).toEqual(['19900000001', '19900000003'])
    await store(police, resident({ id: 'R-2', zjhm: numbers[1], xm: '李样例', lxfs: '19900000004' }))
    await store(platform, resident({ id: 'Z-1', xm: '李样例', zjhm: numbers[1], lxfs: '19900000003' }))
    await merge()
    expect(await alive()).toHaveLength(2)
  })

  test('a record that names nobody, or is not there, cannot be parted', async () => {
    await store(police, resident({ scbz: '1' }))
    expect(await codeOf(() => decide('part', 'R-1', police))).toBe('RECORD_UNKNOWN')
    expect(await codeOf(() => decide('part', 'Z-404'))).toBe('RECORD_UNKNOWN')
  })
})

/** The database as it is but that nothing can be written into the audit log, which comes last: as if the process died there. */
const dying = (database: Database): Database => ({
  ...database,
  transaction: (work) =>
    database.transaction((transaction) =>
      work({ ...transaction, audit: () => Promise.reject(new AppError('DATABASE_UNAVAILABLE')) }),
    ),
})

test('a crash in the middle of a page leaves nothing behind, and the repeat comes to the same', async () => {
  await store(police, resident())
  await store(platform, resident({ id: 'Z-1', zt: '1' }))
  expect(await codeOf(() => projectPersons({ ...installation, database: dying(installation.database) }))).toBe(
    'DATABASE_UNAVAILABLE',
  )
  for (const table of ['person_member', 'person_cursor', 'person_conflict']) {
    expect(await installation.asOwner(`select * from gridbridge.${table}`)).toEqual([])
  }
  expect(await persons()).toEqual([])
  await merge()
  expect(await persons()).toMatchObject([{ version: 1, clear: { lifeStatus: 'ALIVE' } }])
})

test('of two processes that merge at once one works and the other leaves it to that one', async () => {
  await store(police, resident())
  const outcomes = await Promise.all([1, 2, 3, 4].map(() => projectPersons(installation)))
  expect(outcomes.filter((outcome) => outcome === 'more')).toHaveLength(1)
  expect(await persons()).toMatchObject([{ version: 1 }])
})

test('any order of arrival, with merges in between, gives the same persons and conflicts', async () => {
  const random = createRandom(71)
  const names = ['张测试', '李样例', '欧阳测试']
  const one = <Value>(list: readonly Value[]): Value | undefined => list[random(list.length)]
  const time = () => `2026-10-0${random(3) + 1} 08:00:00`
  const arrivals = [
    ...Array.from({ length: 14 }, (_, index) => ({
      feed: random(2) === 0 ? police : platform,
      row: resident({
        id: `R-${index}`,
        zjhm: one(numbers),
        xm: one(names),
        zt: String(random(2)),
        lxfs: `1990000000${random(4)}`,
        mz: random(2) === 0 ? null : '01',
        gxsj: time(),
      }),
    })),
    ...Array.from({ length: 4 }, (_, index) => ({
      feed: random(2) === 0 ? civil : health,
      row: createDeathRow({ id: `D-${index}`, zjhm: one(numbers), xm: one(names), gxsj: time() }),
    })),
  ]
  const seen: unknown[] = []
  for (let order = 0; order < 5; order++) {
    await forgetPeople(installation)
    for (const { feed, row } of arrivals
      .map((value) => ({ value, key: random(1_000_000) }))
      .toSorted((a, b) => a.key - b.key)
      .map(({ value }) => value)) {
      await store(feed, row)
      if (random(3) === 0) await merge()
    }
    await merge()
    const found = (await persons()).map(({ id, digest, masked, clear }) => ({ id, digest, masked, clear }))
    seen.push({ found, conflicts: await readConflicts(installation) })
  }
  expect(seen[0]).toMatchObject({ found: [{}, {}, {}] })
  expect((seen[0] as { readonly conflicts: readonly unknown[] }).conflicts.length).toBeGreaterThan(0)
  for (const other of seen) expect(other).toEqual(seen[0])
}, 60_000)

test('nothing clear rests: not in persons, members, conflicts, decisions or the audit log', async () => {
  await store(police, resident())
  await store(platform, resident({ id: 'Z-1', xm: '李样例' }))
  await store(civil, createDeathRow())
  await merge()
  await decide('part', 'Z-1')
  await merge()
  for (const table of [
    'gridbridge.record',
    'gridbridge.person_member',
    'gridbridge.person_cursor',
    'gridbridge.person_conflict',
    'gridbridge.link_decision',
    'audit.entry',
  ]) {
    const rows = await installation.asOwner<{ text: string }>(
      `select replace(to_jsonb(kept)::text, '\\x', '') as text from ${table} kept`,
    )
    const text = rows
      .map((row) => row.text + Buffer.from(row.text.replaceAll(/[^\da-f]/g, ''), 'hex').toString())
      .join('\n')
    expect(text.length, table).toBeGreaterThan(0)
    for (const clear of ['张测试', '李样例', numbers[0], '19900000001', '1999-05-06', '测试路1号2栋3单元401']) {
      expect(text.includes(clear), `${table} holds a clear value`).toBe(false)
      expect(text.includes(Buffer.from(clear).toString('hex')), `${table} holds a clear value in hexadecimal`).toBe(
        false,
      )
    }
  }
})

test('an agreement for persons brings merged rows and tombstones to its consumer by pull', async () => {
  const forms = { name: 'mask', certNumber: 'mask', lifeStatus: 'mask' } as const
  const { consumerId } = await registerConsumer(installation, 'person-puller', { dataset: 'person', forms })
  const agreement = await findAgreement(installation.database.query, consumerId, 'person')
  const pull = (cursor?: string): Promise<PulledPage> =>
    pullChanges(installation.database, { agreement, after: decodeCursor(cursor), limit: 10, auditDeadlineMs: 2000 })
  await store(police, resident({ zt: '1' }))
  await merge()
  await settleChanges(installation)
  const first = await pull()
  const [person] = await persons()
  expect(first.changes).toEqual([
    {
      operation: 'upsert',
      id: `GB-PERSON-001/${person?.id}`,
      version: 1,
      record: { name: '张**', certNumber: '510504********0028', lifeStatus: 'DECEASED' },
    },
  ])
  await store(police, resident({ scbz: '1' }))
  await merge()
  await settleChanges(installation)
  const second = await pull(first.cursor)
  expect(second.changes).toEqual([{ operation: 'delete', id: `GB-PERSON-001/${person?.id}`, version: 2, record: null }])
})
