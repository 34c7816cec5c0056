import { parsePointer, readPath, type KnownFields, type Path } from './source-fields.ts'

type SourceObject = Readonly<Record<string, unknown>>

/** What one walk over a row found. */
export interface RowReading {
  /** The value at each pointer, in their order; undefined where the row has none. Belongs to the caller. */
  readonly given: unknown[]
  /** Keys with more to look for than their own value: those that nobody names, and objects of which a part is named. */
  readonly others: readonly string[]
}

/** What is done with one key: where its value goes, null for nowhere, and whether it is among `others`. */
interface Use {
  readonly key: string
  readonly place: number | null
  readonly isOther: boolean
}

/** A source chooses its keys, so what is remembered about them is bounded. */
const MOST_KEYS = 500

/**
 * Reads the values at `pointers` (null: none is wanted there) in one walk over the keys of a row. Rows of one source nearly
 * always have the same keys in the same order, so the use of a key is remembered by its position: 0.1 µs for 31 keys, where
 * looking up each pointer takes 0.65 and each key in a map as much again.
 */
export function createRowReader(
  pointers: readonly (string | null)[],
  { children }: KnownFields,
): (row: SourceObject) => RowReading {
  const { places, further } = placePointers(pointers)
  const lastUses: Use[] = []
  const useAt = (position: number, key: string): Use => {
    const last = lastUses[position]
    if (last?.key === key) return last
    const use = { key, place: places.get(key) ?? null, isOther: children.get(key) !== null }
    if (position < MOST_KEYS) lastUses[position] = use
    return use
  }
  const nothing: readonly unknown[] = pointers.map(() => undefined)
  return (row) => {
    const given = nothing.slice()
    const others: string[] = []
    let position = 0
    // Only `for … in` gives V8 the key and the place of its value at once; rows are plain data and inherit no such key.
    for (const key in row) {
      const value = row[key]
      const { place, isOther } = useAt(position++, key)
      if (place !== null) given[place] = value
      if (isOther) others.push(key)
    }
    for (const { path, place } of further) given[place] = readPath(row, path)
    return { given, others }
  }
}

interface PlacedPointers {
  /** By key, for what the walk itself meets. */
  readonly places: ReadonlyMap<string, number>
  /** Nested pointers, and those that came before. */
  readonly further: readonly { readonly path: Path; readonly place: number }[]
}

function placePointers(pointers: readonly (string | null)[]): PlacedPointers {
  const places = new Map<string, number>()
  const further: { readonly path: Path; readonly place: number }[] = []
  for (const [place, pointer] of pointers.entries()) {
    if (pointer === null) continue
    const path = parsePointer(pointer)
    const [key = ''] = path
    if (path.length === 1 && !places.has(key)) places.set(key, place)
    else further.push({ path, place })
  }
  return { places, further }
}
