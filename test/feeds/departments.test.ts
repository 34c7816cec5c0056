import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { loadDatasets } from '../../src/feeds/datasets.ts'
import { loadDepartments } from '../../src/feeds/departments.ts'
import { parseManifest } from '../../src/feeds/manifest.ts'
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

/** A registry with one entry added to the fourteen, and nothing but data changed. */
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

function faultOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (error instanceof AppError) return `${error.code} ${error.detail}`
    throw error
  }
  return 'accepted'
}

describe('the registry', () => {
  test('holds the fourteen of Article 6', () => {
    const codes = [...departments.values()].map(({ code }) => code)
    expect(codes.toSorted()).toEqual('CG GA HB MZ NY RS SC SF WJ XF YB YJ ZR ZW'.split(' '))
  })

  test('offers only datasets that are there', () => {
    const offered = [...departments.values()].flatMap((department) => department.datasets)
    expect(offered.filter((name) => !datasets.has(name))).toEqual([])
  })

  test('takes a fifteenth by data alone, and then its manifests', () => {
    const fifteen = loadWith(housing)
    expect(fifteen.size).toBe(15)
    expect(parseManifest(manifestOf(housing.folder), datasets, fifteen).feed.department).toBe(housing.folder)
  })

  test('refuses the manifest of a department that is not registered', () => {
    expect(faultOf(() => parseManifest(manifestOf(housing.folder), datasets))).toMatch(
      /^MANIFEST_INVALID \/feed\/department: given "housing-construction", wanted a department of schemas\/departments\.json/,
    )
  })

  test.each([
    [{ ...housing, code: 'GA' }, '/departments/14/code'],
    [{ ...housing, folder: 'health' }, '/departments/14/folder'],
    [{ ...housing, folder: 'Housing' }, '/departments/14/folder'],
    [{ ...housing, name: 'Housing' }, '/departments/14/name'],
    [{ ...housing, datasets: 'housing' }, '/departments/14/datasets'],
    ['health', '/departments/14'],
  ])('names the place where %o is wrong', (entry, pointer) => {
    expect(faultOf(() => loadWith(entry))).toMatch(new RegExp(`^SCHEMA_INVALID departments\\.json#${pointer}: wanted `))
  })
})
