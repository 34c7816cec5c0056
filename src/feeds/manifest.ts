import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { AppError } from '../errors.ts'
import { isObject, readJsonObject } from './code-tables.ts'
import type { Dataset } from './datasets.ts'
import { registeredDepartments, type Department } from './departments.ts'
import { toManifestFaults, valueAt, type ManifestFault } from './manifest-errors.ts'
import { findDepartmentFaults, findManifestFaults } from './manifest-rules.ts'
import type { Manifest } from './manifest-types.ts'
import { linearPattern } from './schema-check.ts'

const MOST_FAULTS = 20
const FILE = 'manifest.schema.json'

type JsonObject = Readonly<Record<string, unknown>>

function kindOf(branch: unknown, root: JsonObject): string {
  const reference = isObject(branch) ? branch['$ref'] : undefined
  const target = typeof reference === 'string' ? valueAt(root, reference.slice(1)) : branch
  return String(valueAt(target, '/properties/kind/const'))
}

/**
 * Tells ajv that the branches of a `oneOf` are told apart by `kind`, so that it reports the errors of the branch that
 * was meant and not those of all. The kinds are noted beside it for the message.
 */
function markKinds(value: unknown, root: JsonObject): unknown {
  if (Array.isArray(value)) return value.map((entry) => markKinds(entry, root))
  if (!isObject(value)) return value
  const { oneOf, required } = value
  const members = Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, markKinds(inner, root)]))
  if (!Array.isArray(oneOf) || !Array.isArray(required) || !required.includes('kind')) return members
  const kinds = oneOf.map((branch) => kindOf(branch, root))
  return { ...members, discriminator: { propertyName: 'kind' }, $comment: kinds.join(', ') }
}

function compileManifestSchema(): ValidateFunction<Manifest> {
  // The schema splits objects over oneOf branches, which the two strict options below would refuse.
  const options = { strict: true, strictTypes: false, strictRequired: false, allErrors: true, verbose: true } as const
  const ajv = new Ajv2020({ ...options, discriminator: true, code: { regExp: linearPattern } })
  addFormats.default(ajv, ['date-time', 'uri'])
  const path = fileURLToPath(new URL(`../../schemas/${FILE}`, import.meta.url))
  const schema = readJsonObject(path, FILE)
  return ajv.compile<Manifest>({ ...schema, ...Object(markKinds(schema, schema)) })
}

let compiled: ValidateFunction<Manifest> | undefined

function manifestSchema(): ValidateFunction<Manifest> {
  compiled ??= compileManifestSchema()
  return compiled
}

function refuse(faults: readonly ManifestFault[]): AppError {
  const lines = faults.map(({ pointer, given, wanted }) => `${pointer}: given ${given}, wanted ${wanted}`)
  const rest = lines.length - MOST_FAULTS
  const shown = rest > 0 ? [...lines.slice(0, MOST_FAULTS), `and ${rest} more`] : lines
  return new AppError('MANIFEST_INVALID', shown.join('\n'))
}

/** A full filter tree is 15 levels deep. What checks a manifest calls itself for each level, and the stack ends at some 1,400. */
const MOST_LEVELS = 32

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1))
}

/**
 * Any value as a manifest: it fits `schemas/manifest.schema.json`, its department is registered, and its mapping fits the
 * dataset it names. Throws AppError MANIFEST_INVALID whose detail has one line "JSON pointer: given …, wanted …" per fault,
 * at most 20.
 */
export function parseManifest(
  value: unknown,
  datasets: ReadonlyMap<string, Dataset>,
  departments: ReadonlyMap<string, Department> = registeredDepartments(),
): Manifest {
  if (isDeeper(value, MOST_LEVELS)) {
    throw refuse([{ pointer: '/', given: 'a deeper value', wanted: `at most ${MOST_LEVELS} levels` }])
  }
  const validate = manifestSchema()
  if (!validate(value)) throw refuse(toManifestFaults(validate.errors ?? [], value))
  const faults = [...findDepartmentFaults(value, departments), ...findManifestFaults(value, datasets)]
  if (faults.length > 0) throw refuse(faults)
  return value
}

/** The manifest in a file. Throws AppError MANIFEST_INVALID, as parseManifest, also where the file is no JSON. */
export function readManifest(path: string, datasets: ReadonlyMap<string, Dataset>): Manifest {
  return parseManifest(readJson(path), datasets)
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    throw new AppError('MANIFEST_INVALID', `/: given a file that is not JSON, wanted a manifest; correct ${path}`)
  }
}

/** One manifest file of a connector folder. */
export interface ConnectorFile {
  /** Name of the folder: the code of the department. */
  readonly department: string
  readonly path: string
}

/** Every `<directory>/<department>/*.json`, sorted. Sample pages lie one folder deeper and are not manifests. */
export function listConnectors(directory: string): readonly ConnectorFile[] {
  const folders = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  return folders
    .map((entry) => entry.name)
    .sort()
    .flatMap((department) =>
      readdirSync(join(directory, department))
        .filter((file) => file.endsWith('.json'))
        .sort()
        .map((file) => ({ department, path: join(directory, department, file) })),
    )
}
