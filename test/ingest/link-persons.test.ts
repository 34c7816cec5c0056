import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createRandom } from '../../prove/random.ts'
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
  installation = await openTestInstallation('links')
  people = await openPeople(installation)
})
afterAll(() => installation.close())
beforeEach(() => forgetPeople(installation))

describe('links that a reviewer parts', () => {
  test('the record is a person of its own until it is joined again', async () => {
    await people.store(people.police, createPerson())
    await people.store(
      people.platform,
      createPerson({ id: 'Z-1', xm: '李样例' }),
      createPerson({ id: 'Z-2', xm: '李样例' }),
    )
    await people.merge()
    expect(await people.persons()).toHaveLength(1)
    await people.decide('part', 'Z-1')
    await people.merge()
    expect(new Set((await people.persons()).map(({ clear }) => clear['name']))).toEqual(new Set(['张测试', '李样例']))
    await people.decide('join', 'Z-1')
    await people.merge()
    expect((await people.persons()).filter(({ masked }) => masked !== null)).toMatchObject([
      { clear: { name: '张测试' } },
    ])
    expect(await people.merge()).toBe(0)
  })

  test('a decision outlives new versions of the record, and ends with the certificate it was about', async () => {
    await people.store(people.police, createPerson())
    await people.store(people.platform, createPerson({ id: 'Z-1', xm: '李样例' }))
    await people.decide('part', 'Z-1')
    await people.merge()
    await people.store(people.platform, createPerson({ id: 'Z-1', xm: '李样例', lxfs: '19900000003' }))
    await people.merge()
    const alive = async () =>
      (await people.persons()).filter(({ masked }) => masked !== null).map(({ clear }) => clear['phone'])
    expect(new Set(await alive())).toEqual(new Set(['19900000001', '19900000003']))
    await people.store(people.police, createPerson({ id: 'R-2', zjhm: numbers[1], xm: '李样例', lxfs: '19900000004' }))
    await people.store(
      people.platform,
      createPerson({ id: 'Z-1', xm: '李样例', zjhm: numbers[1], lxfs: '19900000003' }),
    )
    await people.merge()
    expect(await alive()).toHaveLength(2)
  })

  test('a record that names nobody, or is not there, cannot be parted', async () => {
    await people.store(people.police, createPerson({ scbz: '1' }))
    expect(await codeOf(() => people.decide('part', 'R-1', people.police))).toBe('RECORD_UNKNOWN')
    expect(await codeOf(() => people.decide('part', 'Z-404'))).toBe('RECORD_UNKNOWN')
  })
})

test('any order of arrival, with merges in between, gives the same persons and conflicts', async () => {
  const random = createRandom(71)
  const names = ['张测试', '李样例', '欧阳测试']
  const one = <Value>(list: readonly Value[]): Value | undefined => list[random(list.length)]
  const time = () => `2026-10-0${random(3) + 1} 08:00:00`
  const arrivals = [
    ...Array.from({ length: 14 }, (_, index) => ({
      feed: random(2) === 0 ? people.police : people.platform,
      row: createPerson({
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
      feed: random(2) === 0 ? people.civil : people.health,
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
      await people.store(feed, row)
      if (random(3) === 0) await people.merge()
    }
    await people.merge()
    const found = (await people.persons()).map(({ id, digest, masked, clear }) => ({ id, digest, masked, clear }))
    seen.push({ found, conflicts: await readConflicts(installation) })
  }
  expect(seen[0]).toMatchObject({ found: [{}, {}, {}] })
  expect((seen[0] as { readonly conflicts: readonly unknown[] }).conflicts.length).toBeGreaterThan(0)
  for (const other of seen) expect(other).toEqual(seen[0])
}, 60_000)

test('nothing clear rests: not in persons, members, conflicts, decisions or the audit log', async () => {
  await people.store(people.police, createPerson())
  await people.store(people.platform, createPerson({ id: 'Z-1', xm: '李样例' }))
  await people.store(people.civil, createDeathRow())
  await people.merge()
  await people.decide('part', 'Z-1')
  await people.merge()
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
