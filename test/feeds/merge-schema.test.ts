import { describe, expect, test } from 'vitest'
import { loadDatasets, type Dataset } from '../../src/feeds/datasets.ts'
import { parseManifest } from '../../src/feeds/manifest.ts'
import { findMergeFaults, type MergeGroup, type MergePart } from '../../src/feeds/merge-schema.ts'
import { codeOf } from '../support/coded-error.ts'
import { createManifest } from './sample-manifest.ts'

const datasets = loadDatasets()

/** What is wrong when one dataset is another. */
function faultsWith(name: string, change: (dataset: Dataset) => Partial<Dataset>): readonly string[] {
  const changed = [...datasets.values()].map((one) => (one.name === name ? { ...one, ...change(one) } : one))
  return findMergeFaults(changed).map(({ dataset, pointer, wanted }) => `${dataset} ${pointer}: ${wanted}`)
}

const withGroup = (change: (group: MergeGroup, index: number) => Partial<MergeGroup>) =>
  faultsWith('person', ({ merge }) => ({
    merge: (merge ?? []).map((group, index) => ({ ...group, ...change(group, index) })),
  }))

const withPart = (field: string, change: Partial<MergePart>) =>
  faultsWith('life-event', ({ parts }) => ({
    parts: (parts ?? []).map((part) => (part.field === field ? { ...part, ...change } : part)),
  }))

test('the schemas of the repository fit together, and every field of a person is decided in one group', () => {
  expect(findMergeFaults([...datasets.values()])).toEqual([])
  const grouped = datasets.get('person')?.merge?.flatMap(({ fields }) => fields) ?? []
  expect([...grouped, 'sourceRecordId'].toSorted((one, other) => one.localeCompare(other))).toEqual(
    [...(datasets.get('person')?.names ?? [])].toSorted((one, other) => one.localeCompare(other)),
  )
})

describe('what does not fit is named', () => {
  test('a field that no group decides, or two', () => {
    const lone = withGroup(({ fields }) => ({ fields: fields.filter((name) => name !== 'phone') }))
    expect(lone).toEqual(['person /x-gb-merge: phone in exactly one group'])
    const twice = withGroup(({ fields }, index) => ({ fields: index === 0 ? [...fields, 'phone'] : fields }))
    expect(twice).toEqual(['person /x-gb-merge: phone in exactly one group'])
  })

  test('a field that is not there, a comparison outside the group, a rule that nobody knows', () => {
    const first = (change: Partial<MergeGroup>) => withGroup((_, index) => (index === 1 ? change : {}))
    expect(first({ fields: ['name', 'shoeSize'] }).join()).toContain('no shoeSize')
    expect(first({ compared: ['phone'] }).join()).toContain('no phone')
    expect(first({ rule: 'DQ-999' }).join()).toContain('DQ-071, DQ-072, DQ-073 as the rule of name')
  })

  test('a part that names no field, no property, or a value of another kind', () => {
    expect(withPart('name', { field: 'shoeSize' }).join()).toContain('a property of person')
    expect(withPart('name', { from: 'shoeSize' }).join()).toContain('a pointer to a property')
    expect(withPart('deathDate', { from: 'divisionCode' }).join()).toContain(
      'type, format and codes of person/deathDate',
    )
    expect(withPart('lifeStatus', { value: 'ASLEEP' }).join()).toContain('one of ALIVE, DECEASED')
    expect(withPart('deathDate', { when: { property: 'mood', is: 'x' } }).join()).toContain('a condition on a property')
  })

  test('a dataset that tells of persons without naming one', () => {
    expect(faultsWith('resident', () => ({ subject: null })).join()).toContain('resident /x-gb-subject')
  })
})

test('no feed can fill the merged persons', async () => {
  const manifest = createManifest()
  const filled = { ...manifest, feed: { ...manifest.feed, dataset: 'person' } }
  expect(await codeOf(() => parseManifest(filled, datasets))).toBe('MANIFEST_INVALID')
})
