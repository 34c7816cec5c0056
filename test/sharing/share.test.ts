import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loadDatasets, type Dataset } from '../../src/feeds/datasets.ts'
import { fieldForms } from '../../src/feeds/forms.ts'
import { createWrappedKey, keyPurposes, openKeyRing } from '../../src/security/key-ring.ts'
import { seal } from '../../src/security/seal.ts'
import { share, shareJson } from '../../src/sharing/share.ts'
import type { Agreement } from '../../src/store/agreements.ts'
import type { Change } from '../../src/store/changes.ts'
import { codeOf } from '../support/coded-error.ts'
import { createTerms } from '../support/ledger.ts'

const keyEncryptionKey = Buffer.alloc(32, 7)
const keys = openKeyRing(
  keyEncryptionKey,
  keyPurposes.map((purpose, index) => createWrappedKey(keyEncryptionKey, index + 1, purpose, 'standard')),
)

function datasetNamed(name: string): Dataset {
  const dataset = loadDatasets().get(name)
  if (dataset === undefined) throw new Error('wanted a dataset')
  return dataset
}
const resident = datasetNamed('resident')
const sharing = { dataset: resident, keys, today: new Date('2026-11-28T00:00:00Z') }

/** A person who does not exist, as the source told of them. */
const clear = {
  certNumber: '510502190001010017',
  name: '张测试',
  birthDate: '1900-01-01',
  phone: '19900000001',
  residenceAddress: '四川省泸州市江阳区南城街道测试社区1号',
}

const change: Change = {
  tx: '7',
  seq: 1,
  feed: 'LZ-GA-RK-001',
  recordId: 'R-1',
  version: 3,
  changedAt: new Date('2026-11-27T01:02:03Z'),
  withdrawn: null,
  masked: JSON.stringify({ name: '张**', phone: '199****0001', gridCode: '510502001001001', sex: '1' }),
  sealed: seal(keys.sealing, 'record|resident|LZ-GA-RK-001|R-1', JSON.stringify(clear)),
  subject: 'ab'.repeat(16),
  areaCode: '510502001001001',
  pastAreas: [],
  isMinor: false,
}

const agreementOn = (forms: Readonly<Record<string, unknown>>, terms: Partial<Agreement> = {}): Agreement => ({
  ...createTerms(1),
  agreementId: 1,
  version: 1,
  consumer: 'grid-platform',
  datasetId: 1,
  forms: forms as Agreement['forms'],
  ...terms,
})

const sharedOf = (forms: Readonly<Record<string, unknown>>, of: Partial<Change> = {}, terms: Partial<Agreement> = {}) =>
  share([{ ...change, ...of }], agreementOn(forms, terms), sharing)[0]

test('a consumer receives the identity, the version and the fields that its agreement names', () => {
  expect(sharedOf({ name: 'mask', gridCode: 'mask' })).toEqual({
    operation: 'upsert',
    id: 'LZ-GA-RK-001/R-1',
    version: 3,
    changedAt: '2026-11-27T01:02:03.000Z',
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
      fc.oneof(fc.string(), fc.constantFrom('MASK', '__proto__', 'constructor', 'toString', 'valueOf', '')),
      (form) => {
        fc.pre(!(fieldForms as readonly string[]).includes(form))
        expect(sharedOf({ name: form })?.record).toEqual({})
      },
    ),
  )
})

test('a field that the schema does not know cannot be granted in any form', () => {
  for (const form of fieldForms)
    expect(sharedOf({ unknown: form, toString: form, __proto__: form }, { masked: '{"unknown": 1}' })?.record).toEqual(
      {},
    )
})

test('what the masked view does not hold does not leave as a mask', () => {
  expect(sharedOf({ certNumber: 'mask' })?.record).toEqual({})
})

test('a tombstone has the identity and no record', () => {
  expect(sharedOf({ name: 'mask' }, { masked: null, sealed: null })).toMatchObject({
    operation: 'delete',
    record: null,
  })
})

describe('forms', () => {
  test('clear opens what the masked view hides', () => {
    expect(sharedOf({ certNumber: 'clear', name: 'clear', sex: 'clear' })?.record).toEqual({
      certNumber: '510502190001010017',
      name: '张测试',
      sex: '1',
    })
  })

  test('generalise makes an age band, a town and a community', () => {
    const forms = { birthDate: 'generalise', residenceAddress: 'generalise', gridCode: 'generalise' }
    expect(sharedOf(forms)?.record).toEqual({
      birthDate: '90+',
      residenceAddress: '四川省泸州市江阳区南城街道****',
      gridCode: '510502001001',
    })
  })

  test('a token is of the consumer: the same for the same person, another for another consumer', () => {
    const tokenFor = (consumerId: number, subject: string): unknown =>
      sharedOf({ certNumber: 'token' }, { subject }, { consumerId })?.record?.['certNumber']
    const [one, other] = ['aa'.repeat(16), 'bb'.repeat(16)] as const
    expect(tokenFor(1, one)).toMatch(/^[\da-f]{32}$/)
    expect(tokenFor(1, one)).toBe(tokenFor(1, one))
    expect(new Set([tokenFor(1, one), tokenFor(2, one), tokenFor(1, other), one]).size).toBe(4)
  })

  test('a token of a number that is no certificate is of its value, not of the person', () => {
    expect(sharedOf({ phone: 'token' })?.record).toEqual({
      phone: keys.token('share', '1|cn-phone|19900000001'),
    })
  })

  test.each(['name', 'birthDate', 'sex'])(
    '%s never becomes a token: it would be recognised by how often it occurs',
    (name) => {
      expect(sharedOf({ [name]: 'token' })?.record).toEqual({})
    },
  )

  test('a seal that was moved to another record opens nowhere', () => {
    expect(() => sharedOf({ name: 'clear' }, { recordId: 'R-2' })).toThrow(
      expect.objectContaining({ code: 'SEAL_BROKEN' }),
    )
  })
})

test('nothing of a child leaves in clear, whatever was granted', () => {
  const forms = { name: 'clear', phone: 'clear', certNumber: 'clear', birthDate: 'generalise' }
  expect(sharedOf(forms, { isMinor: true })?.record).toEqual({ name: '张**', phone: '199****0001', birthDate: '90+' })
})

test('in a file a citizen number shows 4+4 digits, another number nothing, and every other field what it always shows', () => {
  const shownInFile = (masked: object, form: string, of: Partial<Change> = {}) =>
    share([{ ...change, masked: JSON.stringify(masked), ...of }], agreementOn({ certNumber: form, phone: 'mask' }), {
      ...sharing,
      isFile: true,
    })[0]?.record
  const phone = '199****0001'
  expect(shownInFile({ certNumber: '510502********0017', phone }, 'mask')).toEqual({
    certNumber: '5105**********0017',
    phone,
  })
  expect(shownInFile({ certNumber: 'E1*****78', phone }, 'mask')).toEqual({ certNumber: '****', phone })
  expect(shownInFile({ phone }, 'mask')).toEqual({ phone })
  expect(shownInFile({ phone }, 'clear')).toEqual({ certNumber: clear.certNumber, phone })
  // A child's number never was in the masked view.
  expect(shownInFile({ phone }, 'clear', { isMinor: true })).toEqual({ phone })
})

describe('the JSON that is sent', () => {
  const fields = ['name', 'phone', 'gridCode', 'sex', 'birthDate', 'certNumber'] as const
  const someForms = fc.dictionary(
    fc.constantFrom(...fields),
    fc.constantFrom(...fieldForms, 'mask' as const, 'mask' as const, 'mask' as const),
  )
  const someValue = fc.oneof(
    { weight: 5, arbitrary: fc.string({ unit: 'binary' }) },
    fc.constantFrom('"', '\\', '", "sex": "1', '\\", "sex": "1', '}', '\n'),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom(true, false, null, [], ['1', { sex: '1' }], { sex: '1' }),
  )
  /** As PostgreSQL writes it: a space behind each colon and each comma. */
  const writeView = (view: Readonly<Record<string, unknown>>): string =>
    `{${Object.entries(view)
      .map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`)
      .join(', ')}}`
  const viewNames = [
    ...fields,
    'unknown',
    '__proto__',
    'toString',
    'nam',
    'names',
    '"name',
    'sex": "1", "name',
  ] as const
  const someChange = fc.record({
    isMinor: fc.boolean(),
    areaCode: fc.constantFrom('510502001001001', '510503001001001', null),
    pastAreas: fc.constantFrom([], ['510502001001001']),
    masked: fc.option(fc.dictionary(fc.constantFrom(...viewNames), someValue).map(writeView), { nil: null }),
  })

  test('says of every change what the shared record says', () => {
    fc.assert(
      fc.property(someForms, someChange, fc.constantFrom('5105', '510502', '510504'), (forms, of, area) => {
        const given = [[{ ...change, ...of }], agreementOn(forms, { area: [area] }), sharing] as const
        const shared = share(...given)
        const sent = shareJson(...given)
        expect(sent.map(({ json }) => JSON.parse(json.join('')) as unknown)).toEqual(JSON.parse(JSON.stringify(shared)))
        expect(sent.map(({ operation }) => operation)).toEqual(shared.map(({ operation }) => operation))
      }),
      { numRuns: 3000 },
    )
  })

  const sentOf = (masked: string, forms: Agreement['forms'] = { name: 'mask', phone: 'mask' }) =>
    shareJson([{ ...change, masked }], agreementOn(forms), sharing)[0]?.json.join('')

  test('is the text of the masked view where nothing but masks is granted and it holds nothing else', () => {
    const view = '{"name": "张**", "phone": "199****0001"}'
    expect(sentOf(view)).toContain(`"record":${view}}`)
    expect(sentOf('{}')).toContain('"record":{}}')
  })

  test.each([
    '{"sex": "1", "name": "张**"}',
    '{"name": "张**", "sex": "1"}',
    '{"name": "张**", "other": {"name": "1"}}',
    '{"names": "1", "name": "张**"}',
  ])('is made anew where the masked view holds anything else: %s', (view) => {
    expect(sentOf(view)).toContain('"record":{"name":"张**"}}')
  })

  test('is made anew where a form is not the mask', () => {
    expect(sentOf('{"name": "张**"}', { name: 'mask', birthDate: 'generalise' })).toContain(
      '"record":{"name":"张**","birthDate":"90+"}}',
    )
  })

  test.each([
    ['a text without an end', `{"name": "${'\\\\'.repeat(200_000)}`],
    ['many fields, the last of them not granted', `{${'"name": "a", '.repeat(20_000)}"sex": 1}`],
    ['many numbers', `{"name": ${'1'.repeat(200_000)}x}`],
  ])('is found out at once: %s', async (_what, view) => {
    const startedAt = performance.now()
    await codeOf(() => sentOf(view))
    expect(performance.now() - startedAt).toBeLessThan(500)
  })
})

describe('area', () => {
  const inside = (of: Partial<Change>, area: readonly string[]) => sharedOf({ name: 'mask' }, of, { area })

  test('a record of the area leaves; one that never lay in it does not show at all', () => {
    expect(inside({}, ['510502'])).toMatchObject({ operation: 'upsert' })
    expect(inside({}, ['510503', '51050200100'])).toMatchObject({ operation: 'upsert' })
    expect(inside({}, ['510503'])).toBeUndefined()
  })

  test('a record that moved out of the area is a deletion there, with nothing of what it became', () => {
    const moved = { areaCode: '510503001001001', pastAreas: ['510502001001001'] }
    expect(inside(moved, ['510502'])).toMatchObject({ operation: 'delete', record: null })
    expect(inside(moved, ['510503'])).toMatchObject({ operation: 'upsert' })
    expect(inside(moved, ['510504'])).toBeUndefined()
  })

  test('a record without an area code leaves to the whole city only', () => {
    expect(inside({ areaCode: null }, ['5105'])).toMatchObject({ operation: 'upsert' })
    expect(inside({ areaCode: null }, ['510502'])).toBeUndefined()
  })
})
