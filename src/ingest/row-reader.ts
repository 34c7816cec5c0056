import { parsePointer, readPath, type KnownFields, type Path } from './source-fields.ts'

type SourceObject = Readonly<Record<string, unknown>>

/** What rows with the same keys in the same order have in common. */
interface RowLayout {
  readonly keys: readonly string[]
  /** By pointer: the place of its value among `values`. */
  readonly places: readonly number[]
  /** Keys with more to look for than their own value: those that nobody names, and objects of which a part is named. */
  readonly others: readonly string[]
  /** As many times undefined as there are values. */
  readonly nothing: readonly undefined[]
}

/** What one walk over a row found. */
export interface RowReading extends Pick<RowLayout, 'places' | 'others'> {
  /** The values of the row's keys, then those of nested pointers, then undefined for what the row does not have. */
  readonly values: readonly unknown[]
}

/**
 * Reads the values at `pointers` (null: none is wanted there) in one walk over the keys of a row. Rows of one source nearly
 * always have the same keys in the same order, and then what a key is for is known by its place: 0.2 µs for 33 keys, where
 * looking up each pointer takes 0.65 and each key in a map as much again.
 */
export function createRowReader(
  pointers: readonly (string | null)[],
  known: KnownFields,
): (row: SourceObject) => RowReading {
  const paths = pointers.map((pointer) => (pointer === null ? [] : parsePointer(pointer)))
  const nested = paths.filter(isNested)
  const layOut = createLayouts(paths, known)
  let layout = layOut([])
  return (row) => {
    const { keys, nothing } = layout
    const values: unknown[] = nothing.slice()
    let place = 0
    let isLaidOut = true
    // Only `for … in` gives V8 the key and the place of its value at once; rows are plain data and inherit no such key.
    for (const key in row) {
      if (key !== keys[place]) isLaidOut = false
      values[place++] = row[key]
    }
    if (!isLaidOut || place !== keys.length) layout = layOut(Object.keys(row))
    for (const path of nested) values[place++] = readPath(row, path)
    values[place] = undefined
    return { values, places: layout.places, others: layout.others }
  }
}

const isNested = (path: Path): boolean => path.length > 1

/** A source chooses its keys, so what is remembered about them is bounded. */
const MOST_LAYOUTS = 100
const MOST_KEYS = 500

/** Lays out rows by their keys, once for each list of them. */
function createLayouts(paths: readonly Path[], known: KnownFields): (keys: readonly string[]) => RowLayout {
  const layouts = new Map<string, RowLayout>()
  return (keys) => {
    if (keys.length > MOST_KEYS) return createLayout(keys, paths, known)
    const name = JSON.stringify(keys)
    const layout = layouts.get(name) ?? createLayout(keys, paths, known)
    if (layouts.size < MOST_LAYOUTS) layouts.set(name, layout)
    return layout
  }
}

function createLayout(keys: readonly string[], paths: readonly Path[], { children }: KnownFields): RowLayout {
  const placeOf = new Map(keys.map((key, place) => [key, place]))
  const nested = paths.filter(isNested)
  const last = keys.length + nested.length
  const placed = (path: Path): number =>
    isNested(path) ? keys.length + nested.indexOf(path) : (placeOf.get(path[0] ?? '') ?? last)
  return {
    keys,
    places: paths.map((path) => (path.length === 0 ? last : placed(path))),
    others: keys.filter((key) => children.get(key) !== null),
    nothing: Array.from({ length: last + 1 }, () => undefined),
  }
}
