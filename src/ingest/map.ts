import { isObject } from '../feeds/code-tables.ts'
import type { Dataset } from '../feeds/datasets.ts'
import { RECORD_ID } from '../feeds/manifest-rules.ts'
import type { Manifest } from '../feeds/manifest-types.ts'
import type { Fields, Operation, RawRecord, SourceRow } from '../record.ts'
import { createFieldsBuilder } from './build-fields.ts'
import { settleCertificate } from './certificate.ts'
import { isPrimitive } from './convert.ts'
import { isQuiet, noFindings, type Findings } from './normalise.ts'
import { createField, readField, type Field } from './read-field.ts'
import { createRowReader } from './row-reader.ts'
import { createFieldWatch, knownFields } from './source-fields.ts'
import { createTimeParser, timePointer } from './source-time.ts'

function createIdField(manifest: Manifest, dataset: Dataset): Field {
  return createField({ to: `/${RECORD_ID}`, from: manifest.record.id, type: 'string' }, dataset)
}

/** What was given and read of the last row of which there was nothing to tell. */
interface LastRow {
  readonly given: readonly unknown[]
  readonly read: readonly unknown[]
}

/**
 * Turns the values given for `fields`, in their order, into a record. Rows that stand together have much in common: the
 * members of a household, the rooms of a house, the grid of both. Where a text is that of the last row, so is what it came
 * to: half of all texts of the demo city, and a tenth of the time of mapping. One row is kept, whatever it holds.
 */
function createFieldsReader(
  fields: readonly Field[],
): (given: readonly unknown[], findings: Findings) => Record<string, unknown> {
  const build = createFieldsBuilder(fields.map((field) => field.name))
  const nothing: readonly unknown[] = fields.map(() => undefined)
  let last: LastRow = { given: nothing, read: nothing }
  return (given, findings) => {
    const read = nothing.slice()
    const { given: givenBefore, read: readBefore } = last
    for (let place = 0; place < fields.length; place++) {
      const field = fields[place]
      const value = given[place]
      const before = givenBefore[place]
      if (field === undefined) continue
      if (value === undefined || value === null) read[place] = field.constant
      // V8 compares quickly what it knows to be two texts.
      else if (typeof value === 'string' && typeof before === 'string' && value === before)
        read[place] = readBefore[place]
      else read[place] = readField(field, value, findings)
    }
    if (isQuiet(findings)) last = { given, read }
    return build(read)
  }
}

function createDeleteTest({ deletes }: Manifest): (flag: unknown) => boolean {
  if (deletes.kind !== 'flag') return () => false
  const values = new Set(deletes.values.map(String))
  // Nearly every row has the flag of the row before.
  let last: { readonly flag: unknown; readonly isDelete: boolean } = { flag: undefined, isDelete: false }
  return (flag) => {
    if (flag !== last.flag) last = { flag, isDelete: isPrimitive(flag) && values.has(String(flag).trim()) }
    return last.isDelete
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
  const idField = createIdField(manifest, dataset)
  const fields = [idField, ...manifest.map.map((mapping) => createField(mapping, dataset))]
  const flagPointer = manifest.deletes.kind === 'flag' ? manifest.deletes.pointer : null
  const pointers = [...fields.map(({ pointer }) => pointer), timePointer(manifest), flagPointer]
  const known = knownFields(manifest)
  const readRow = createRowReader(pointers, known)
  const readId = createFieldsReader([idField])
  const readAll = createFieldsReader(fields)
  const isDelete = createDeleteTest(manifest)
  const readTime = createTimeParser(manifest)
  const watchFields = createFieldWatch(known)
  return (row) => {
    const findings = noFindings()
    const { value } = row
    if (!isObject(value)) {
      findings.faults.push({ rule: 'DQ-005', field: null })
      return toRaw(row, 'upsert', {}, null, findings)
    }
    const { given, others } = readRow(value)
    if (isDelete(given[fields.length + 1])) return toRaw(row, 'delete', readId(given, findings), null, findings)
    const read = readAll(given, findings)
    settleCertificate(dataset, read, findings)
    watchFields(value, others, findings)
    return toRaw(row, 'upsert', read, readTime(given[fields.length]), findings)
  }
}
