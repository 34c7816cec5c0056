import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { loadDatasets } from '../src/feeds/datasets.ts'
import { listConnectors, readManifest } from '../src/feeds/manifest.ts'
import { maskFields } from '../src/feeds/masks.ts'
import { compileMapping } from '../src/ingest/map.ts'
import { validate } from '../src/ingest/validate.ts'

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

test('there are connectors, and no code among them', () => {
  expect(connectors.length).toBeGreaterThanOrEqual(5)
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
