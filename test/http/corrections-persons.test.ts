import { afterAll, beforeAll, expect, test } from 'vitest'
import { keepHouse } from '../../src/jobs/housekeeping.ts'
import { loadJurisdiction } from '../../src/feeds/jurisdiction.ts'
import { settleChanges } from '../support/ledger.ts'
import { createDeathRow, createPerson, openPeople, type People } from '../support/people.ts'
import { openWayBack, type System, type WayBackStage } from './way-back-stage.ts'

let stage: WayBackStage
let people: People
let platform: System
let id = ''
let numbers = 0

beforeAll(async () => {
  stage = await openWayBack('corrections-persons')
  people = await openPeople(stage.installation)
  await people.store(people.police, createPerson({ id: 'P-1', gxsj: '2026-11-01 08:00:00' }))
  await people.store(people.civil, createDeathRow())
  await people.store(people.platform, createPerson({ id: 'Z-1', gxsj: '2026-11-03 08:00:00' }))
  await people.merge()
  await settleChanges(stage.installation)
  const [person] = await people.persons()
  id = `GB-PERSON-001/${person?.id}`
  const names = ['name', 'lifeStatus', 'phone', 'deathDate']
  platform = await stage.connect('grid-platform', {
    dataset: 'person',
    forms: Object.fromEntries(names.map((name) => [name, 'mask' as const])),
  })
})
afterAll(() => stage.close())

async function dispute(field: string | null) {
  const { body } = await platform.post('/api/v1/corrections', {
    dataset: 'person',
    id,
    version: 1,
    kind: field === null ? 'not-this-person' : 'wrong-value',
    field,
    evidenceAt: '2026-11-04T09:00:00+08:00',
    reference: `P-${(numbers += 1)}`,
  })
  expect(body).toMatchObject({ state: 'open', id })
  const [row] = await stage.installation.asOwner<{ feed: string; recordId: string }>(
    `select feed.code as feed, source_record_id as "recordId" from gridbridge.correction join gridbridge.feed using (feed_id)
      where correction_id = $1`,
    [body.correctionId],
  )
  return { ...row, correctionId: body.correctionId as number }
}

test.each([
  ['name', 'police', 'P-1', 'the one with the authority'],
  ['lifeStatus', 'civil', 'D-1', 'the one with the authority'],
  ['deathDate', 'civil', 'D-1', 'the only one that tells it'],
  ['phone', 'platform', 'Z-1', 'the newer of two equals'],
] as const)(
  'a dispute about the %s of a merged person goes to the feed of %s, record %s: %s',
  async (field, owner, recordId, _why) => {
    expect(await dispute(field)).toMatchObject({ feed: people[owner].code, recordId })
  },
)

test('a dispute about a merged person as a whole is synced by the record of the department, not by the merge', async () => {
  const { feed, recordId, correctionId } = await dispute(null)
  expect([feed, recordId]).toEqual([people.platform.code, 'Z-1'])
  const { database, asOwner } = stage.installation
  await asOwner(
    `update gridbridge.correction set state = 'source-fixed', fixed_after = raised_version where correction_id = $1`,
    [correctionId],
  )
  const rules = {
    rejectionDays: 90,
    tombstoneDays: 400,
    datasets: stage.installation.datasets,
    clocks: loadJurisdiction('decree-809').clocks,
  }
  const state = async () => {
    await keepHouse(database, rules)
    return asOwner('select state from gridbridge.correction where correction_id = $1', [correctionId])
  }
  await people.store(people.police, createPerson({ id: 'P-1', dh: '19900000001' }))
  await people.merge()
  expect(await state()).toEqual([{ state: 'source-fixed' }])
  await people.store(people.platform, createPerson({ id: 'Z-1', scbz: '1' }))
  expect(await state()).toEqual([{ state: 'synced' }])
})
