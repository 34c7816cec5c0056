import { describe, expect, test } from 'vitest'
import { findAgreementFaults, wholeCityOf, type AgreementTerms } from '../../src/feeds/agreement-rules.ts'
import { loadDatasets, type Dataset } from '../../src/feeds/datasets.ts'
import { formsOfProfile, profileNames } from '../../src/feeds/profiles.ts'

const datasets = loadDatasets()
function datasetNamed(name: string): Dataset {
  const dataset = datasets.get(name)
  if (dataset === undefined) throw new Error('wanted a dataset')
  return dataset
}
const resident = datasetNamed('resident')

const terms = (change: Partial<AgreementTerms> = {}): AgreementTerms => ({
  forms: { name: 'mask' },
  area: ['5105'],
  isClearApproved: false,
  pageSize: 1000,
  recordsPerDay: null,
  ...change,
})

const placesOf = (change: Partial<AgreementTerms>, dataset = resident): readonly string[] =>
  findAgreementFaults(dataset, terms(change)).map(({ pointer }) => pointer)

describe('the shipped profiles', () => {
  const cases = [...datasets.values()].flatMap((dataset) =>
    profileNames.map((profile) => [profile, dataset.name, dataset] as const),
  )

  test.each(cases)('%s is an agreement on %s, P0 with the second approval', (profile, _name, dataset) => {
    const forms = formsOfProfile(profile, dataset)
    expect(placesOf({ forms, isClearApproved: profile === 'P0_RAW' }, dataset)).toEqual([])
  })

  test('P0 without the second approval is none where a field is L4', () => {
    for (const dataset of datasets.values()) {
      const fourth = dataset.properties.filter(({ level }) => level === 'L4').map(({ name }) => `/forms/${name}`)
      expect(placesOf({ forms: formsOfProfile('P0_RAW', dataset) }, dataset)).toEqual(fourth)
    }
  })
})

test.each([
  ['a field that does not exist', { forms: { unknown: 'mask' } }, ['/forms/unknown']],
  ['a form that does not exist', { forms: { name: 'plain' } }, ['/forms/name']],
  [
    'a token of what is recognised by how often it occurs',
    { forms: { name: 'token', sex: 'token' } },
    ['/forms/name', '/forms/sex'],
  ],
  ['a coarser form of what has none', { forms: { phone: 'generalise' } }, ['/forms/phone']],
  [
    'a certificate number in clear without the second approval',
    { forms: { certNumber: 'clear' } },
    ['/forms/certNumber'],
  ],
  ['no area', { area: [] }, ['/area']],
  ['an area of another city', { area: ['510502', '5101'] }, ['/area/1']],
  ['an area that is no code', { area: ['51%'] }, ['/area/0']],
  ['a page of none', { pageSize: 0 }, ['/pageSize']],
  ['a page too large', { pageSize: 1001 }, ['/pageSize']],
  ['half a record a day', { recordsPerDay: 0.5 }, ['/recordsPerDay']],
] as const)('refuses %s', (_what, change, pointers) => {
  expect(placesOf(change)).toEqual(pointers)
})

describe('what one field shows does not give away what another hides', () => {
  test.each([
    [
      'a birth date beside a masked certificate number',
      { certNumber: 'mask', birthDate: 'clear' },
      ['/forms/birthDate'],
    ],
    [
      'an address code beside a masked address',
      { residenceAddress: 'mask', residenceAddressCode: 'clear' },
      ['/forms/residenceAddressCode'],
    ],
    ['a house beside a coarser address', { residenceAddress: 'generalise', houseId: 'clear' }, ['/forms/houseId']],
  ] as const)('%s', (_what, forms, pointers) => {
    expect(placesOf({ forms })).toEqual(pointers)
    const coarse = Object.fromEntries(
      Object.entries(forms).map(([name, form]) => [name, form === 'clear' ? 'mask' : form]),
    )
    expect(placesOf({ forms: coarse })).toEqual([])
  })

  test('another document in clear beside a hidden certificate number, which it often repeats', () => {
    const forms = { certNumber: 'mask', permitNo: 'clear' }
    expect(placesOf({ forms, isClearApproved: true })).toEqual(['/forms/permitNo'])
    expect(placesOf({ forms: { ...forms, certNumber: 'clear' }, isClearApproved: true })).toEqual([])
  })

  test('rooms and coordinates beside the masked address of a house', () => {
    const forms = { fullAddress: 'mask', room: 'clear', buildingName: 'clear', lon: 'clear', lat: 'generalise' }
    expect(placesOf({ forms }, datasetNamed('housing'))).toEqual(['/forms/buildingName', '/forms/room', '/forms/lon'])
  })
})

test('the whole city is what every division begins with', () => {
  expect(wholeCityOf(resident)).toBe('5105')
})
