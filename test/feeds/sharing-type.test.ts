import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loadDatasets } from '../../src/feeds/datasets.ts'
import { registeredDepartments } from '../../src/feeds/departments.ts'
import { filledFrom, sharingOf, sharingTypes } from '../../src/feeds/sharing-type.ts'
import { catalogueEntry } from '../support/office.ts'

const datasets = loadDatasets()
const open = { ...catalogueEntry, shareType: 1, shareCondition: null, updateCycle: '实时' } as const
const closed = { ...catalogueEntry, shareType: 3, shareCondition: null, shareBasis: '信访工作条例第三十条' } as const

describe('how a dataset is shared', () => {
  test('is what its strictest feed says', () => {
    expect(sharingOf([open])).toMatchObject({ type: 'unconditional', isDeclared: true, basis: null })
    expect(sharingOf([open, catalogueEntry])).toMatchObject({
      type: 'conditional',
      conditions: ['用于网格化服务管理'],
      updateCycle: '每日',
    })
    expect(sharingOf([open, closed, catalogueEntry])).toMatchObject({
      type: 'not-shared',
      basis: '信访工作条例第三十条',
    })
  })

  test('is conditional where nobody has said anything', () => {
    expect(sharingOf([])).toEqual({
      type: 'conditional',
      isDeclared: false,
      conditions: [],
      basis: null,
      methods: [],
      updateCycle: null,
    })
  })

  test('never becomes less strict by one more feed, in whatever order they come', () => {
    const entries = fc.array(fc.constantFrom(open, catalogueEntry, closed), { minLength: 1, maxLength: 5 })
    const strictness = (given: Parameters<typeof sharingOf>[0]): number => sharingTypes.indexOf(sharingOf(given).type)
    fc.assert(
      fc.property(entries, fc.constantFrom(open, catalogueEntry, closed), (some, one) => {
        const after = strictness([...some, one])
        expect(after).toBe(strictness([one, ...some]))
        expect(after).toBeGreaterThanOrEqual(strictness(some))
      }),
    )
  })
})

describe('who leads a dataset', () => {
  test('is a registered department that offers it', () => {
    const departments = registeredDepartments()
    const wrong = [...datasets.values()]
      .filter(({ merge }) => merge === null)
      .filter(({ name, lead }) => !departments.get(lead)?.datasets.includes(name))
    expect(wrong.map(({ name }) => name)).toEqual([])
    expect(datasets.get('person')?.lead).toBe('public-security')
  })
})

test('merged persons are filled from what tells of a person, every other dataset from itself', () => {
  const [person, grid] = [datasets.get('person'), datasets.get('grid')]
  if (person === undefined || grid === undefined) throw new Error('wanted the datasets')
  expect(filledFrom(person, datasets)).toEqual(expect.arrayContaining(['resident', 'person-status']))
  expect(filledFrom(person, datasets)).not.toContain('grid')
  expect(filledFrom(grid, datasets)).toEqual(['grid'])
})
