import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loadDatasets } from '../../src/feeds/datasets.ts'
import { mergePerson, tellPerson, type PersonSource } from '../../src/ingest/merge-persons.ts'

const datasets = loadDatasets()
const groups = datasets.get('person')?.merge ?? []

let places = 0
function source(department: string, fields: PersonSource['fields'], change: Partial<PersonSource> = {}): PersonSource {
  places += 1
  return {
    feed: `FEED-${places}`,
    department,
    recordId: `R-${places}`,
    updatedAt: null,
    place: { tx: String(places), seq: 1 },
    isMinor: false,
    fields,
    ...change,
  }
}

const merge = (...sources: readonly PersonSource[]) => mergePerson('person-1', sources, groups)
const sidesOf = (sources: readonly (readonly { readonly department: string }[])[] | undefined) =>
  sources?.map((side) => side.map(({ department }) => department))

describe('what decides', () => {
  test('authority before recency: the police know the name, whoever wrote it last', () => {
    const { record, conflicts } = merge(
      source('health', { name: '张新' }, { updatedAt: 2000 }),
      source('public-security', { name: '张测试' }, { updatedAt: 1000 }),
    )
    expect(record.fields).toEqual({ sourceRecordId: 'person-1', name: '张测试' })
    expect(conflicts).toMatchObject([{ field: 'name', rule: 'DQ-072', decidedBy: 'authority' }])
    expect(sidesOf(conflicts[0]?.sides)).toEqual([['public-security'], ['health']])
  })

  test('recency between departments of the same authority, by the time of the source', () => {
    const late = source('health', { name: '张新' }, { updatedAt: 2000 })
    const early = source('civil-affairs', { name: '张旧' }, { updatedAt: 1000, place: { tx: '99', seq: 1 } })
    expect(merge(early, late)).toMatchObject({
      record: { fields: { name: '张新' } },
      conflicts: [{ decidedBy: 'recency' }],
    })
  })

  test('by our change order where no source tells a time; transaction ids are numbers, not words', () => {
    const early = source('health', { phone: '19900000001' }, { place: { tx: '9', seq: 7 } })
    const late = source('health', { phone: '19900000002' }, { place: { tx: '10', seq: 1 } })
    expect(merge(late, early).record.fields['phone']).toBe('19900000002')
  })

  test('a source that tells its time goes before one that does not', () => {
    const timed = source('health', { phone: '19900000001' }, { updatedAt: 1 })
    const silent = source('health', { phone: '19900000002' }, { place: { tx: '1000000', seq: 1 } })
    expect(merge(silent, timed).record.fields['phone']).toBe('19900000001')
  })

  test('completeness between sources of the same time', () => {
    const thin = source('health', { name: '张甲' }, { updatedAt: 5 })
    const full = source('health', { name: '张乙', sex: '1' }, { updatedAt: 5 })
    expect(merge(thin, full)).toMatchObject({
      record: { fields: { name: '张乙' } },
      conflicts: [{ decidedBy: 'completeness' }],
    })
  })

  test('an address is taken whole from one source, never the grid of one beside the text of another', () => {
    const police = source('public-security', { gridCode: '510502001001001' }, { updatedAt: 1 })
    const other = source('health', { residenceAddress: '测试路1号', gridCode: '510502001001002' }, { updatedAt: 2 })
    expect(merge(police, other).record.fields).toEqual({ sourceRecordId: 'person-1', gridCode: '510502001001001' })
  })
})

describe('contradictions', () => {
  test('DQ-071: dead at civil affairs, alive at the police; civil affairs is believed', () => {
    const { record, conflicts } = merge(
      source('public-security', { lifeStatus: 'ALIVE' }),
      source('civil-affairs', { lifeStatus: 'DECEASED', deathDate: '1999-05-06' }),
      source('health', { lifeStatus: 'DECEASED' }),
    )
    expect(record.fields).toMatchObject({ lifeStatus: 'DECEASED', deathDate: '1999-05-06' })
    expect(conflicts).toMatchObject([{ field: 'lifeStatus', rule: 'DQ-071', decidedBy: 'authority' }])
    expect(sidesOf(conflicts[0]?.sides)).toEqual([['civil-affairs', 'health'], ['public-security']])
  })

  test('two houses at once are one; several telephones are none', () => {
    const { conflicts } = merge(
      source('public-security', { houseId: 'H-1', phone: '19900000001' }),
      source('public-security', { houseId: 'H-2', phone: '19900000002' }),
    )
    expect(conflicts.map(({ field, rule }) => [field, rule])).toEqual([['houseId', 'DQ-073']])
  })

  test('where the believed source is silent, nothing of the others is shown and nothing is contradicted', () => {
    const { record, conflicts } = merge(
      source('public-security', { gridCode: '510502001001001' }),
      source('health', { houseId: 'H-1' }),
      source('civil-affairs', { houseId: 'H-2' }),
    )
    expect([record.fields['houseId'], conflicts]).toEqual([undefined, []])
  })

  test('they hold no value', () => {
    const { conflicts } = merge(source('health', { name: '张测试' }), source('health', { name: '李样例' }))
    expect(conflicts).toHaveLength(1)
    expect(JSON.stringify(conflicts)).not.toMatch(/张测试|李样例/)
  })
})

test('one source that knows a child makes the person a child', () => {
  expect(merge(source('health', {}), source('public-security', {}, { isMinor: true })).isMinor).toBe(true)
  expect(merge(source('health', {})).isMinor).toBe(false)
})

test('a birth says nothing of life and death; a death says both that and when', () => {
  const events = datasets.get('life-event')
  if (events === undefined) throw new Error('wanted the dataset')
  const event = { certType: '111', certNumber: 'X', eventDate: '1999-05-06', birthDate: '1900-01-01', gridCode: '1' }
  const told = { certType: '111', certNumber: 'X', birthDate: '1900-01-01' }
  expect(tellPerson(events, { ...event, eventKind: 'BIRTH' })).toEqual(told)
  expect(tellPerson(events, { ...event, eventKind: 'DEATH' })).toEqual({
    ...told,
    lifeStatus: 'DECEASED',
    deathDate: '1999-05-06',
  })
})

test('any order of the sources gives the same person, and every value is one that somebody stated', () => {
  const word = fc.constantFrom('a', 'b', 'c')
  const fields = fc.record(
    { name: word, sex: word, lifeStatus: word, deathDate: word, gridCode: word, houseId: word, phone: word },
    { requiredKeys: [] },
  )
  const department = fc.constantFrom('public-security', 'civil-affairs', 'health', 'emergency')
  const some = fc.array(
    fc.record({
      department,
      fields,
      updatedAt: fc.option(fc.constantFrom(1, 2, 3)),
      place: fc.record({ tx: fc.constantFrom('9', '10', '11'), seq: fc.integer({ min: 1, max: 3 }) }),
      isMinor: fc.boolean(),
    }),
    { minLength: 1, maxLength: 6 },
  )
  const shuffled = some.chain((list) => {
    const sources = list.map((one, index) => ({ ...one, feed: 'F', recordId: String(index) }))
    return fc.tuple(fc.constant(sources), fc.shuffledSubarray(sources, { minLength: sources.length }))
  })
  fc.assert(
    fc.property(shuffled, ([sources, other]) => {
      const merged = merge(...sources)
      expect(merge(...other)).toEqual(merged)
      for (const [name, value] of Object.entries(merged.record.fields)) {
        if (name === 'sourceRecordId') continue
        expect(sources.some((one) => (one.fields as Readonly<Record<string, unknown>>)[name] === value)).toBe(true)
      }
    }),
    { numRuns: 2000 },
  )
})
