import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { loadDatasets } from '../src/feeds/datasets.ts'
import { loadDepartments } from '../src/feeds/departments.ts'
import { listConnectors, readManifest } from '../src/feeds/manifest.ts'
import { valueAt } from '../src/feeds/manifest-errors.ts'
import { maskFields } from '../src/feeds/masks.ts'
import { describeTestFaults } from '../src/ingest/manifest-tests.ts'
import { compileMapping } from '../src/ingest/map.ts'
import { validate } from '../src/ingest/validate.ts'
import manifestSchema from '../schemas/manifest.schema.json' with { type: 'json' }

const root = fileURLToPath(new URL('../connectors/', import.meta.url))
const datasets = loadDatasets()
const connectors = listConnectors(root).map(({ department, path }) => {
  return { department, path, name: `${department}/${basename(path)}` }
})
const token = (value: string): string => `token-${value.length}`
const today = new Date('2026-01-01T00:00:00Z')

function readSample(path: string): readonly unknown[] {
  const file = join(dirname(path), 'samples', basename(path))
  const rows: unknown = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : []
  return Array.isArray(rows) ? rows : []
}

function openConnector(path: string) {
  const manifest = readManifest(path, datasets)
  const dataset = datasets.get(manifest.feed.dataset)
  if (dataset === undefined) throw new Error(`no schema for ${manifest.feed.dataset}`)
  return { manifest, dataset }
}

test('every registered department has connectors, and nobody else', () => {
  const registered = [...loadDepartments().keys()]
  expect([...new Set(connectors.map(({ department }) => department))].toSorted()).toEqual(registered.toSorted())
  expect(registered.length).toBeGreaterThanOrEqual(14)
})

/** The kinds that the manifest schema has for one thing, from the branches at a pointer. */
function kindsAt(pointer: string): readonly string[] {
  const branches: readonly unknown[] = Object(valueAt(manifestSchema, `${pointer}/oneOf`))
  return branches.map((branch) => {
    const reference = valueAt(branch, '/$ref')
    const at = typeof reference === 'string' ? valueAt(manifestSchema, reference.slice(1)) : branch
    return String(valueAt(at, '/properties/kind/const'))
  })
}

/** The kinds that the manifests use for one thing. */
const used = (pointer: string): ReadonlySet<unknown> =>
  new Set(connectors.map(({ path }) => valueAt(readManifest(path, datasets), pointer)))

test.for([
  ['/properties/source', '/source/kind', []],
  ['/$defs/httpSource/properties/auth', '/source/auth/kind', ['none']],
  ['/$defs/httpSource/properties/paging', '/source/paging/kind', []],
  ['/$defs/httpSource/properties/answer', '/source/answer/kind', ['json']],
  ['/$defs/sqlSource/properties/reading', '/source/reading/kind', []],
  ['/$defs/fileFormat', '/source/format/kind', []],
] as const)('between them the connectors use every kind of %s', ([schema, pointer, others]) => {
  const kinds = kindsAt(schema)
  expect(kinds.length).toBeGreaterThan(1)
  const known = new Set<unknown>([...used(pointer), ...others])
  expect(kinds.filter((kind) => !known.has(kind))).toEqual([])
})

test('the README names every department and every feed', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const rows = [...loadDepartments().values()].map(
    ({ code, folder, name }) => `| \`${code}\` | \`${folder}\` | ${name} |`,
  )
  const feeds = connectors.map(({ path }) => `| \`${readManifest(path, datasets).feed.code}\` |`)
  expect([...rows, ...feeds].filter((row) => !readme.includes(row))).toEqual([])
})

test('there is no code among the connectors', () => {
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  expect(files.filter(({ name }) => !/\.(json|md)$/.test(name))).toEqual([])
})

test('no two connectors use one feed code', () => {
  const codes = connectors.map(({ path }) => readManifest(path, datasets).feed.code)
  expect(new Set(codes).size).toBe(codes.length)
})

describe.for(connectors)('$name', ({ department, path }) => {
  test('is a valid manifest of its own department', () => {
    expect(readManifest(path, datasets).feed.department).toBe(department)
  })

  test('names an example host and no true one', () => {
    const { source } = readManifest(path, datasets)
    const hosts = { http: 'baseUrl', sql: 'host', file: 'host', push: 'host' } as const
    // A department that posts is not reached.
    const reached =
      source.kind === 'file' || source.kind === 'push'
        ? { host: 'local.invalid', ...('transport' in source ? source.transport : {}) }
        : source
    const host = new Map<string, unknown>(Object.entries(reached)).get(hosts[source.kind])
    expect(host).toMatch(/\.invalid$/)
  })

  test('maps every required field of its dataset', () => {
    const { manifest, dataset } = openConnector(path)
    const mapped = new Set(manifest.map.map(({ to }) => to))
    const required = dataset.properties.filter((property) => property.required && property.name !== 'sourceRecordId')
    expect(required.filter(({ name }) => !mapped.has(`/${name}`))).toEqual([])
  })

  test('comes with a sample page of 3 to 6 rows that all pass without a warning', () => {
    const { manifest, dataset } = openConnector(path)
    const rows = readSample(path)
    const { valid, rejected } = validate(
      rows.map((value, row) => compileMapping(manifest, dataset)({ row, value })),
      dataset,
    )
    expect(rows.length).toBeGreaterThanOrEqual(3)
    expect(rows.length).toBeLessThanOrEqual(6)
    expect(rejected.map(({ source, reasons }) => ({ row: source.row, reasons }))).toEqual([])
    expect(valid.flatMap(({ warnings }) => warnings)).toEqual([])
  })

  test('has tests of its own: a row that is good, one that is not, and a deletion where rows can say so', () => {
    const { manifest, dataset } = openConnector(path)
    const kinds = (manifest.tests ?? []).map((one) => one.expect.kind)
    const flagged = manifest.deletes.kind === 'flag' ? ['deletion'] : []
    expect(kinds).toEqual(expect.arrayContaining(['record', 'rejection', ...flagged]))
    expect(describeTestFaults(manifest, dataset)).toEqual([])
  })

  test('lets no personal value of its sample survive the masks', () => {
    const { manifest, dataset } = openConnector(path)
    const map = compileMapping(manifest, dataset)
    const identifiers = dataset.properties.filter(
      (property) => property.class === 'identifier' || property.level === 'L4',
    )
    for (const [row, value] of readSample(path).entries()) {
      const { fields } = map({ row, value })
      const masked = JSON.stringify(maskFields(dataset, fields, token, today))
      const clear = identifiers.map(({ name }) => fields[name]).filter((field) => typeof field === 'string')
      expect(clear.filter((text) => masked.includes(text)).length).toBe(0)
    }
  })

  test('shows no sealed field of its sample as it came', () => {
    const { manifest, dataset } = openConnector(path)
    const map = compileMapping(manifest, dataset)
    const hidden = dataset.properties.filter(({ mask, level }) => mask !== 'NONE' && level !== 'L1')
    for (const [row, value] of readSample(path).entries()) {
      const { fields } = map({ row, value })
      const masked = maskFields(dataset, fields, token, today)
      const same = hidden.filter(({ name }) => fields[name] !== undefined && masked[name] === fields[name])
      expect(same.map(({ name }) => name)).toEqual([])
    }
  })
})
