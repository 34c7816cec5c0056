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
import { createRowReader, type RowReading } from './row-reader.ts'
import { createFieldWatch, knownFields } from './source-fields.ts'
import { createTimeParser, timePointer } from './source-time.ts'

function createIdField(manifest: Manifest, dataset: Dataset): Field {
  return createField({ to: `/${RECORD_ID}`, from: manifest.record.id, type: 'string' }, dataset)
}

/** No place of any value. */
const NOWHERE = -1

/** The last row of which there was nothing to tell, and what its fields came to. */
interface LastRow extends Pick<RowReading, 'values' | 'places'> {
  readonly read: readonly unknown[]
}

/**
 * Turns what was read at the pointers of `fields`, which come first, into a record. Rows that stand together have much in
 * common: the members of a household, the rooms of a house, the grid of both. Where a text is that of the last row, so is
 * what it came to: half of all texts of the demo city, and a tenth of the time of mapping. One row is kept, whatever it holds.
 */
function createFieldsReader(
  fields: readonly Field[],
): (reading: RowReading, findings: Findings) => Record<string, unknown> {
  const build = createFieldsBuilder(fields.map((field) => field.name))
  const nothing: readonly unknown[] = fields.map(() => undefined)
  let last: LastRow = { values: [undefined], places: fields.map(() => 0), read: nothing }
  return ({ values, places }, findings) => {
    const { values: valuesBefore, places: placesBefore, read: readBefore } = last
    const read = nothing.slice()
    for (let place = 0; place < fields.length; place++) {
      const field = fields[place]
      const value = values[places[place] ?? NOWHERE]
      if (field === undefined) continue
      if (value === undefined || value === null) {
        read[place] = field.constant
        continue
      }
      const before = valuesBefore[placesBefore[place] ?? NOWHERE]
      // V8 compares quickly what it knows to be two texts.
      const isAsBefore = typeof value === 'string' && typeof before === 'string' && value === before
      read[place] = isAsBefore ? readBefore[place] : readField(field, value, findings)
    }
    if (isQuiet(findings)) last = { values, places, read }
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
  const timePlace = fields.length
  const flagPlace = fields.length + 1
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
    const reading = readRow(value)
    const { values, places, others } = reading
    if (isDelete(values[places[flagPlace] ?? NOWHERE]))
      return toRaw(row, 'delete', readId(reading, findings), null, findings)
    const read = readAll(reading, findings)
    settleCertificate(dataset, read, findings)
    watchFields(value, others, findings)
    return toRaw(row, 'upsert', read, readTime(values[places[timePlace] ?? NOWHERE]), findings)
  }
}
