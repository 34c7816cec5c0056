import type { SourceFields } from '../city/layout.ts'
import { takeAt } from '../city/random.ts'
import type { CitySource } from '../city/source.ts'
import { spreadTimes } from '../city/update-times.ts'

/** Rows from `from` (included) to `to` (not included), in milliseconds since 1970. */
export interface TimeWindow {
  readonly from: number
  readonly to: number
}

/** A part of the list. */
export interface TimedPage {
  readonly items: readonly unknown[]
  /** Where the next page begins, or null at the end. */
  readonly next: number | null
}

/** A list in the order of (update time, id). Pages are made when asked for; nothing is kept. */
export interface TimedList {
  /** From a position of the list that an earlier page told. */
  readonly readPage: (window: TimeWindow, start: number, size: number) => TimedPage
  /** From a number of rows of the window. */
  readonly readRows: (window: TimeWindow, offset: number, size: number) => readonly unknown[]
  readonly total: (window: TimeWindow) => number
  /** Takes the list to pass two: changed rows leave their place and come last, all with the time `now`. */
  readonly change: (now: number) => void
}

/** How a department writes when a row was changed, and that it was deleted. */
export interface TimeMarks {
  readonly column: string
  readonly format: (time: number) => string
  readonly deleted: SourceFields
}

/** Opens the list of a source, at pass one. */
export function openTimedList(source: CitySource, marks: TimeMarks): TimedList {
  const { layout, changes } = source
  const times = spreadTimes(layout.total)
  const changed = changes.updated.length + changes.deleted.length + changes.inserted
  let changedAt: number | null = null
  let lastTime = { time: Number.NaN, text: '' }

  // Dozens of rows in a row share one time.
  function withTime(row: unknown, time: number): unknown {
    if (typeof row !== 'object' || row === null) return row
    if (time !== lastTime.time) lastTime = { time, text: marks.format(time) }
    return { ...row, [marks.column]: lastTime.text }
  }

  function hasMoved(position: number): boolean {
    if (changedAt === null) return false
    const place = layout.placeAt(position)
    return place.kind === 'good' && (changes.isUpdated(place.index) || changes.isDeleted(place.index))
  }

  function changedRow(number: number, time: number): unknown {
    const { updated, deleted, firstInserted } = changes
    const afterUpdated = number - updated.length
    const afterDeleted = afterUpdated - deleted.length
    if (afterUpdated < 0) return withTime(source.goodRow(takeAt(updated, number), 1), time)
    if (afterDeleted >= 0) return withTime(source.goodRow(firstInserted + afterDeleted, 0), time)
    return withTime({ ...source.goodRow(takeAt(deleted, afterUpdated), 0), ...marks.deleted }, time)
  }

  // Positions beyond the list of pass one number the changed rows.
  function* walk({ from, to }: TimeWindow, start: number): Generator<readonly [position: number, row: () => unknown]> {
    const end = times.firstFrom(to)
    for (let position = Math.max(start, times.firstFrom(from)); position < end; position += 1)
      if (!hasMoved(position)) yield [position, () => withTime(source.rowAt(position), times.timeAt(position))]
    const at = changedAt
    if (at === null || at < from || at >= to) return
    for (let number = Math.max(0, start - layout.total); number < changed; number += 1)
      yield [layout.total + number, () => changedRow(number, at)]
  }

  return {
    readPage: (window, start, size) => {
      const items: unknown[] = []
      for (const [position, row] of walk(window, start)) {
        if (items.length === size) return { items, next: position }
        items.push(row())
      }
      return { items, next: null }
    },
    readRows: (window, offset, size) => {
      const rows: unknown[] = []
      let place = 0
      for (const [, row] of walk(window, 0)) {
        if (rows.length === size) break
        if (place >= offset) rows.push(row())
        place += 1
      }
      return rows
    },
    total: (window) => [...walk(window, 0)].length,
    change: (now) => {
      changedAt = now
    },
  }
}
