import { columnsOf } from '../city/layout.ts'
import { takeAt } from '../city/random.ts'
import type { CitySource } from '../city/source.ts'

/** A list that is handed out whole, by offset; what is deleted is no longer in it. */
export interface WholeList {
  readonly total: () => number
  readonly readRows: (offset: number, limit: number) => readonly unknown[]
  /** How many of the living rows have at most this number; rows are numbered from 1 and keep their number. */
  readonly offsetAfter: (number: number) => number
  readonly change: () => void
}

/** How many of the rising numbers, each raised by its own place, are at most `value`: turns an offset into a position. */
function skipTo(removed: readonly number[], offset: number): number {
  let low = 0
  let high = removed.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (takeAt(removed, middle) - middle <= offset) low = middle + 1
    else high = middle
  }
  return offset + low
}

/** The name of the column that numbers the rows, where the list is asked for by it. */
type NumberColumn = string | null

/** Opens the list of a source at pass one. Pass two keeps the order, leaves out what is gone and adds what is new. */
export function openWholeList(source: CitySource, number: NumberColumn = null): WholeList {
  const { layout, changes } = source
  let removed: readonly number[] = []
  let second = false

  function rowAt(position: number): unknown {
    if (position >= layout.total) return source.goodRow(changes.firstInserted + position - layout.total, 0)
    const place = layout.placeAt(position)
    const updated = second && place.kind === 'good' && changes.isUpdated(place.index)
    return updated ? source.goodRow(place.index, 1) : source.rowAt(position)
  }

  function numbered(position: number): unknown {
    const row = rowAt(position)
    return number === null ? row : { ...columnsOf(row), [number]: position + 1 }
  }

  const total = (): number => layout.total - removed.length + (second ? changes.inserted : 0)
  return {
    total,
    readRows: (offset, limit) => {
      const length = Math.max(0, Math.min(limit, total() - offset))
      return Array.from({ length }, (_, place) => numbered(skipTo(removed, offset + place)))
    },
    offsetAfter: (last) => last - removed.filter((position) => position < last).length,
    change: () => {
      removed = changes.deleted.map((index) => layout.positionOf(index))
      second = true
    },
  }
}
