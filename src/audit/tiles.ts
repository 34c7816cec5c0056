import { hashOf, inclusionRanges, nodesOf, type ReadNode, type TreeNode } from './merkle.ts'
import { SHA256, type TreeHash } from './tree-hash.ts'

/** Levels of the tree in one tile: 256 hashes, as C2SP tlog-tiles has them. */
const TILE_LEVELS = 8
const TILE_HASHES = 2 ** TILE_LEVELS

/** Where a tile lies: `level` counts tiles, not levels of the tree. */
export interface TilePlace {
  readonly level: number
  readonly index: number
}

/** Up to 256 neighbouring hashes of one level of the tree. Only the last tile of a level has fewer. */
export interface Tile extends TilePlace {
  readonly hashes: readonly Buffer[]
}

/** The tiles to which the next leaf adds: the last of each level that is not full. */
export function openTilesOf(size: number): readonly TilePlace[] {
  const places: TilePlace[] = []
  for (let level = 0, count = size; count > 0; level++, count = Math.floor(count / TILE_HASHES)) {
    if (count % TILE_HASHES > 0) places.push({ level, index: Math.floor(count / TILE_HASHES) })
  }
  return places
}

/** The tiles of a tree of `size` leaves that are new or longer once more leaves follow; `open` are its open tiles. */
export function growTiles(
  size: number,
  open: readonly Tile[],
  leaves: readonly Buffer[],
  tree: TreeHash = SHA256,
): readonly Tile[] {
  const grown: Tile[] = []
  let added = leaves
  for (let level = 0, count = size; added.length > 0; level++, count = Math.floor(count / TILE_HASHES)) {
    const first = Math.floor(count / TILE_HASHES)
    const begun = open.find((tile) => tile.level === level && tile.index === first)?.hashes ?? []
    const hashes = [...begun, ...added]
    const tiles = Array.from({ length: Math.ceil(hashes.length / TILE_HASHES) }, (_, place) => ({
      level,
      index: first + place,
      hashes: hashes.slice(place * TILE_HASHES, (place + 1) * TILE_HASHES),
    }))
    grown.push(...tiles)
    added = tiles.filter((tile) => tile.hashes.length === TILE_HASHES).map((tile) => foldPairs(tile.hashes, tree))
  }
  return grown
}

/** The tile that has what a node is made of. */
export function tileOf({ level, index }: TreeNode): TilePlace {
  const tileLevel = Math.floor(level / TILE_LEVELS)
  return { level: tileLevel, index: Math.floor((index * 2 ** (level % TILE_LEVELS)) / TILE_HASHES) }
}

const threeDigits = (value: number): string => String(value % 1000).padStart(3, '0')

/** Where C2SP tlog-tiles puts a tile: its index in threes of digits, and its width where it is not full. */
export function tilePath({ level, index, hashes: { length: width } }: Tile): string {
  let name = threeDigits(index)
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000))
    name = `x${threeDigits(rest)}/${name}`
  return `tile/${level}/${name}${width < TILE_HASHES ? `.p/${width}` : ''}`
}

/** A tile as it was when the tree had `size` leaves; null: it was not there yet. */
export function tileAt(size: number, tile: Tile): Tile | null {
  const width = Math.floor(size / TILE_HASHES ** tile.level) - tile.index * TILE_HASHES
  return width <= 0 ? null : { ...tile, hashes: tile.hashes.slice(0, width) }
}

const nameOf = ({ level, index }: TilePlace): string => `${level}/${index}`

/** Reads nodes from tiles. Throws RangeError for a node whose tile is not among them or is too short. */
export function nodeReader(tiles: readonly Tile[], tree: TreeHash = SHA256): ReadNode {
  const byPlace = new Map(tiles.map((tile) => [nameOf(tile), tile.hashes]))
  return (node) => {
    const place = tileOf(node)
    const span = 2 ** (node.level % TILE_LEVELS)
    const from = (node.index * span) % TILE_HASHES
    const hashes = byPlace.get(nameOf(place))?.slice(from, from + span) ?? []
    if (hashes.length < span) throw new RangeError(`tile ${nameOf(place)} has no node ${node.level}/${node.index}`)
    return foldPairs(hashes, tree)
  }
}

/** The tiles that prove leaves to be in a tree of `size` leaves. */
export function tilesOfProofs(leaves: readonly number[], size: number): readonly TilePlace[] {
  const ranges = leaves.flatMap((leaf) => inclusionRanges(leaf, { start: 0, end: size }))
  const places = ranges.flatMap((range) => nodesOf(range).map(tileOf))
  return [...new Map(places.map((place) => [nameOf(place), place])).values()]
}

/** The hashes that prove a leaf to be in a tree of `size` leaves, from the leaf up: PATH of RFC 6962 §2.1.1. */
export const inclusionPath = (leaf: number, size: number, read: ReadNode): readonly Buffer[] =>
  inclusionRanges(leaf, { start: 0, end: size }).map((range) => hashOf(range, read))

/** A reader that folds a subtree once: neighbouring leaves share most of their paths. */
export function rememberNodes(read: ReadNode): ReadNode {
  const known = new Map<string, Buffer>()
  return (node) => {
    const name = nameOf(node)
    const found = known.get(name) ?? read(node)
    known.set(name, found)
    return found
  }
}

/** The root of a perfect subtree, of which there are 2ⁿ hashes. */
function foldPairs(hashes: readonly Buffer[], tree: TreeHash): Buffer {
  const [first = tree.empty] = hashes
  const half = hashes.length / 2
  return hashes.length <= 1
    ? first
    : tree.node(foldPairs(hashes.slice(0, half), tree), foldPairs(hashes.slice(half), tree))
}
