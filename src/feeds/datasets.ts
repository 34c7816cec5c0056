import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AppError } from '../errors.ts'
import type { Fields, Reason } from '../record.ts'
import { loadCodeTables, readJsonObject, type CodeTable } from './code-tables.ts'
import {
  findDatasetFaults,
  type Classification,
  type DatasetSchema,
  type Level,
  type PropertySchema,
} from './dataset-rules.ts'
import type { MaskId } from './mask-rules.ts'
import {
  findMergeFaults,
  readMergeGroups,
  readMergeParts,
  type MergeFault,
  type MergeGroup,
  type MergePart,
} from './merge-schema.ts'
import { createCheck, createSchemaCompiler } from './schema-check.ts'
import { findUnsafeParts } from './schema-limits.ts'
import { trySchema } from './schema-trial.ts'

/** One property of a dataset with everything that its annotations say. */
export interface Property {
  readonly name: string
  readonly title: string
  readonly titleEn: string
  readonly class: Classification
  readonly level: Level
  readonly mask: MaskId
  /** Rule for a record of a person under 14; null: `mask` holds for them too. */
  readonly minorMask: MaskId | null
  /** Rule for a record of an individual business (credit code 92…); null: `mask`. */
  readonly individualMask: MaskId | null
  readonly codes: CodeTable | null
  /** The values of `enum`, or null. */
  readonly values: readonly string[] | null
  readonly type: 'string' | 'number' | 'integer' | 'boolean'
  readonly format: string | null
  /** Free text: numbers of persons are scrubbed out of it. */
  readonly text: boolean
  readonly required: boolean
  /** True where at rest only the masked form is in clear, because some mask of it is not NONE. */
  readonly sealed: boolean
}

/** One shared record shape, `schemas/<name>.schema.json`. */
export interface Dataset {
  readonly name: string
  readonly title: string
  readonly titleEn: string
  readonly version: number
  /** Folder name of the department that leads it (牵头数源部门) and answers applications for it. */
  readonly lead: string
  readonly properties: readonly Property[]
  /** Names of all properties, in schema order. */
  readonly names: readonly string[]
  /** Names of the sealed properties, in schema order. */
  readonly sealed: readonly string[]
  /** Properties that hold certificate type and number of the person a record is about; null where it names no person. */
  readonly subject: { readonly type: string; readonly number: string } | null
  /** Where records of this dataset are merged out of other datasets: how. Null for a dataset that departments fill. */
  readonly merge: readonly MergeGroup[] | null
  /** What its records tell of their person; null where they tell of something else. */
  readonly parts: readonly MergePart[] | null
  /** County and town codes that a record may lie in. */
  readonly divisions: CodeTable
  readonly schema: Readonly<Record<string, unknown>>
  /** Reasons why the fields do not fit the schema; none when they fit. Reasons hold no values and no unknown keys. */
  readonly check: (fields: Fields) => readonly Reason[]
}

const DEFAULT_DIRECTORY = fileURLToPath(new URL('../../schemas/', import.meta.url))
const SUFFIX = '.schema.json'
/** The one schema in the folder that describes no dataset. */
const MANIFEST_SCHEMA = `manifest${SUFFIX}`
const DIVISIONS = 'divisions'

const MASK_KEYS = ['x-gb-mask', 'x-gb-mask-minor', 'x-gb-mask-individual'] as const

type CodeTables = ReadonlyMap<string, CodeTable>

function toProperty(name: string, schema: PropertySchema, required: boolean, tables: CodeTables): Property {
  return {
    name,
    title: schema.title,
    titleEn: schema['x-gb-title-en'],
    class: schema['x-gb-class'],
    level: schema['x-gb-level'],
    mask: schema['x-gb-mask'],
    minorMask: schema['x-gb-mask-minor'] ?? null,
    individualMask: schema['x-gb-mask-individual'] ?? null,
    codes: tables.get(schema['x-gb-codes'] ?? '') ?? null,
    values: schema.enum ?? null,
    type: schema.type,
    format: schema.format ?? null,
    text: schema['x-gb-text'] === true,
    required,
    sealed: MASK_KEYS.some((key) => (schema[key] ?? 'NONE') !== 'NONE'),
  }
}

function assertDatasetSchema(
  file: string,
  schema: Readonly<Record<string, unknown>>,
  tables: CodeTables,
): asserts schema is DatasetSchema {
  const unsafe = findUnsafeParts(schema)
  const faults =
    unsafe.length > 0 ? unsafe : findDatasetFaults(file.slice(0, -SUFFIX.length), schema, new Set(tables.keys()))
  if (faults.length === 0) return
  const lines = faults.map(({ pointer, wanted }) => `${file}#${pointer}: wanted ${wanted}`)
  throw new AppError('SCHEMA_INVALID', `${lines.join('\n')}\nCorrect the schema file`)
}

function subjectOf(schema: DatasetSchema): Dataset['subject'] {
  const subject = schema['x-gb-subject']
  return subject === undefined ? null : { type: subject.type.slice(1), number: subject.number.slice(1) }
}

function compileCheck(file: string, schema: DatasetSchema, tables: CodeTables): Dataset['check'] {
  try {
    return createCheck(createSchemaCompiler(tables).compile(schema), new Set(Object.keys(schema.properties)))
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unknown'
    const detail = `${file}#: ${reason}; wanted a JSON Schema 2020-12 without unknown keywords`
    throw new AppError('SCHEMA_INVALID', detail, { cause: error })
  }
}

function divisionsOf(tables: CodeTables): CodeTable {
  const divisions = tables.get(DIVISIONS)
  if (divisions !== undefined) return divisions
  throw new AppError('SCHEMA_INVALID', `codes/${DIVISIONS}.json: given none, wanted the table of divisions; add it`)
}

/** A dataset as its schema says, without what judges records. */
function describeDataset(
  file: string,
  schema: Readonly<Record<string, unknown>>,
  tables: CodeTables,
): Omit<Dataset, 'check' | 'schema'> & { readonly schema: DatasetSchema } {
  assertDatasetSchema(file, schema, tables)
  const required = new Set(schema.required)
  const properties = Object.entries(schema.properties).map(([name, value]) =>
    toProperty(name, value, required.has(name), tables),
  )
  return {
    name: schema['x-gb-dataset'],
    title: schema.title,
    titleEn: schema['x-gb-title-en'],
    version: schema['x-gb-version'],
    lead: schema['x-gb-lead'],
    properties,
    names: properties.map((property) => property.name),
    sealed: properties.filter((property) => property.sealed).map((property) => property.name),
    subject: subjectOf(schema),
    merge: readMergeGroups(schema),
    parts: readMergeParts(schema),
    divisions: divisionsOf(tables),
    schema,
  }
}

/**
 * One dataset from the value of its schema file. `file` is `<dataset>.schema.json`, also named in errors.
 * Throws AppError SCHEMA_INVALID that names file and JSON pointer of every fault.
 */
export function createDataset(file: string, schema: Readonly<Record<string, unknown>>, tables: CodeTables): Dataset {
  const described = describeDataset(file, schema, tables)
  return { ...described, check: compileCheck(file, described.schema, tables) }
}

/**
 * Every dataset of `<directory>/*.schema.json`, by name, with the code tables of `<directory>/codes/`. Default: the
 * schemas of this repository. Throws AppError SCHEMA_INVALID naming file and JSON pointer: a property without
 * classification, an unknown mask or code table, an identifier in clear, or a record that gives a hidden field away.
 */
export function loadDatasets(directory: string = DEFAULT_DIRECTORY): ReadonlyMap<string, Dataset> {
  const tables = loadCodeTables(directory)
  const files = readdirSync(directory).filter((file) => file.endsWith(SUFFIX) && file !== MANIFEST_SCHEMA)
  const datasets = files.sort().map((file) => createDataset(file, readJsonObject(join(directory, file), file), tables))
  assertMerge(datasets)
  return new Map(datasets.map((dataset) => [dataset.name, dataset]))
}

/**
 * A dataset out of a schema that is proposed as its next version, with the code tables of this repository and beside the `others`.
 * It comes from outside, so it is compiled and tried in a thread with bounds and never in this one. Throws AppError SCHEMA_INVALID
 * as loadDatasets does, SCHEMA_TOO_COSTLY and BUSY as trySchema does.
 */
export async function createProposedDataset(
  name: string,
  schema: Readonly<Record<string, unknown>>,
  others: readonly Dataset[],
): Promise<Dataset> {
  const file = `${name}${SUFFIX}`
  const tables = loadCodeTables(DEFAULT_DIRECTORY)
  const described = describeDataset(file, schema, tables)
  let check: Dataset['check'] | undefined
  const proposed: Dataset = {
    ...described,
    check: (fields) => {
      check ??= compileCheck(file, described.schema, tables)
      return check(fields)
    },
  }
  assertMerge([...others.filter((dataset) => dataset.name !== name), proposed])
  const faults = await trySchema({ schema, tables })
  if (faults.length > 0) throw refuse(faults.map((fault) => ({ dataset: name, ...fault })))
  return proposed
}

function refuse(faults: readonly MergeFault[]): AppError {
  const lines = faults.map(({ dataset, pointer, wanted }) => `${dataset}${SUFFIX}#${pointer}: wanted ${wanted}`)
  return new AppError('SCHEMA_INVALID', `${lines.join('\n')}\nCorrect the schema file`)
}

function assertMerge(datasets: readonly Dataset[]): void {
  const faults = findMergeFaults(datasets)
  if (faults.length > 0) throw refuse(faults)
}
