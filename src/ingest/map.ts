import { AppError } from '../errors.ts'
import { isObject } from '../feeds/code-tables.ts'
import type { Dataset } from '../feeds/datasets.ts'
import { RECORD_ID } from '../feeds/manifest-rules.ts'
import type { Manifest, Mapping } from '../feeds/manifest-types.ts'
import type { Fields, Operation, RawRecord, SourceRow } from '../record.ts'
import { createFieldsBuilder } from './build-fields.ts'
import { settleCertificate } from './certificate.ts'
import { createCodeLookup, createConvert, isPrimitive, type Convert } from './convert.ts'
import { createNormaliser, type Findings } from './normalise.ts'
import { createFieldWatch, parsePointer, readPath, type Path } from './source-fields.ts'
import { createTimeReader } from './source-time.ts'

type SourceObject = Readonly<Record<string, unknown>>

/** One property and everything needed to fill it, worked out once per manifest. */
interface Step {
  readonly name: string
  readonly path: Path
  readonly constant: unknown
  readonly codes: ReadonlyMap<string, unknown> | null
  readonly convert: Convert | null
  readonly normalise: ReturnType<typeof createNormaliser>
}

function createStep(mapping: Mapping, dataset: Dataset): Step {
  const property = dataset.properties.find((candidate) => `/${candidate.name}` === mapping.to)
  if (property === undefined) {
    const detail = `/map: given ${mapping.to}, wanted a property of ${dataset.name}; parse the manifest first`
    throw new AppError('MANIFEST_INVALID', detail)
  }
  return {
    name: property.name,
    path: parsePointer(mapping.from ?? ''),
    constant: mapping.constant,
    codes: createCodeLookup(mapping),
    convert: createConvert(mapping),
    normalise: createNormaliser(property),
  }
}

function createIdStep(manifest: Manifest, dataset: Dataset): Step {
  return createStep({ to: `/${RECORD_ID}`, from: manifest.record.id, type: 'string' }, dataset)
}

/** The value of one property, or undefined where the row has none. */
function readValue(step: Step, row: SourceObject, findings: Findings): unknown {
  if (step.constant !== undefined) return step.constant
  const given = readPath(row, step.path)
  if (given === undefined || given === null) return undefined
  if (step.codes !== null && isPrimitive(given)) {
    const code = step.codes.get(String(given).trim())
    if (code !== undefined) return code
  }
  const value = step.convert === null ? given : step.convert(given)
  return typeof value === 'string' ? step.normalise(value, findings) : value
}

function createFieldsReader(
  steps: readonly Step[],
): (row: SourceObject, findings: Findings) => Record<string, unknown> {
  const build = createFieldsBuilder(steps.map((step) => step.name))
  return (row, findings) => build(steps.map((step) => readValue(step, row, findings)))
}

function createDeleteTest({ deletes }: Manifest): (row: SourceObject) => boolean {
  if (deletes.kind !== 'flag') return () => false
  const path = parsePointer(deletes.pointer)
  const values = new Set(deletes.values.map(String))
  return (row) => {
    const flag = readPath(row, path)
    return isPrimitive(flag) && values.has(String(flag).trim())
  }
}

type Unstaged = Omit<RawRecord, keyof RawRecord & symbol>

function toRaw(
  source: SourceRow,
  operation: Operation,
  fields: Fields,
  updatedAt: number | null,
  { warnings, faults }: Findings,
): RawRecord {
  const raw: Unstaged = { source, operation, fields, updatedAt, warnings, faults }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the one place where a RawRecord comes into being
  return raw as RawRecord
}

/**
 * The mapping of a manifest as one function from a source row to the dataset's own words, compiled once. Any row is
 * taken: one that is no object comes back with a fault (DQ-005) and never throws. A delete flag makes a record that
 * holds its id only. Nothing is judged here but characters that cannot rest; validate judges the rest.
 * Throws AppError MANIFEST_INVALID for a manifest that was not parsed against this dataset.
 */
export function compileMapping(manifest: Manifest, dataset: Dataset): (row: SourceRow) => RawRecord {
  const idStep = createIdStep(manifest, dataset)
  const readId = createFieldsReader([idStep])
  const readAll = createFieldsReader([idStep, ...manifest.map.map((mapping) => createStep(mapping, dataset))])
  const isDeleted = createDeleteTest(manifest)
  const readTime = createTimeReader(manifest)
  const watchFields = createFieldWatch(manifest)
  return (row) => {
    const findings: Findings = { warnings: [], faults: [] }
    const { value } = row
    if (!isObject(value)) {
      findings.faults.push({ rule: 'DQ-005', field: null })
      return toRaw(row, 'upsert', {}, null, findings)
    }
    if (isDeleted(value)) return toRaw(row, 'delete', readId(value, findings), null, findings)
    const fields = readAll(value, findings)
    settleCertificate(dataset, fields, findings)
    watchFields(value, findings)
    return toRaw(row, 'upsert', fields, readTime(value), findings)
  }
}
