import fc from 'fast-check'
import { expect, test } from 'vitest'
import { loadDatasets } from '../../src/feeds/datasets.ts'
import { formsOfProfile } from '../../src/sharing/agreements.ts'
import { share } from '../../src/sharing/share.ts'
import type { Change } from '../../src/store/changes.ts'
import type { Agreement } from '../../src/store/consumers.ts'
import { codeOf } from '../support/coded-error.ts'

const change: Change = {
  tx: '7',
  seq: 1,
  feed: 'LZ-GA-RK-001',
  recordId: 'R-1',
  version: 3,
  masked: { name: '张**', phone: '199****0001', gridCode: '510502001001001' },
}

function agreementOn(forms: Readonly<Record<string, unknown>>): Agreement {
  return {
    agreementId: 1,
    version: 1,
    consumer: 'grid-platform',
    consumerId: 1,
    dataset: 'resident',
    datasetId: 1,
    forms: forms as Agreement['forms'],
    purpose: 'LZ-QD-001',
  }
}

const sharedOf = (forms: Readonly<Record<string, unknown>>) => share([change], agreementOn(forms))[0]

test('a consumer receives the identity, the version and the fields that its agreement names', () => {
  expect(sharedOf({ name: 'mask', gridCode: 'mask' })).toEqual({
    operation: 'upsert',
    id: 'LZ-GA-RK-001/R-1',
    version: 3,
    record: { name: '张**', gridCode: '510502001001001' },
  })
})

test('a field without a form does not leave, and neither does one that is omitted', () => {
  expect(sharedOf({})?.record).toEqual({})
  expect(sharedOf({ name: 'omit', phone: 'omit' })?.record).toEqual({})
})

test('a form that does not exist lets nothing leave, whatever its name', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.constantFrom('clear', 'MASK', '__proto__', 'constructor', 'toString', 'valueOf', '')),
      (form) => {
        fc.pre(form !== 'mask')
        expect(sharedOf({ name: form })?.record).toEqual({})
      },
    ),
  )
})

test('what the masked view does not hold cannot be granted', () => {
  expect(sharedOf({ certNumber: 'mask', toString: 'mask', __proto__: 'mask' })?.record).toEqual({})
})

test('a tombstone has the identity and no record', () => {
  expect(share([{ ...change, masked: null }], agreementOn({ name: 'mask' }))).toEqual([
    { operation: 'delete', id: 'LZ-GA-RK-001/R-1', version: 3, record: null },
  ])
})

test('the operator profile grants every field but those that the masked view suppresses', () => {
  for (const dataset of loadDatasets().values()) {
    const forms = formsOfProfile('operator', dataset)
    expect(Object.keys(forms)).toEqual(dataset.properties.map(({ name }) => name))
    for (const { name, mask } of dataset.properties)
      expect([name, forms[name]]).toEqual([name, mask === 'SUPPRESS' ? 'omit' : 'mask'])
  }
})

test.each(['', 'clear', 'constructor', '__proto__'])('there is no profile "%s"', async (profile) => {
  const [dataset] = loadDatasets().values()
  if (dataset === undefined) throw new Error('wanted a dataset')
  expect(await codeOf(() => formsOfProfile(profile, dataset))).toBe('AGREEMENT_INVALID')
})
