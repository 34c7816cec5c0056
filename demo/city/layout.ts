import type { City } from './options.ts'
import type { Person } from './people.ts'
import { takeAt } from './random.ts'

/** Which row a department makes: who or what it is about, where that stands, and how often it was changed. */
export interface RowRequest {
  readonly city: City
  readonly identity: number
  readonly location: number
  /** 0 as first seen, 1 as changed in pass two. */
  readonly revision: 0 | 1
}

/** What a spoilt row is made with. */
export interface Spoiling {
  /** Numbers the rows of the kind from 0. */
  readonly turn: number
  /** Another synthetic person, who stands in no dataset: a head of household, born 1962 to 1992. */
  readonly stranger: Person
}

/** A kind of planted dirt: how many rows of it, and what it does to a good row. */
export interface Dirt {
  /** The quality rule it breaks. */
  readonly rule: string
  /** True when the row is refused, false when it is accepted with a warning. */
  readonly refused: boolean
  /** Rows of this kind in a city of 20,000 residents; other sizes in proportion, one at least. */
  readonly share: number
  /** The row with exactly this rule broken. */
  readonly spoil: (row: SourceFields, spoiling: Spoiling) => unknown
  /** True when the row must repeat the record id of the good row before it, within one block of 1,000 rows. */
  readonly repeats?: boolean
}

/** One row as a department has it, by the department's own column names. */
export type SourceFields = Readonly<Record<string, string | number | null>>

/** The row as columns: tables and files can hold nothing else. Throws RangeError for a row that is no object. */
export function columnsOf(row: unknown): SourceFields {
  if (!isColumns(row)) throw new RangeError('this kind of source holds rows with columns only')
  return row
}

function isColumns(row: unknown): row is SourceFields {
  return typeof row === 'object' && row !== null && !Array.isArray(row)
}

/** What stands at one position of a source. */
export type Place =
  | { readonly kind: 'good'; readonly index: number }
  | {
      readonly kind: 'dirty'
      readonly number: number
      readonly dirt: Dirt
      readonly turn: number
      readonly beside: number
    }

/** The order of good and dirty rows of one source in pass one. */
export interface Layout {
  readonly goods: number
  readonly dirty: number
  readonly total: number
  readonly placeAt: (position: number) => Place
  /** The position of a good row. */
  readonly positionOf: (index: number) => number
}

/** Rows of one page of the demo feeds; a repeated record id must be met within one page to be seen as such. */
const BLOCK = 1000
const SHARE_BASE = 20_000

/** How many rows of one kind a city of `residents` has. */
export function dirtCount(dirt: Dirt, residents: number): number {
  return Math.max(1, Math.round((dirt.share * residents) / SHARE_BASE))
}

interface Planted {
  readonly position: number
  readonly dirt: Dirt
  readonly turn: number
  readonly beside: number
}

function listKinds(kinds: readonly Dirt[], residents: number): readonly { dirt: Dirt; turn: number }[] {
  const counts = kinds.map((dirt) => dirtCount(dirt, residents))
  const most = Math.max(0, ...counts)
  // Turn by turn, so that the kinds lie mixed and not in blocks.
  return Array.from({ length: most }, (_, turn) => turn).flatMap((turn) =>
    kinds.filter((_, kind) => turn < takeAt(counts, kind)).map((dirt) => ({ dirt, turn })),
  )
}

function plant(kinds: readonly Dirt[], residents: number, goods: number): readonly Planted[] {
  const listed = listKinds(kinds, residents)
  return listed.map(({ dirt, turn }, number) => {
    const beside = Math.min(goods - 1, Math.floor(((number + 0.5) * goods) / listed.length))
    const position = beside + 1 + number
    const crossesBlock = dirt.repeats === true && position % BLOCK === 0
    return { position: crossesBlock ? position - 1 : position, dirt, turn, beside: crossesBlock ? beside - 1 : beside }
  })
}

/** How many of the sorted positions are below `position`. */
function countBelow(planted: readonly Planted[], position: number): number {
  let low = 0
  let high = planted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (takeAt(planted, middle).position < position) low = middle + 1
    else high = middle
  }
  return low
}

/** Spreads the dirty rows evenly among `goods` good rows. Memory grows with the dirty rows only: about 1 per mille. */
export function layRows(kinds: readonly Dirt[], residents: number, goods: number): Layout {
  const planted = plant(kinds, residents, goods)
  return {
    goods,
    dirty: planted.length,
    total: goods + planted.length,
    placeAt: (position) => {
      const number = countBelow(planted, position)
      const found = planted[number]
      if (found?.position !== position) return { kind: 'good', index: position - number }
      return { kind: 'dirty', number, dirt: found.dirt, turn: found.turn, beside: found.beside }
    },
    positionOf: (index) => {
      let position = index
      let number = countBelow(planted, position + 1)
      while (position !== index + number) {
        position = index + number
        number = countBelow(planted, position + 1)
      }
      return position
    },
  }
}
