import type { SourceFields } from '../city/layout.ts'
import type { CitySource } from '../city/source.ts'

/** The column that says what became of a row. */
export const OPERATION_COLUMN = 'czlx'

/** What a department tells that sends changes: new, changed, gone. */
type Operation = 'I' | 'U' | 'D'

export type Change<Row = SourceFields> = readonly [operation: Operation, row: Row]

/** Everything of pass one as new, good and dirty; dirty rows need not be objects. */
export function* changesOfFirst({ layout, rowAt }: CitySource): Generator<Change<unknown>> {
  for (let position = 0; position < layout.total; position += 1) yield ['I', rowAt(position)]
}

/** What pass two changes. */
export function* changesOfSecond({ changes, goodRow }: CitySource): Generator<Change> {
  for (const index of changes.updated) yield ['U', goodRow(index, 1)]
  for (const index of changes.deleted) yield ['D', goodRow(index, 0)]
  for (let number = 0; number < changes.inserted; number += 1) yield ['I', goodRow(changes.firstInserted + number, 0)]
}
