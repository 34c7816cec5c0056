import { expect, test } from 'vitest'
import { loadDatasets } from '../../src/feeds/datasets.ts'
import { parseManifest, readManifest } from '../../src/feeds/manifest.ts'
import type { ExpectedOutcome, Manifest } from '../../src/feeds/manifest-types.ts'
import { assertTestsPass, describeTestFaults } from '../../src/ingest/manifest-tests.ts'
import { datasetOf } from '../../src/ingest/preview.ts'
import { codeOf } from '../support/coded-error.ts'

const datasets = loadDatasets()
const path = new URL('../../connectors/justice/mediation.json', import.meta.url).pathname
const mediation = readManifest(path, datasets)
const dataset = datasetOf(mediation, datasets)
const [accepted] = mediation.tests ?? []

const row = (change: object): unknown => ({ ...Object(accepted?.row), ...change })
const expecting = (outcome: ExpectedOutcome, change: object = {}): Manifest => ({
  ...mediation,
  tests: [{ name: 'one', row: row(change), expect: outcome }],
})
const stage = (value: unknown): ExpectedOutcome => ({ kind: 'record', fields: { stage: value } })

test.for([
  ['a record with the fields that are named', stage('ACCEPTED'), {}],
  ['a field that the record has not', { kind: 'record', fields: { closedDate: null } }, {}],
  ['a warning', { kind: 'record', fields: { stage: 'ACCEPTED' }, warnings: ['DQ-002'] }, { fresh: 'x' }],
  ['a deletion', { kind: 'deletion' }, { czlx: 'D' }],
  [
    'a rejection, whatever the order of its rules',
    { kind: 'rejection', rules: ['DQ-040', 'DQ-001'] },
    { ajlx: '?', ajbh: '' },
  ],
] as const)('%s passes', ([, expected, change]) => {
  expect(describeTestFaults(expecting(expected, change), dataset)).toEqual([])
})

test.for([
  ['another value', stage('DONE'), {}, '/tests/0/expect/fields/stage: given "ACCEPTED", wanted "DONE"'],
  [
    'a value that is not there',
    stage('DONE'),
    { bljd: '' },
    '/tests/0/expect/kind: given a rejection by DQ-001, wanted a record',
  ],
  ['a record', { kind: 'deletion' }, {}, '/tests/0/expect/kind: given a record, wanted a deletion'],
  [
    'another rule',
    { kind: 'rejection', rules: ['DQ-001'] },
    { ajlx: '?' },
    '/tests/0/expect/rules/0: given "DQ-040", wanted "DQ-001"',
  ],
  [
    'a warning too much',
    { kind: 'record', fields: { stage: 'ACCEPTED' }, warnings: [] },
    { fresh: 'x' },
    '/tests/0/expect/warnings/0: given "DQ-002", wanted nothing',
  ],
] as const)('%s fails, and says where', ([, expected, change, fault]) => {
  expect(describeTestFaults(expecting(expected, change), dataset)).toEqual([fault])
})

test('a manifest whose tests fail is refused with its code', async () => {
  expect(await codeOf(() => assertTestsPass(expecting(stage('DONE')), dataset))).toBe('MANIFEST_INVALID')
})

test.for([
  ['a citizen number', '事项 51050219800101441X'],
  ['a mobile number', '13812345678'],
])('%s that may be true is refused, and not repeated', ([, text]) => {
  const manifest = expecting(stage('ACCEPTED'), { cbdw: text })
  expect(() => parseManifest(manifest, datasets)).toThrow(
    /^(?!.*(51050219800101441X|13812345678)).*\/tests\/0\/row\/cbdw/s,
  )
})

test.for(['510599198001014419', '510502190001010017', '19900000001'])('a number that is made up is taken', (text) => {
  expect(parseManifest(expecting(stage('ACCEPTED'), { cbdw: text }), datasets).tests).toHaveLength(1)
})
