import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { projectPersons } from '../../src/ingest/project-persons.ts'
import type { Database } from '../../src/store/database.ts'
import { codeOf } from '../support/coded-error.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import {
  createDeathRow,
  createPerson,
  forgetPeople,
  numbers,
  openPeople,
  readConflicts,
  type People,
} from '../support/people.ts'

let installation: TestInstallation
let people: People
beforeAll(async () => {
  installation = await openTestInstallation('persons')
  people = await openPeople(installation)
})
afterAll(() => installation.close())
beforeEach(() => forgetPeople(installation))

describe('one certificate is one person', () => {
  test('over feeds, departments and datasets, each field from who has the authority; the records stay as they are', async () => {
    await people.store(people.police, createPerson())
    await people.store(
      people.platform,
      createPerson({ id: 'Z-7', xm: '张侧室', lxfs: '19900000002', gxsj: '2026-11-05 08:00:00' }),
    )
    await people.store(people.civil, createDeathRow())
    const before = await installation.asOwner('select * from gridbridge.record order by feed_id, source_record_id')
    await people.merge()
    const [person, ...others] = await people.persons()
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
    await people.store(people.police, createPerson())
    await people.store(
      people.platform,
      createPerson({ id: 'Z-1', zjlx: '112' }),
      createPerson({ id: 'Z-2', zjlx: '414', zjhm: 'E00000001' }),
      createPerson({ id: 'Z-3', zjlx: '411', zjhm: 'E00000001' }),
    )
    await people.merge()
    expect(await people.persons()).toHaveLength(3)
  })

  test('the record id of a person is not the token that our tables are linked by', async () => {
    await people.store(people.police, createPerson())
    await people.merge()
    const [row] = await installation.asOwner<{ subject: string; person: string }>(
      `select encode(subject, 'hex') as subject, encode(person, 'hex') as person from gridbridge.person_member`,
    )
    expect((await people.persons())[0]?.id).toBe(row?.person)
    expect(row?.person).not.toBe(row?.subject)
  })
})

describe('what changes at a source', () => {
  test('comes to the same person: nothing is written, no version, no place in the feed', async () => {
    await people.store(people.police, createPerson())
    await people.merge()
    const before = await installation.asOwner('select * from gridbridge.record where feed_id = 0')
    await people.store(people.platform, createPerson({ id: 'Z-1', lxfs: '19900000001', gxsj: '2026-10-01 08:00:00' }))
    expect(await people.merge()).toBe(1)
    expect(await installation.asOwner('select * from gridbridge.record where feed_id = 0')).toEqual(before)
  })

  test('the last record of a person goes: a tombstone, and a new version when one comes back', async () => {
    await people.store(people.civil, createDeathRow())
    await people.merge()
    await people.store(people.police, createPerson())
    await people.merge()
    await people.store(people.police, createPerson({ scbz: '1' }))
    await people.merge()
    expect(await people.persons()).toMatchObject([{ version: 3, masked: { lifeStatus: 'DECEASED' } }])
    await people.store(people.civil, createDeathRow({ scbz: '1' }))
    await people.merge()
    expect(await people.persons()).toMatchObject([{ version: 4, masked: null, digest: null }])
    expect(await installation.asOwner('select * from gridbridge.person_member')).toEqual([])
    await people.store(people.police, createPerson())
    await people.merge()
    expect(await people.persons()).toMatchObject([{ version: 5, masked: { lifeStatus: 'ALIVE' } }])
  })

  test('a number is corrected: the record leaves one person and joins another', async () => {
    await people.store(people.police, createPerson(), createPerson({ id: 'R-2', zjhm: numbers[1], xm: '李样例' }))
    await people.store(people.civil, createDeathRow({ zjhm: numbers[1] }))
    await people.merge()
    await people.store(people.civil, createDeathRow({ zjhm: numbers[0] }))
    await people.merge()
    const byName = new Map((await people.persons()).map(({ clear }) => [clear['name'], clear['lifeStatus']]))
    expect(byName).toEqual(
      new Map([
        ['张测试', 'DECEASED'],
        ['李样例', 'ALIVE'],
      ]),
    )
  })

  test('a record that names somebody else by now tells nothing of its old person, before its own change is merged', async () => {
    await people.store(people.police, createPerson())
    await people.merge()
    await people.store(people.police, createPerson({ zjhm: numbers[1], lxfs: '19900000009' }))
    await people.store(people.civil, createDeathRow())
    await projectPersons(installation)
    const [person, ...others] = await people.persons()
    expect(others).toEqual([])
    expect(person?.clear).toMatchObject({ certNumber: numbers[0], lifeStatus: 'DECEASED' })
    expect(person?.clear).not.toHaveProperty('phone')
  })

  test('the rules of the merge change: everything is merged anew, and what comes to the same is not written', async () => {
    await people.store(people.police, createPerson())
    await people.merge()
    await installation.asOwner(`update gridbridge.person_cursor set rules = 'older'`)
    await installation.asOwner(`update gridbridge.record set masked = null, digest = null where feed_id = 0`)
    expect(await people.merge()).toBe(1)
    expect(await people.persons()).toMatchObject([{ version: 2, masked: { name: '张**' } }])
  })
})

describe('contradictions', () => {
  test('DQ-071 is listed without a value and goes when the source corrects itself', async () => {
    await people.store(people.police, createPerson())
    await people.store(people.civil, createDeathRow())
    await people.merge()
    const [person] = await people.persons()
    expect(await readConflicts(installation)).toEqual([
      {
        person: person?.id,
        field: 'lifeStatus',
        rule: 'DQ-071',
        decidedBy: 'authority',
        sides: [
          [{ feed: people.civil.code, department: 'civil-affairs', recordId: 'D-1' }],
          [{ feed: people.police.code, department: 'public-security', recordId: 'R-1' }],
        ],
      },
    ])
    await people.store(people.police, createPerson({ zt: '1' }))
    await people.merge()
    expect(await readConflicts(installation)).toEqual([])
  })

  test('one that stays keeps the day it was found', async () => {
    const found = () => installation.asOwner('select found_at from gridbridge.person_conflict')
    await people.store(people.police, createPerson())
    await people.store(people.civil, createDeathRow())
    await people.merge()
    const before = await found()
    await people.store(people.police, createPerson({ lxfs: '19900000009' }))
    await people.merge()
    expect(await found()).toEqual(before)
  })
})

test('a person whom one department takes for a child is masked as a child', async () => {
  const passport = { zjlx: '414', zjhm: 'E00000001', mz: null }
  await people.store(people.police, createPerson({ ...passport, csrq: '19000312' }))
  await people.merge()
  expect(await people.persons()).toMatchObject([{ masked: { certNumber: 'E0*****01' } }])
  const birth = `${new Date().getUTCFullYear() - 5}0101`
  await people.store(
    people.platform,
    createPerson({ ...passport, id: 'Z-1', csrq: birth, gxsj: '2020-01-01 00:00:00' }),
  )
  await people.merge()
  const [person] = await people.persons()
  expect(person).toMatchObject({ version: 2, clear: { birthDate: '1900-03-12' } })
  expect(person?.masked).not.toHaveProperty('certNumber')
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
  await people.store(people.police, createPerson())
  await people.store(people.platform, createPerson({ id: 'Z-1', zt: '1' }))
  expect(await codeOf(() => projectPersons({ ...installation, database: dying(installation.database) }))).toBe(
    'DATABASE_UNAVAILABLE',
  )
  for (const table of ['person_member', 'person_cursor', 'person_conflict']) {
    expect(await installation.asOwner(`select * from gridbridge.${table}`)).toEqual([])
  }
  expect(await people.persons()).toEqual([])
  await people.merge()
  expect(await people.persons()).toMatchObject([{ version: 1, clear: { lifeStatus: 'ALIVE' } }])
})

test('a record that was tampered with leaves its person as it is and stops nobody else', async () => {
  await people.store(people.police, createPerson())
  await people.merge()
  const [before] = await people.persons()
  await installation.asOwner('update gridbridge.record set sealed = sealed || sealed where feed_id <> 0')
  await people.store(
    people.platform,
    createPerson({ id: 'Z-1' }),
    createPerson({ id: 'Z-2', zjhm: numbers[1], xm: '李样例' }),
  )
  await people.merge()
  const after = await people.persons()
  expect(after).toHaveLength(2)
  expect(after).toContainEqual(before)
  const [entry] = await installation.asOwner<{ outcome: string; body: Buffer }>(
    `select outcome, body from audit.entry where event_type = 'persons.merged' order by recorded_at desc limit 1`,
  )
  expect([entry?.outcome, JSON.parse(String(entry?.body))]).toMatchObject([
    'failed',
    { details: { inserted: 1, unreadable: 1 } },
  ])
})

test('of two processes that merge at once one works and the other leaves it to that one', async () => {
  await people.store(people.police, createPerson())
  const outcomes = await Promise.all([1, 2, 3, 4].map(() => projectPersons(installation)))
  expect(outcomes.filter((outcome) => outcome === 'more')).toHaveLength(1)
  expect(await people.persons()).toMatchObject([{ version: 1 }])
})
