import { describe, expect, test } from 'vitest'
import { loadDatasets } from '../../src/feeds/datasets.ts'
import type { FieldForm } from '../../src/feeds/forms.ts'
import { formsOfProfile } from '../../src/feeds/profiles.ts'
import { classFieldsOf } from '../../src/feeds/reidentification.ts'

const datasets = loadDatasets()

function classesOf(name: string, forms: Readonly<Record<string, FieldForm>>): readonly string[] | null {
  const dataset = datasets.get(name)
  if (dataset === undefined) throw new Error('wanted a dataset')
  return classFieldsOf(dataset, forms)
}

test('statistics without identifiers are judged by what they show of a person', () => {
  const resident = datasets.get('resident')
  if (resident === undefined) throw new Error('wanted a dataset')
  expect(classesOf('resident', formsOfProfile('P2_ANALYSIS', resident))).toEqual([
    'sex',
    'birthDate',
    'ethnicity',
    'registeredDivision',
    'gridCode',
  ])
  for (const profile of ['P0_RAW', 'P1_OPERATOR', 'P3_PUBLIC_NOTICE', 'P4_MINOR'])
    expect([profile, classesOf('resident', formsOfProfile(profile, resident))]).toEqual([profile, null])
})

describe('an agreement', () => {
  test.each<readonly [what: string, forms: Record<string, FieldForm>, fields: readonly string[] | null]>([
    ['with nothing but a quasi-identifier is judged', { sex: 'mask' }, ['sex']],
    ['with a token of the number is judged', { certNumber: 'token', sex: 'mask' }, ['sex']],
    ['with a masked name is not: it shows whom it is of', { name: 'mask', sex: 'mask' }, null],
    ['with a clear number is not', { certNumber: 'clear', sex: 'mask' }, null],
    ['without a quasi-identifier is not', { residentKind: 'mask', certNumber: 'token' }, null],
    ['with a token of the house counts it, because it parts households', { houseId: 'mask' }, ['houseId']],
    [
      'with a suppressed field does not count it, because nothing leaves',
      { householdNo: 'mask', sex: 'mask' },
      ['sex'],
    ],
  ])('%s', (_what, forms, fields) => {
    expect(classesOf('resident', forms)).toEqual(fields)
  })

  test('on a dataset whose masked number is a token is judged', () => {
    expect(classesOf('life-event', { certNumber: 'mask', sex: 'mask' })).toEqual(['sex'])
  })

  test('on a dataset that names no person is not', () => {
    expect(classesOf('grid', { gridName: 'mask', gridCode: 'mask' })).toBeNull()
  })
})
