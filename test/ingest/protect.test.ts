import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { loadDatasets } from '../../src/feeds/datasets.ts'
import { compileMapping } from '../../src/ingest/map.ts'
import { digestRecord, openRejection, protect, protectRejections, type Protection } from '../../src/ingest/protect.ts'
import { validate } from '../../src/ingest/validate.ts'
import type { ProtectedRecord, ValidRecord } from '../../src/record.ts'
import { createWrappedKey, keyPurposes, openKeyRing } from '../../src/security/key-ring.ts'
import { open } from '../../src/security/seal.ts'
import { codeOf } from '../support/coded-error.ts'
import { createHousingManifest, createHousingRow, createManifest, createResidentRow } from '../feeds/sample-manifest.ts'

type Row = Readonly<Record<string, unknown>>

const keyEncryptionKey = randomBytes(32)
const keys = openKeyRing(
  keyEncryptionKey,
  keyPurposes.map((purpose, index) => createWrappedKey(keyEncryptionKey, index + 1, purpose, 'standard')),
)
const datasets = loadDatasets()

function protectionOf(name: string): Protection {
  const dataset = datasets.get(name)
  if (dataset === undefined) throw new Error('wanted a dataset')
  return { dataset, feed: 'LZ-GA-RK-001', keys, today: new Date('2026-11-23T00:00:00Z') }
}

const residents = protectionOf('resident')
const houses = protectionOf('housing')

function validRecords(rows: readonly Row[], protection: Protection): readonly ValidRecord[] {
  const manifest = protection === houses ? createHousingManifest() : createManifest()
  const mapRow = compileMapping(manifest, protection.dataset)
  return validate(
    rows.map((value, row) => mapRow({ row, value })),
    protection.dataset,
  ).valid
}

const protectRows = (rows: readonly Row[], protection = residents): readonly ProtectedRecord[] =>
  protect(
    validRecords(rows, protection).map((record) => digestRecord(record, protection)),
    protection,
  )

function openRecord(record: ProtectedRecord | undefined, protection = residents): Row {
  const bound = `record|${protection.dataset.name}|${protection.feed}|${record?.recordId}`
  return JSON.parse(open(keys.sealKey, bound, record?.sealed ?? Buffer.alloc(0))) as Row
}

const maskedOf = (record: ProtectedRecord | undefined): Row => JSON.parse(record?.masked ?? 'null') as Row

test('every valid record is protected, in order, with its grid and the digest of 16 bytes', () => {
  const rows = Array.from({ length: 50 }, (_, index) =>
    createResidentRow({ id: `R-${index}`, wg: { bm: `51050200100100${index % 10}` } }),
  )
  const records = protectRows(rows)
  expect(records.map(({ recordId }) => recordId)).toEqual(rows.map(({ id }) => id))
  expect(records.map(({ areaCode }) => areaCode)).toEqual(rows.map((_, index) => `51050200100100${index % 10}`))
  for (const { digest } of records) expect(digest).toMatch(/^[\da-f]{32}$/)
})

test('no clear value of a sealed field is in the masked view, and all of them are in the sealed part', () => {
  const [valid] = validRecords([createResidentRow()], residents)
  const [record] = protectRows([createResidentRow()])
  const sealed = openRecord(record)
  const hidden = residents.dataset.properties.filter((property) => property.sealed).map(({ name }) => name)
  const present = hidden.filter((name) => valid?.fields[name] !== undefined)
  expect(present).toEqual(expect.arrayContaining(['certNumber', 'name', 'residenceAddress', 'phone']))
  for (const name of present) {
    expect([name, sealed[name]]).toEqual([name, valid?.fields[name]])
    expect([name, maskedOf(record)[name]]).not.toEqual([name, valid?.fields[name]])
  }
  expect(new Set(Object.keys(sealed))).toEqual(new Set(present))
})

test('what is sealed for one record does not open as another one, of another feed or of another dataset', async () => {
  const [record] = protectRows([createResidentRow()])
  const sealed = record?.sealed ?? Buffer.alloc(0)
  for (const bound of [
    'record|resident|LZ-GA-RK-001|R-2',
    'record|resident|LZ-GA-RK-002|R-1',
    'record|housing|LZ-GA-RK-001|R-1',
    'rejection|LZ-GA-RK-001',
  ]) {
    expect(await codeOf(() => open(keys.sealKey, bound, sealed))).toBe('SEAL_BROKEN')
  }
})

describe('the token of the person', () => {
  const subjectOf = (change: Row): string | null => {
    const [record] = protectRows([createResidentRow(change)])
    return record?.subject ?? null
  }

  test('is the same wherever the person appears, whatever else is said of them', () => {
    expect(subjectOf({ id: 'R-2', xm: '王测试', lxfs: null })).toBe(subjectOf({}))
  })

  test('is of another person where the number or the kind of certificate differs', () => {
    const passport = { zjhm: 'E12345678', csrq: null }
    const subjects = [
      subjectOf({}),
      subjectOf({ zjhm: '510502190001010025', xb: '女' }),
      subjectOf({ ...passport, zjlx: '414' }),
      subjectOf({ ...passport, zjlx: '411' }),
    ]
    expect(subjects).not.toContain(null)
    expect(new Set(subjects).size).toBe(subjects.length)
  })

  test('links a house to its owner where the owner is a person', () => {
    const owner = { ownerCertType: '111', ownerCertNumber: '510502190001010017' }
    const manifest = createHousingManifest()
    const map = [...manifest.map, ...Object.keys(owner).map((name) => ({ to: `/${name}`, from: `/${name}` }))]
    const mapRow = compileMapping({ ...manifest, map }, houses.dataset)
    const { valid } = validate([mapRow({ row: 0, value: createHousingRow(owner) })], houses.dataset)
    const [house] = protect(
      valid.map((record) => digestRecord(record, houses)),
      houses,
    )
    expect(house?.subject).toBe(subjectOf({}))
    expect(protectRows([createHousingRow()], houses)[0]?.subject).toBeNull()
  })
})

describe('the digest', () => {
  const digestOf = (change: Row, protection = residents): string => {
    const [record] = validRecords([createResidentRow(change)], residents)
    if (record === undefined) throw new Error('wanted a valid record')
    return digestRecord(record, protection).digest
  }

  test('tells values apart that only stand in another field, and a text of separators is not taken for one', () => {
    const rows: readonly Row[] = [
      { dz: '四川省泸州市甲路1号', lxfs: null },
      { dz: null, lxfs: '19900000001' },
      { xm: '张测试', mz: null },
      { xm: '张测试', mz: '01' },
    ]
    expect(new Set(rows.map((row) => digestOf(row))).size).toBe(rows.length)
    const [record] = validRecords([createResidentRow({ dz: '甲路\u001f1号' })], residents)
    expect(JSON.stringify(record?.fields ?? {})).not.toContain('\\u001f')
  })

  test('is the same for the same record and differs with any field, with the id and with the version of the schema', () => {
    expect(digestOf({})).toBe(digestOf({ gxsj: '2026-11-02 08:00:00' }))
    const newer = { ...residents, dataset: { ...residents.dataset, version: residents.dataset.version + 1 } }
    const digests = [
      digestOf({}),
      digestOf({ lxfs: '19900000002' }),
      digestOf({ dz: null }),
      digestOf({ id: 'R-2' }),
      digestOf({}, newer),
    ]
    expect(new Set(digests).size).toBe(digests.length)
  })
})

test('a child is masked more strictly than an adult, from the birth date alone', () => {
  const [adult, child] = protectRows([
    createResidentRow(),
    createResidentRow({ id: 'R-2', zjhm: '510599201901010012', csrq: '20190101' }),
  ])
  expect(maskedOf(adult)).toHaveProperty('certNumber')
  expect(maskedOf(child)).not.toHaveProperty('certNumber')
})

test('a tombstone holds nothing of the person, and comes after the records', () => {
  const records = protectRows([createResidentRow({ scbz: '1' }), createResidentRow({ id: 'R-2' })])
  expect(records.map(({ recordId, operation }) => [recordId, operation])).toEqual([
    ['R-2', 'upsert'],
    ['R-1', 'delete'],
  ])
  expect(records[1]).toMatchObject({ masked: null, sealed: null, subject: null, areaCode: null })
})

test('a rejected row is sealed whole, whatever it is, beside reasons without values', () => {
  const values = [
    createResidentRow({ zjhm: '510502190001010018' }),
    null,
    'text',
    17,
    ['a'],
    { id: '\u0000' },
    undefined,
  ]
  const mapRow = compileMapping(createManifest(), residents.dataset)
  const { rejected } = validate(
    values.map((value, row) => mapRow({ row, value })),
    residents.dataset,
  )
  const kept = protectRejections(rejected, residents)
  expect(kept.map(({ row }) => row)).toEqual(values.map((_, row) => row))
  const opened = kept.map(({ sealed, token }) => openRejection({ sealed, boundTo: token }, residents))
  expect(opened).toEqual(values.map((value) => value ?? null))
  expect(JSON.stringify(kept.map(({ reasons }) => reasons))).not.toMatch(/\d{6}/)
})

test('an empty page is an empty page', () => {
  expect(protect([], residents)).toEqual([])
  expect(protectRejections([], residents)).toEqual([])
})
