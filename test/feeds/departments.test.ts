import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { loadDatasets } from '../../src/feeds/datasets.ts'
import { loadDepartments } from '../../src/feeds/departments.ts'
import { parseManifest } from '../../src/feeds/manifest.ts'
import { faultOf } from '../support/coded-error.ts'
import { makeFolder } from '../support/folder.ts'
import { createManifest } from './sample-manifest.ts'

const SCHEMAS = fileURLToPath(new URL('../../schemas/', import.meta.url))
const datasets = loadDatasets()
const departments = loadDepartments()
const housing = {
  folder: 'housing-construction',
  code: 'ZJ',
  name: '住房城乡建设',
  nameEn: 'Housing',
  datasets: ['housing'],
}

/** The registry with one entry added, and nothing but data changed. */
function loadWith(entry: unknown): ReturnType<typeof loadDepartments> {
  const directory = makeFolder('departments-')
  cpSync(SCHEMAS, directory, { recursive: true })
  const file = join(directory, 'departments.json')
  const registry = JSON.parse(readFileSync(file, 'utf8'))
  writeFileSync(file, JSON.stringify({ ...registry, departments: [...registry.departments, entry] }))
  return loadDepartments(directory)
}

const manifestOf = (department: string): unknown => {
  const manifest = createManifest()
  return { ...manifest, feed: { ...manifest.feed, department } }
}

describe('the registry', () => {
  test('holds the fourteen of Article 6, and may hold more', () => {
    const codes = [...departments.values()].map(({ code }) => code)
    expect(codes).toEqual(expect.arrayContaining('CG GA HB MZ NY RS SC SF WJ XF YB YJ ZR ZW'.split(' ')))
  })

  test('offers only datasets that are there', () => {
    const offered = [...departments.values()].flatMap((department) => department.datasets)
    expect(offered.filter((name) => !datasets.has(name))).toEqual([])
  })

  test('takes one more by data alone, and then its manifests', () => {
    const more = loadWith(housing)
    expect(more.size).toBe(departments.size + 1)
    expect(parseManifest(manifestOf(housing.folder), datasets, more).feed.department).toBe(housing.folder)
  })

  test('refuses the manifest of a department that is not registered', () => {
    expect(faultOf(() => parseManifest(manifestOf(housing.folder), datasets))).toMatch(
      /^MANIFEST_INVALID \/feed\/department: given "housing-construction", wanted a department of schemas\/departments\.json/,
    )
  })

  test.each([
    [{ ...housing, code: 'GA' }, '/code'],
    [{ ...housing, folder: 'health' }, '/folder'],
    [{ ...housing, folder: 'Housing' }, '/folder'],
    [{ ...housing, name: 'Housing' }, '/name'],
    [{ ...housing, datasets: 'housing' }, '/datasets'],
    ['health', ''],
  ])('names the place where %o is wrong', (entry, member) => {
    const pointer = `/departments/${departments.size}${member}`
    expect(faultOf(() => loadWith(entry))).toMatch(new RegExp(`^SCHEMA_INVALID departments\\.json#${pointer}: wanted `))
  })
})
