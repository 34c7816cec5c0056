import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { isObject } from '../../src/feeds/code-tables.ts'
import { loadDatasets, type Property } from '../../src/feeds/datasets.ts'
import { findDeniedTopic } from '../../src/feeds/deny-list.ts'
import { findFormat } from '../../src/feeds/formats.ts'
import type { Manifest, Mapping } from '../../src/feeds/manifest-types.ts'
import { settleCertificate } from '../../src/ingest/certificate.ts'
import { createCodeLookup, createConvert, isPrimitive } from '../../src/ingest/convert.ts'
import { compileMapping } from '../../src/ingest/map.ts'
import { noFindings, warn, type Findings } from '../../src/ingest/normalise.ts'
import { parsePointer } from '../../src/ingest/source-fields.ts'
import { readTime } from '../../src/ingest/source-time.ts'
import type { RawRecord } from '../../src/record.ts'
import { createManifest, createResidentRow } from '../feeds/sample-manifest.ts'

type Row = Readonly<Record<string, unknown>>

function residents() {
  const dataset = loadDatasets().get('resident')
  if (dataset === undefined) throw new Error('no dataset resident')
  return dataset
}

const dataset = residents()
const properties = new Map(dataset.properties.map((property) => [`/${property.name}`, property]))
const sample = createManifest()
/** With pointers that a walk could get wrong: nested beside its parent, used twice, inherited names, numbers as keys. */
const manifest: Manifest = {
  ...sample,
  map: [
    ...sample.map,
    { to: '/householdNo', from: '/wg' },
    { to: '/houseId', from: '/wg/fw/0/bm' },
    { to: '/residenceAddressCode', from: '/dz' },
    { to: '/workplace', from: '/constructor' },
    { to: '/registeredAddress', from: '/__proto__' },
    { to: '/education', from: '/7' },
    { to: '/registeredDivision', from: '/toString/name' },
    { to: '/maritalStatus', from: '/wg/constructor' },
    { to: '/permitNo', from: '/zjhm' },
  ],
}

const isContainer = (value: unknown): value is Row => typeof value === 'object' && value !== null

function valueAt(row: unknown, pointer: string): unknown {
  return parsePointer(pointer).reduce<unknown>(
    (value, token) => (isContainer(value) && Object.hasOwn(value, token) ? value[token] : undefined),
    row,
  )
}

const PLACEHOLDERS = ['无', '不详', '未知', 'null', 'NULL', '-', '/']
const DATE_PLACEHOLDERS = ['0000-00-00', '1900-01-01', '3000-01-01', '9999-12-31']

/** Every step for every text, with no look at whether it is needed. */
function plainText(raw: string, property: Property, findings: Findings): string | undefined {
  if (raw === '') return undefined
  const fold = findFormat(property.format)?.normalise ?? 'none'
  const whole =
    fold === 'none' ? raw.trim() : raw.normalize('NFKC').replaceAll(/[\s\u00AD\u200B-\u200F\u2060\uFEFF]/g, '')
  const isBroken = whole === '' || !raw.isWellFormed() || /\p{Cc}/u.test(whole)
  if (isBroken || whole.includes('\uFFFD')) {
    findings.faults.push({ rule: isBroken ? 'DQ-004' : 'DQ-092', field: property.name })
    return undefined
  }
  if (/[\uE000-\uF8FF]|[\u{F0000}-\u{10FFFF}]/u.test(whole)) warn(findings, 'DQ-092')
  if (PLACEHOLDERS.includes(whole) || (property.format === 'date' && DATE_PLACEHOLDERS.includes(whole))) {
    warn(findings, 'DQ-001')
    return undefined
  }
  if (fold === 'none') return whole
  const mobile = fold === 'phone' ? /^(?:\+?86|0086)?(1[3-9]\d{9})$/.exec(whole.replaceAll('-', '')) : null
  const unquoted = mobile?.[1] ?? whole.replace(/^'/, '')
  return fold === 'upper' ? unquoted.toUpperCase() : unquoted
}

function plainValue(row: Row, mapping: Mapping, findings: Findings): unknown {
  const property = properties.get(mapping.to)
  if (property === undefined) throw new Error(`no property ${mapping.to}`)
  if (mapping.constant !== undefined) return mapping.constant
  const given = valueAt(row, mapping.from ?? '') ?? undefined
  if (given === undefined) return undefined
  const code = isPrimitive(given) ? createCodeLookup(mapping)?.get(String(given).trim()) : undefined
  if (code !== undefined) return code
  const value = createConvert(mapping)?.(given) ?? given
  return typeof value === 'string' ? plainText(value, property, findings) : value
}

const named = ['/id', '/gxsj', '/scbz', ...manifest.map.flatMap(({ from }) => from ?? [])]

function warnOfUnknown(value: Row, at: string, findings: Findings): void {
  for (const [key, inner] of Object.entries(value)) {
    const pointer = `${at}/${key}`
    if (named.includes(pointer)) continue
    const isParent = named.some((other) => other.startsWith(`${pointer}/`))
    if (isParent && isObject(inner)) warnOfUnknown(inner, pointer, findings)
    const isFilled = inner !== null && inner !== ''
    if (!isParent) warn(findings, isFilled && findDeniedTopic(key) !== null ? 'DQ-091' : 'DQ-002')
  }
}

/** What a record comes to, read slowly: each pointer by itself, nothing kept from row to row. */
function plainRecord(row: Row) {
  const findings = noFindings()
  const id: Mapping = { to: '/sourceRecordId', from: '/id', type: 'string' }
  const flag = valueAt(row, '/scbz')
  const isDelete = isPrimitive(flag) && ['1', 'true'].includes(String(flag).trim())
  const mappings = isDelete ? [id] : [id, ...manifest.map]
  const entries = mappings.map((mapping) => [mapping.to.slice(1), plainValue(row, mapping, findings)] as const)
  const fields = Object.fromEntries(entries.filter(([, value]) => value !== undefined))
  if (!isDelete) {
    settleCertificate(dataset, fields, findings)
    warnOfUnknown(row, '', findings)
  }
  const updatedAt = isDelete ? null : readTime(valueAt(row, '/gxsj'))
  return { operation: isDelete ? 'delete' : 'upsert', fields: Object.entries(fields), updatedAt, ...findings }
}

const shown = ({ operation, fields, updatedAt, warnings, faults }: RawRecord) => ({
  operation,
  fields: Object.entries(fields),
  updatedAt,
  warnings,
  faults,
})

const oddKeys = '__proto__ constructor toString 7 0 -1 zjxy unknown a/b a~b'.split(' ')
const keys = fc.constantFrom('', ...oddKeys, ...Object.keys(createResidentRow()))
const oddTexts = ['', ' ', '\u3000张', '张\u00A0', '\uE863', '\u0000', '\uFFFD', '\uD800', '2026-11-01 08:00:00']
const usualTexts = `111 男 未知 无 - 01 'x aX Ａ１ · 、 （一） 19000102 1900-01-01 1900-01-02 1900/1/2 1900/01/02
  2026-11-01T08:00:00+08:00 9999-12-31T00:00:00Z 510502190001010017 510502000101001 51050219000102008x 810000190001010018
  8619900000001`.split(/\s+/u)
const texts = fc.constantFrom(...oddTexts, ...usualTexts)
const scalars = fc.oneof(texts, texts, fc.constantFrom(null, 0, 7, 1.5, true, 2 ** 60), fc.string({ unit: 'binary' }))
const inner = fc.dictionary(fc.constantFrom('bm', 'mc', 'fw', 'name', '0'), fc.oneof(scalars, fc.array(scalars)), {
  maxKeys: 3,
})
const houses = fc.constantFrom({ bm: '1', fw: [{ bm: 'F-1' }] }, { fw: { 0: { bm: 'F-2' } }, mc: 'x' })
const values = fc.oneof({ weight: 6, arbitrary: scalars }, inner, houses, fc.array(scalars, { maxLength: 2 }))
const shapes = fc.uniqueArray(keys, { minLength: 1, maxLength: 30 })

/** As JSON gives it: `__proto__` is a key like any other. */
const toRow = (names: readonly string[], given: readonly unknown[]): Row =>
  JSON.parse(
    `{${names.map((name, place) => `${JSON.stringify(name)}:${JSON.stringify(given[place] ?? null)}`).join()}}`,
  )

/** Rows of few shapes, each repeated, that change midway and come back. */
const runs = fc
  .array(shapes, { minLength: 1, maxLength: 3 })
  .chain((kinds) =>
    fc
      .array(fc.tuple(fc.nat({ max: kinds.length - 1 }), fc.array(values, { maxLength: 30 })), { maxLength: 12 })
      .map((picks) => picks.map(([kind, given]) => toRow(kinds[kind] ?? [], given))),
  )

test('rows of any shape come out as a plain reading of each by itself gives them', () => {
  const map = compileMapping(manifest, dataset)
  fc.assert(
    fc.property(runs, (rows) => {
      for (const [row, value] of rows.entries()) expect(shown(map({ row, value }))).toEqual(plainRecord(value))
    }),
    { numRuns: 1500 },
  )
})

test('what was read of one row is not changed by the next', () => {
  const map = compileMapping(manifest, dataset)
  fc.assert(
    fc.property(runs, (rows) => {
      const records = rows.map((value, row) => map({ row, value }))
      expect(records.map(shown)).toEqual(rows.map(plainRecord))
    }),
  )
})
