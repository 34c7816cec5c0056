import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { loadDatasets } from '../../src/feeds/datasets.ts'
import { findDeniedTopic, holdsDeniedText } from '../../src/feeds/deny-list.ts'
import { listConnectors, parseManifest, readManifest } from '../../src/feeds/manifest.ts'
import type { Manifest, SqlSourceManifest } from '../../src/feeds/manifest-types.ts'
import { makeFolder } from '../support/folder.ts'
import { createHousingManifest, createManifest } from './sample-manifest.ts'

const datasets = loadDatasets()
const manifest = createManifest()

/** The lines of the error that a value gives; none when it is accepted. */
function faultsOf(value: unknown): readonly string[] {
  try {
    parseManifest(value, datasets)
  } catch (error) {
    if (error instanceof AppError && error.code === 'MANIFEST_INVALID') return error.detail.split('\n')
    throw error
  }
  return []
}

const sqlSource: SqlSourceManifest = {
  kind: 'sql',
  driver: 'postgresql',
  host: 'db.example',
  port: 5432,
  database: 'police',
  user: 'reader',
  password: 'policePassword',
  table: 'resident',
  columns: ['id', 'gxsj', 'xm'],
  tls: { kind: 'off' },
  reading: {
    kind: 'keyset',
    updatedAt: 'gxsj',
    id: 'id',
    window: { lookbackSeconds: 60, settleSeconds: 5, start: '2020-01-01T00:00:00Z' },
  },
  pageSize: 500,
  timeoutMs: 10_000,
}

const withMapping = (...mappings: Manifest['map']): Manifest => ({ ...manifest, map: [...manifest.map, ...mappings] })
const withSource = (change: object): unknown => ({ ...manifest, source: { ...manifest.source, ...change } })
const withQuery = (query: Readonly<Record<string, string>>): unknown =>
  withSource({ request: { method: 'GET', path: '/x', query } })
const withBody = (body: object, change: object = {}): unknown =>
  withSource({ request: { method: 'POST', path: '/x', query: { token: '{page.token}' }, body }, ...change })
const soap = { kind: 'soap', version: '1.1', namespace: 'http://x.example/', operation: 'list', parameters: [] }

test('good manifests are accepted', () => {
  expect(faultsOf(manifest)).toEqual([])
  expect(faultsOf(createHousingManifest())).toEqual([])
  expect(faultsOf({ ...manifest, source: sqlSource })).toEqual([])
})

describe('what does not fit the schema is told line by line', () => {
  test.each([
    ['a missing member', { ...manifest, limits: undefined }, ['/: given an object, wanted the member "limits"']],
    [
      'an unknown member',
      { ...manifest, script: 'x' },
      ['/: given an object, wanted only members that the manifest schema names'],
    ],
    [
      'a wrong code',
      { ...manifest, feed: { ...manifest.feed, code: 'lz' } },
      ['/feed/code: given "lz", wanted a text like ^[A-Z0-9]+(-[A-Z0-9]+){1,5}$'],
    ],
    [
      'a wrong kind',
      { ...manifest, source: { ...manifest.source, kind: 'ftp' } },
      ['/source/kind: given "ftp", wanted one of http, sql, file, push'],
    ],
    [
      'a member missing in the chosen branch only',
      { ...manifest, source: { ...sqlSource, table: undefined } },
      ['/source: given an object, wanted the member "table"'],
    ],
    [
      'a wrong kind inside the chosen branch',
      { ...manifest, source: { ...manifest.source, auth: { kind: 'digest' } } },
      [
        '/source/auth/kind: given "digest", wanted one of none, basic, bearer, api-key, oauth2, hmac-sm3, ' +
          'sorted-parameters, national-platform, tif',
      ],
    ],
    [
      'a mapping with two sources',
      { ...manifest, map: [{ to: '/name', from: '/a', constant: 'b' }] },
      ['/map/0: given an object, wanted exactly one of the forms that the manifest schema names'],
    ],
  ])('%s', (_, value, lines) => {
    expect(faultsOf(value)).toEqual(lines)
  })

  test('at most 20 faults are told', () => {
    const map = Array.from({ length: 50 }, () => ({ to: 'x' }))
    const lines = faultsOf({ ...manifest, map })
    expect(lines).toHaveLength(21)
    expect(lines.at(-1)).toMatch(/^and \d+ more$/)
  })

  test('a long text is not repeated, for it may be a secret', () => {
    const secret = 'a1B2'.repeat(12)
    expect(faultsOf({ ...manifest, feed: { ...manifest.feed, code: secret } }).join()).not.toContain(secret)
  })

  test('any value at all is refused without another error', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(faultsOf(value).length).toBeGreaterThan(0)
      }),
    )
  })
})

describe('what does not fit the dataset is refused', () => {
  test.each([
    ['an unknown dataset', { ...manifest, feed: { ...manifest.feed, dataset: 'pet' } }, '/feed/dataset: given "pet"'],
    ['an unknown property', withMapping({ to: '/shoeSize', from: '/a' }), '/map/13/to: given "/shoeSize"'],
    ['the record id mapped again', withMapping({ to: '/sourceRecordId', from: '/a' }), '/map/13/to'],
    ['one property mapped twice', withMapping({ to: '/name', from: '/a' }), '/map: given 2 mappings to /name'],
    ['a required property not mapped', { ...manifest, map: manifest.map.slice(1) }, 'the required /certType'],
    [
      'a code outside the table',
      withMapping({ to: '/education', from: '/xl', codes: { 本科: '2x' } }),
      '/map/13/codes/本科',
    ],
    ['a constant outside the list', withMapping({ to: '/education', constant: '00' }), '/map/13/constant'],
    ['religion by pinyin', withMapping({ to: '/education', from: '/zjxy' }), '/map/13/from'],
    ['health in Chinese', withMapping({ to: '/education', from: '/人员/健康状况' }), 'health'],
    ['fingerprints in English', withMapping({ to: '/education', from: '/leftFingerprint' }), 'biometrics'],
    ['a built-in name', withMapping({ to: '/education', from: '/constructor' }), '/map/13/from'],
    [
      'a cron of six fields',
      { ...manifest, schedule: { cron: '0 0 2 * * *', timezone: 'Asia/Shanghai' } },
      '/schedule/cron',
    ],
    [
      'an unknown time zone',
      { ...manifest, schedule: { cron: '0 2 * * *', timezone: 'Asia/Luzhou' } },
      '/schedule/timezone',
    ],
    [
      'a keyset column that is not read',
      { ...manifest, source: { ...sqlSource, columns: ['id', 'xm'] } },
      '/source/reading/updatedAt: given "gxsj", wanted one of /source/columns',
    ],
    ['a token in the query', withQuery({ access_token: 'abc' }), '/source/request/query/access_token'],
    ['a key of 32 hexadecimal digits', withQuery({ x: '0123456789abcdef0123456789abcdef' }), '/source/request/query/x'],
    [
      'a user in the address',
      { ...manifest, source: { ...manifest.source, baseUrl: 'https://user:pass@residents.example' } },
      '/source/baseUrl',
    ],
    [
      'a password instead of the name of one',
      { ...manifest, source: { ...sqlSource, password: 'aB3dE6gH9jK2mN5pQ8sT1' } },
      '/source/password',
    ],
  ])('%s', (_, value, line) => {
    expect(faultsOf(value).join('\n')).toContain(line)
  })

  test.each([
    [
      'a variable of another paging',
      withQuery({ a: '{page.number}' }),
      '/source/request: given {page.number}, wanted {page.token}',
    ],
    ['no variable of the page', withQuery({}), '/source/request: given no variable of the page, wanted {page.token}'],
    [
      'a window that nobody reads',
      withQuery({ t: '{page.token}', a: '{window.from}' }),
      '/source/incremental: given nothing, wanted a window, which {window.from} tells the source',
    ],
    [
      'a window that is not sent',
      withSource({
        incremental: {
          window: { lookbackSeconds: 0, settleSeconds: 0, start: '2020-01-01T00:00:00Z' },
          tieBreaker: '/id',
        },
      }),
      '{window.from} in /source/request',
    ],
    [
      'a body of a GET',
      withSource({
        request: { method: 'GET', path: '/x', query: {}, body: { kind: 'form', fields: { t: '{page.token}' } } },
      }),
      'wanted POST',
    ],
    ['SOAP that is read as JSON', withBody(soap), '/source/answer/kind: given nothing, wanted xml'],
    ['lines with a pointer', withSource({ answer: { kind: 'ndjson' } }), '/source/records: given "/data/rows"'],
    [
      'a keyset by the update time, which many rows share',
      withSource({
        request: { method: 'GET', path: '/x', query: { a: '{page.key}' } },
        paging: { kind: 'keyset', size: 10, key: '/gxsj' },
      }),
      '/source/paging/key: given "/gxsj", wanted a unique key',
    ],
    ['a token beside a bare list', withSource({ records: '' }), '/source/paging/next: given a pointer'],
    [
      'a certificate without TLS',
      withSource({ baseUrl: 'http://x.example', tls: { authority: 'ca' } }),
      '/source/baseUrl',
    ],
    ['a certificate without its key', withSource({ tls: { certificate: 'cert' } }), '/source/tls'],
    [
      'a key that two write',
      withSource({ auth: { kind: 'api-key', in: 'query', name: 'size', key: 'k' } }),
      '/source/request/query/size',
    ],
    [
      'a password in a form',
      withBody({ kind: 'form', fields: { password: 'abc' } }),
      '/source/request/body/fields/password',
    ],
    [
      'a password in SOAP',
      withBody({ ...soap, parameters: [{ name: 'password', value: 'abc' }] }),
      '/source/request/body/parameters/password',
    ],
    ['an unknown variable', withQuery({ a: '{page.secret}' }), '/source/request/query/a'],
    ['a template', withBody({ kind: 'json', fields: { a: 'x{page.token}' } }), '/source/request/body/fields/a'],
  ])('%s', (_, value, line) => {
    expect(faultsOf(value).join('\n')).toContain(line)
  })

  test('a variable under a secret name is no secret', () => {
    expect(faultsOf(withQuery({ pageToken: '{page.token}' }))).toEqual([])
  })
})

describe('the deny list', () => {
  test.each([
    ['宗教信仰', 'religion'],
    ['zjxy', 'religion'],
    ['religionCode', 'religion'],
    ['是否艾滋病', 'hiv'],
    ['blood_type', 'health'],
    ['xuexing', 'health'],
    ['刑释日期', 'crime'],
    ['矫正类别', 'community-correction'],
    ['faceImage', 'biometrics'],
    ['吸毒史', 'drugs'],
  ])('%s is about %s', (name, topic) => {
    expect(findDeniedTopic(name)?.topic).toBe(topic)
  })

  test.each(['xm', 'zjhm', 'surface', 'interfaceNo', 'residenceAddress', '户籍地址', '网格编码', 'zjlx', 'education'])(
    '%s is about nothing denied',
    (name) => {
      expect(findDeniedTopic(name)).toBeNull()
    },
  )

  test('free text is judged by what it tells', () => {
    expect([holdsDeniedText('该户有社区矫正人员'), holdsDeniedText('门锁已换')]).toEqual([true, false])
  })
})

test('connectors are found by folder, samples are left out', () => {
  const directory = makeFolder('connectors-')
  for (const department of ['public-security', 'civil-affairs']) mkdirSync(join(directory, department))
  writeFileSync(join(directory, 'README.md'), '')
  writeFileSync(join(directory, 'public-security', 'resident.json'), JSON.stringify(manifest))
  mkdirSync(join(directory, 'public-security', 'samples'))
  writeFileSync(join(directory, 'public-security', 'samples', 'resident.json'), '[]')
  writeFileSync(join(directory, 'civil-affairs', 'grid.json'), '{')
  const found = listConnectors(directory)
  expect(found.map(({ department, path }) => [department, path.slice(directory.length + 1)])).toEqual([
    ['civil-affairs', join('civil-affairs', 'grid.json')],
    ['public-security', join('public-security', 'resident.json')],
  ])
  expect(readManifest(found[1]?.path ?? '', datasets)).toEqual(manifest)
  expect(() => readManifest(found[0]?.path ?? '', datasets)).toThrow(/not JSON/)
})
