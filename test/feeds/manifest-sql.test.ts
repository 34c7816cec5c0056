import { expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { loadDatasets } from '../../src/feeds/datasets.ts'
import { secretNames } from '../../src/feeds/manifest-secrets.ts'
import type { SqlReading, SqlSourceManifest } from '../../src/feeds/manifest-types.ts'
import { parseManifest } from '../../src/feeds/manifest.ts'
import { createManifest } from './sample-manifest.ts'

const datasets = loadDatasets()
const window = { lookbackSeconds: 60, settleSeconds: 5, start: '2020-01-01T00:00:00Z' }

const exchange: SqlReading = {
  kind: 'exchange',
  operationTime: 'gxsj',
  id: 'id',
  window,
  batch: 'pch',
  flag: { column: 'tbbz', ready: ['0'], writing: ['2'], done: '1', mark: true },
}

const source: SqlSourceManifest = {
  kind: 'sql',
  driver: 'mariadb',
  host: 'db.department.example',
  port: 3306,
  database: 'front',
  user: 'reader',
  password: 'frontPassword',
  tls: { kind: 'verify', ca: 'cityAuthority' },
  table: 'rkxx',
  columns: ['id', 'gxsj', 'xm'],
  reading: { kind: 'keyset', updatedAt: 'gxsj', id: 'id', window },
  pageSize: 500,
  timeoutMs: 10_000,
}

const missing = { deletes: { kind: 'missing', guardRatio: 0.2 } }
const compare = { compare: { everyDays: 7, guardRatio: 0.2 } }

/** The faults of a manifest with this source, and with what else is given. */
function faultsOf(change: object, more: object = {}): string {
  try {
    parseManifest({ ...createManifest(), source: { ...source, ...change }, ...more }, datasets)
  } catch (error) {
    if (error instanceof AppError && error.code === 'MANIFEST_INVALID') return error.detail
    throw error
  }
  return ''
}

/** A filter of one level more than `levels`. */
function nested(levels: number): unknown {
  let filter: unknown = { kind: 'is-null', column: 'xm' }
  for (let level = 0; level < levels; level++) filter = { kind: 'not', filter }
  return filter
}

test.each([
  ['a keyset', {}, compare],
  ['an exchange table', { reading: exchange }, {}],
  ['a whole table', { reading: { kind: 'whole', id: 'id' } }, missing],
  ['an address whose certificate has a name', { host: '10.20.0.5', tls: { kind: 'verify', serverName: 'db' } }, {}],
  ['a filter of six levels', { filter: nested(5) }, {}],
])('%s is accepted', (_name, change, more) => {
  expect(faultsOf(change, more)).toBe('')
})

test.each([
  ['another driver', { driver: 'sqlite' }, {}, '/source/driver: given "sqlite"'],
  ['no word about TLS', { tls: undefined }, {}, 'wanted the member "tls"'],
  ['a column of the order that is not read', { columns: ['id', 'xm'] }, {}, '/source/reading/updatedAt: given "gxsj"'],
  ['deletion of what a window did not hold', {}, missing, '/deletes/kind'],
  ['deletion of what an exchange table did not hold', { reading: exchange }, missing, '/deletes/kind'],
  ['a compare of an exchange table, which holds changes', { reading: exchange }, compare, '/compare'],
  ['a choice by religion', { filter: { kind: 'is-null', column: 'zjxy' } }, {}, '/source/filter/column: given "zjxy"'],
  ['a filter of seven levels', { filter: nested(6) }, {}, '/source/filter: given a larger tree'],
  ['a filter of a hundred thousand levels', { filter: nested(100_000) }, {}, 'wanted at most 32 levels'],
  ['a filter that is SQL', { filter: { kind: 'sql', text: '1 = 1' } }, {}, '/source/filter/kind'],
  ['TLS to an address without a name', { host: '10.20.0.5' }, {}, '/source/tls/serverName'],
  ['TLS to Oracle without a distinguished name', { driver: 'oracle' }, {}, '/source/tls/serverName'],
  ['TLS to Dameng', { driver: 'dameng' }, {}, '/source/tls/kind'],
])('%s is refused', (_name, change, more, line) => {
  expect(faultsOf(change, more)).toContain(line)
})

test('its secrets are the password and the authority', () => {
  expect(secretNames(source)).toEqual(['frontPassword', 'cityAuthority'])
  expect(secretNames({ ...source, tls: { kind: 'off' } })).toEqual(['frontPassword'])
})
