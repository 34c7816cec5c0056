import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AppError } from '../errors.ts'
import { isObject, readJsonObject } from './code-tables.ts'

/** A department that may own feeds. Which there are is data, `schemas/departments.json`, and the list is open. */
export interface Department {
  /** Name of its folder in connectors/, and the value of /feed/department in its manifests. */
  readonly folder: string
  /** The letters of it in a feed code, `LZ-<code>-…`. */
  readonly code: string
  readonly name: string
  readonly nameEn: string
  /** Datasets that its default catalogue offers; a feed of another dataset is no fault. */
  readonly datasets: readonly string[]
}

const DEFAULT_DIRECTORY = fileURLToPath(new URL('../../schemas/', import.meta.url))
const FILE = 'departments.json'

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
const isTextList = (value: unknown): boolean => Array.isArray(value) && value.every(isText)

const members = [
  { key: 'folder', wanted: 'lower-case words joined by hyphens', holds: /^[a-z]+(-[a-z]+)*$/ },
  { key: 'code', wanted: 'two to six capital letters', holds: /^[A-Z]{2,6}$/ },
  { key: 'name', wanted: 'a Chinese name', holds: /^\p{Script=Han}+$/u },
  { key: 'nameEn', wanted: 'an English name', holds: /^[\w ,-]+$/ },
] as const

function refuse(pointer: string, wanted: string): AppError {
  return new AppError('SCHEMA_INVALID', `${FILE}#${pointer}: wanted ${wanted}; correct the registry of departments`)
}

function assertDepartment(value: unknown, at: string): asserts value is Department {
  if (!isObject(value)) throw refuse(at, 'an object')
  const wrong = members.find(({ key, holds }) => !isText(value[key]) || !holds.test(value[key]))
  if (wrong !== undefined) throw refuse(`${at}/${wrong.key}`, wrong.wanted)
  if (!isTextList(value['datasets'])) throw refuse(`${at}/datasets`, 'a list of datasets')
}

function toDepartment(value: unknown, index: number): Department {
  assertDepartment(value, `/departments/${index}`)
  return value
}

/** Two departments under one folder or one code could not be told apart. */
function assertDistinct(departments: readonly Department[], key: 'folder' | 'code'): void {
  const seen = new Set<string>()
  for (const [index, department] of departments.entries()) {
    if (seen.has(department[key])) throw refuse(`/departments/${index}/${key}`, 'one that no other department has')
    seen.add(department[key])
  }
}

/**
 * The registered departments by their folder, in the order of the file. Default: the registry of this repository. Throws AppError
 * SCHEMA_INVALID naming the JSON pointer of the first fault.
 */
export function loadDepartments(directory: string = DEFAULT_DIRECTORY): ReadonlyMap<string, Department> {
  const { departments: listed } = readJsonObject(join(directory, FILE), FILE)
  if (!Array.isArray(listed)) throw refuse('/departments', 'a list')
  const departments = listed.map(toDepartment)
  assertDistinct(departments, 'folder')
  assertDistinct(departments, 'code')
  return new Map(departments.map((department) => [department.folder, department]))
}

let registry: ReadonlyMap<string, Department> | undefined

/** The registry of this repository, read once. */
export function registeredDepartments(): ReadonlyMap<string, Department> {
  registry ??= loadDepartments()
  return registry
}
