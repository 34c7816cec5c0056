import { isObject } from '../feeds/code-tables.ts'
import type { Dataset } from '../feeds/datasets.ts'
import {
  DRIFT_ROWS,
  keptName,
  missingKey,
  MOST_UNKNOWN_NAMES,
  retypedKey,
  unknownKey,
  type DriftCounts,
} from '../feeds/drift-counts.ts'
import { RECORD_ID } from '../feeds/manifest-rules.ts'
import type { Manifest } from '../feeds/manifest-types.ts'
import type { RawRecord, Rejection } from '../record.ts'
import { createUnknownLister, parsePointer, readPath, type Path } from './source-fields.ts'

/** The types that each mapped field has come with so far, by property. */
export type Shape = Readonly<Record<string, readonly string[]>>

/** What is new about the fields of one page. */
export interface PageDrift {
  readonly counts: DriftCounts
  /** Everything learned so far; null where the page taught nothing new. */
  readonly shape: Shape | null
  /** Properties without which the whole page would be refused. Not empty: the run must wait for a person. */
  readonly lost: readonly string[]
}

type SourceObject = Readonly<Record<string, unknown>>

interface Field {
  readonly name: string
  readonly path: Path
  readonly required: boolean
}

/** A shorter page may be odd by chance. */
const LEAST_ROWS = 20

function typeOf(value: unknown): string {
  return Array.isArray(value) ? 'array' : typeof value
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null

function fieldsOf(manifest: Manifest, dataset: Dataset): readonly Field[] {
  const required = new Set(dataset.properties.filter((property) => property.required).map(({ name }) => name))
  const mapped = manifest.map.flatMap(({ to, from }) => {
    const name = to.slice(1)
    return from === undefined ? [] : [{ name, path: parsePointer(from), required: required.has(name) }]
  })
  return [{ name: RECORD_ID, path: parsePointer(manifest.record.id), required: true }, ...mapped]
}

/** Types of the field that were never seen before, where no row has one of the known types; none where all is as ever. */
function newTypes(rows: readonly SourceObject[], { path }: Field, known: readonly string[]): readonly string[] {
  const types = new Set<string>()
  for (const row of rows) {
    const value = readPath(row, path)
    if (!isGiven(value)) continue
    const type = typeOf(value)
    if (known.includes(type)) return []
    types.add(type)
  }
  return [...types].toSorted()
}

const isMissing = (rows: readonly SourceObject[], { path }: Field): boolean =>
  rows.every((row) => readPath(row, path) === undefined)

/** True where every one of the rows was refused for this field. */
function refusesAll(rejected: readonly Rejection[], rows: readonly SourceObject[], name: string): boolean {
  const refused = rejected.filter(({ reasons }) => reasons.some(({ field }) => field === name))
  return refused.length >= rows.length
}

/** One field over one page, beside what is known of it. */
interface Look {
  readonly counts: DriftCounts
  readonly types: readonly string[]
  readonly isLost: boolean
}

function lookAt(
  field: Field,
  rows: readonly SourceObject[],
  rejected: readonly Rejection[],
  known: readonly string[],
): Look {
  const isLong = rows.length >= LEAST_ROWS
  if (isMissing(rows, field)) {
    return { counts: { [missingKey(field.name)]: rows.length }, types: known, isLost: isLong && field.required }
  }
  const types = newTypes(rows, field, known)
  if (types.length === 0) return { counts: {}, types: known, isLost: false }
  if (known.length === 0) return { counts: {}, types, isLost: false }
  const isLost = isLong && refusesAll(rejected, rows, field.name)
  return { counts: { [retypedKey(field.name, known, types)]: rows.length }, types: [...known, ...types], isLost }
}

/** Counts rows by the unknown fields in them, over all pages at most 50 names. */
function createUnknownCounter(manifest: Manifest): (rows: readonly RawRecord[]) => DriftCounts {
  const listUnknown = createUnknownLister(manifest)
  const names = new Set<string>()
  const nameOf = (key: string): string => {
    const name = keptName(key)
    if (name === '' || names.has(name)) return name
    if (names.size >= MOST_UNKNOWN_NAMES) return ''
    names.add(name)
    return name
  }
  return (rows) => {
    const counts: Record<string, number> = {}
    for (const { source, warnings } of rows) {
      if (!warnings.some((rule) => rule === 'DQ-002' || rule === 'DQ-091') || !isObject(source.value)) continue
      const found = new Set<string>()
      listUnknown(source.value, (key) => found.add(unknownKey(nameOf(key))))
      for (const key of found) counts[key] = (counts[key] ?? 0) + 1
    }
    return counts
  }
}

/**
 * Compares the fields of each page with the manifest and with what the feed has sent before: unknown fields, mapped fields
 * that no row has, and fields of a type that they never had. Reads the first rows only where all is as ever.
 */
export function createDriftWatch(
  manifest: Manifest,
  dataset: Dataset,
  learned: Shape,
): (raw: readonly RawRecord[], rejected: readonly Rejection[]) => PageDrift {
  const fields = fieldsOf(manifest, dataset)
  const countUnknown = createUnknownCounter(manifest)
  let shape = learned
  return (raw, rejected) => {
    const upserts = raw.filter((record) => record.operation === 'upsert' && isObject(record.source.value))
    const rows = upserts.map((record) => record.source.value as SourceObject)
    if (rows.length === 0) return { counts: {}, shape: null, lost: [] }
    const looks = fields.map((field) => ({ field, look: lookAt(field, rows, rejected, shape[field.name] ?? []) }))
    const taught = looks.filter(({ field, look }) => look.types.length > (shape[field.name] ?? []).length)
    if (taught.length > 0) {
      shape = { ...shape, ...Object.fromEntries(taught.map(({ field, look }) => [field.name, look.types])) }
    }
    return {
      counts: Object.assign(
        { [DRIFT_ROWS]: rows.length },
        countUnknown(upserts),
        ...looks.map(({ look }) => look.counts),
      ) as DriftCounts,
      shape: taught.length > 0 ? shape : null,
      lost: looks.filter(({ look }) => look.isLost).map(({ field }) => field.name),
    }
  }
}
