import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { loadCodeTables } from '../../src/feeds/code-tables.ts'
import { createDataset, loadDatasets, type Dataset } from '../../src/feeds/datasets.ts'
import { findFormat } from '../../src/feeds/formats.ts'
import { actionOf, qualityRules } from '../../src/feeds/rules.ts'
import { createSchemaCompiler } from '../../src/feeds/schema-check.ts'
import { makeFolder } from '../support/folder.ts'

const SCHEMAS = fileURLToPath(new URL('../../schemas/', import.meta.url))
const datasets = loadDatasets()
const tables = loadCodeTables(SCHEMAS)

function datasetOf(name: string): Dataset {
  const dataset = datasets.get(name)
  if (dataset === undefined) throw new Error(`no dataset ${name}`)
  return dataset
}

const resident = datasetOf('resident')
const schemaText = readFileSync(join(SCHEMAS, 'resident.schema.json'), 'utf8')

/** The detail of the error that a changed resident schema gives. */
function detailOf(change: (text: string) => string): string {
  try {
    createDataset('resident.schema.json', JSON.parse(change(schemaText)), tables)
  } catch (error) {
    return error instanceof AppError && error.code === 'SCHEMA_INVALID' ? error.detail : 'another error'
  }
  return 'accepted'
}

/** The schema text with members of one property replaced. */
const withProperty = (name: string, members: Readonly<Record<string, unknown>>) => (text: string) => {
  const schema = JSON.parse(text)
  const property = { ...schema.properties[name], ...members }
  return JSON.stringify({ ...schema, properties: { ...schema.properties, [name]: property } })
}

function copySchemas(): string {
  const directory = makeFolder('schemas-')
  cpSync(SCHEMAS, directory, { recursive: true })
  return directory
}

const hideNumbers = (text: string): string => text.replaceAll('"ID_6_4"', '"SUPPRESS"')

const person = {
  sourceRecordId: 'R-1',
  certType: '111',
  certNumber: '510502190001010017',
  name: '张测试',
  sex: '1',
  residentKind: 'FLOATING',
  gridCode: '510502001001001',
  lifeStatus: 'ALIVE',
}

describe('the schemas of the repository', () => {
  test('the four base sets, the grid, the five general sets and the merged persons are there', () => {
    const base = ['address', 'entity', 'grid', 'housing', 'resident']
    const general = ['life-event', 'matter', 'organisation-licence', 'person-status', 'site']
    expect([...datasets.keys()].toSorted()).toEqual([...base, ...general, 'person'].toSorted())
  })

  test('every property has a known format, where it names one', () => {
    const all = [...datasets.values()].flatMap((dataset) => dataset.properties)
    expect(all.filter(({ format }) => format !== null && findFormat(format) === null)).toEqual([])
  })

  test('a property is sealed when some mask of it hides', () => {
    expect(resident.sealed).toContain('certNumber')
    expect(resident.sealed).not.toContain('sex')
    expect(datasetOf('entity').sealed).toEqual(
      expect.arrayContaining(['name', 'registeredAddress', 'legalRepName', 'contactPhone']),
    )
    expect(datasetOf('address').sealed).toEqual([])
    expect(datasetOf('grid').sealed).toEqual([])
  })

  test('a person is named by resident and housing, by a status and by a birth or death', () => {
    for (const name of ['resident', 'person-status', 'life-event'])
      expect(datasetOf(name).subject).toEqual({ type: 'certType', number: 'certNumber' })
    expect(datasetOf('housing').subject).toEqual({ type: 'ownerCertType', number: 'ownerCertNumber' })
    for (const name of ['entity', 'site', 'matter', 'organisation-licence']) expect(datasetOf(name).subject).toBeNull()
  })

  test('the divisions are the 7 counties and 126 towns of Luzhou', () => {
    const codes = [...resident.divisions.codes.keys()]
    expect(codes.filter((code) => code.length === 6)).toHaveLength(7)
    expect(codes.filter((code) => code.length === 9)).toHaveLength(126)
    expect(resident.divisions.codes.get('510502001')).toBe('南城街道')
  })

  test('every code table tells its edition and source', () => {
    expect(tables.size).toBe(22)
    expect([...tables.values()].filter((table) => table.edition === '' || table.source === '')).toEqual([])
  })
})

describe('checking fields', () => {
  test('a good record has no reasons', () => {
    expect(resident.check(person)).toEqual([])
  })

  test.each([
    [{ name: undefined }, 'DQ-001', 'name'],
    [{ gridCode: undefined }, 'DQ-032', 'gridCode'],
    [{ sex: '3' }, 'DQ-040', 'sex'],
    [{ residentKind: 'OTHER' }, 'DQ-040', 'residentKind'],
    [{ name: 7 }, 'DQ-005', 'name'],
    [{ name: '测'.repeat(51) }, 'DQ-005', 'name'],
    [{ birthDate: '1900-02-29' }, 'DQ-005', 'birthDate'],
    [{ gridCode: '510502001000001' }, 'DQ-030', 'gridCode'],
    [{ phone: '12345' }, 'DQ-050', 'phone'],
    [{ sourceRecordId: 'a b' }, 'DQ-005', 'sourceRecordId'],
    [{ unknownKey: 1 }, 'DQ-002', null],
  ])('%o gives one reason', (change, rule, field) => {
    expect(resident.check({ ...person, ...change })).toEqual([{ rule, field }])
  })

  test('a length counts code points, so rare characters are not counted twice', () => {
    expect(resident.check({ ...person, name: '𬱖'.repeat(50) })).toEqual([])
  })

  test('reasons hold only known rules and schema properties, whatever the fields are', () => {
    const known = new Set<string | null>([null, ...resident.properties.map(({ name }) => name)])
    const junk = fc.dictionary(fc.oneof(fc.string(), fc.constantFrom(...Object.keys(person))), fc.jsonValue())
    fc.assert(
      fc.property(junk, (fields) => {
        for (const reason of resident.check(fields)) {
          expect(known.has(reason.field)).toBe(true)
          expect(Object.keys(qualityRules)).toContain(reason.rule)
        }
      }),
    )
  })

  test('an unknown rule rejects', () => {
    expect([actionOf('DQ-999'), actionOf('constructor'), actionOf('DQ-050')]).toEqual(['reject', 'reject', 'warn'])
  })
})

describe('a schema that cannot protect is refused', () => {
  test.each([
    ['no classification', withProperty('sex', { 'x-gb-class': undefined }), '/properties/sex/x-gb-class'],
    ['no mask', withProperty('sex', { 'x-gb-mask': undefined }), '/properties/sex/x-gb-mask'],
    ['an unknown mask', withProperty('name', { 'x-gb-mask': 'BLUR' }), '/properties/name/x-gb-mask'],
    ['a mask named like a built-in', withProperty('name', { 'x-gb-mask': 'toString' }), '/properties/name/x-gb-mask'],
    ['an unknown code table', withProperty('sex', { 'x-gb-codes': 'gender' }), '/properties/sex/x-gb-codes'],
    ['an identifier in clear', withProperty('phone', { 'x-gb-mask': 'NONE' }), '/properties/phone/x-gb-mask'],
    [
      'an identifier in clear for children',
      withProperty('phone', { 'x-gb-mask-minor': 'NONE' }),
      '/properties/phone/x-gb-mask-minor',
    ],
    ['a clear birth date', withProperty('birthDate', { 'x-gb-mask': 'NONE' }), '/properties/birthDate/x-gb-mask'],
    ['a birth year', withProperty('birthDate', { 'x-gb-mask': 'BIRTH_YEAR' }), '/properties/birthDate/x-gb-mask'],
    [
      'the month of a birth under another name',
      withProperty('residenceSince', { 'x-gb-class': 'quasi', 'x-gb-mask': 'BIRTH_MONTH' }),
      '/properties/residenceSince/x-gb-mask',
    ],
    ['an unknown type', withProperty('sex', { type: ['string', 'null'] }), '/properties/sex/type'],
    ['no Chinese title', withProperty('sex', { title: '' }), '/properties/sex/title'],
    ['a property named like a built-in', withProperty('constructor', {}), '/properties/constructor'],
    [
      'an open schema',
      (text: string) => text.replace('"additionalProperties": false', '"additionalProperties": true'),
      '/additionalProperties',
    ],
    [
      'another dataset name',
      (text: string) => text.replace('"x-gb-dataset": "resident"', '"x-gb-dataset": "x"'),
      '/x-gb-dataset',
    ],
    [
      'a subject that is no property',
      (text: string) => text.replace('"/certNumber"', '"/number"'),
      '/x-gb-subject/number',
    ],
    ['an unknown keyword', withProperty('sex', { 'x-gb-levels': 'L1' }), '/properties/sex/x-gb-levels'],
    ['an unknown format', withProperty('phone', { format: 'cn-fax' }), '/properties/phone/format'],
    [
      'a pattern that never ends',
      withProperty('phone', { pattern: '^a+$', maxLength: 9 }),
      '/properties/phone/pattern',
    ],
    ['a length of a text for a number', withProperty('sex', { type: 'integer', minLength: 1 }), ''],
  ])('%s', (_, change, pointer) => {
    expect(detailOf(change)).toContain(`resident.schema.json#${pointer}: `)
  })

  test('a suppressed number may stand beside a birth date', () => {
    expect(detailOf((text) => withProperty('birthDate', { 'x-gb-mask': 'BIRTH_YEAR' })(hideNumbers(text)))).toBe(
      'accepted',
    )
  })

  test('the schema as it is is accepted', () => {
    expect(detailOf((text) => text)).toBe('accepted')
  })
})

describe('a folder of schemas', () => {
  test('a file that is no JSON is named', () => {
    const directory = copySchemas()
    writeFileSync(join(directory, 'grid.schema.json'), '{')
    expect(() => loadDatasets(directory)).toThrow(/grid\.schema\.json: given a file that is not a JSON object/)
  })

  test('a code table without an edition is named', () => {
    const directory = copySchemas()
    writeFileSync(
      join(directory, 'codes', 'sex.json'),
      '{"name":"sex","title":"性别","titleEn":"Sex","codes":{"1":"男"}}',
    )
    expect(() => loadDatasets(directory)).toThrow('codes/sex.json#/edition')
  })

  test('a pattern is matched in linear time, should one that can be slow ever come through', () => {
    const schema = { type: 'string', pattern: '^(a+)+$' }
    const validate = createSchemaCompiler(tables).compile(schema)
    const started = performance.now()
    expect(validate(`${'a'.repeat(5000)}!`)).toBe(false)
    expect(performance.now() - started).toBeLessThan(500)
  })
})
