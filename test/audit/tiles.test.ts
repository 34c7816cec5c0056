import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { leafHash } from '../../src/audit/entry.ts'
import { hashOf, nodesOf } from '../../src/audit/merkle.ts'
import { growTiles, nodeReader, openTilesOf, tileOf, type Tile, type TilePlace } from '../../src/audit/tiles.ts'
import { SHA256 } from '../../src/audit/tree-hash.ts'

const nameOf = ({ level, index }: TilePlace): string => `${level}/${index}`

/** Root of RFC 6962 §2.1 by its definition. */
function rootOf(leaves: readonly Buffer[]): Buffer {
  if (leaves.length <= 1) return leaves[0] ?? SHA256.empty
  const split = 2 ** (Math.ceil(Math.log2(leaves.length)) - 1)
  return SHA256.node(rootOf(leaves.slice(0, split)), rootOf(leaves.slice(split)))
}

const leavesOf = (from: number, count: number): readonly Buffer[] =>
  Array.from({ length: count }, (_, place) => leafHash(Buffer.from(`entry ${from + place}`)))

test('however leaves come in, the tiles have the root of all of them, and only open tiles are needed to go on', () => {
  const batches = fc.array(fc.oneof(fc.integer({ min: 1, max: 600 }), fc.constantFrom(255, 256, 257, 1)), {
    minLength: 1,
    maxLength: 12,
  })
  fc.assert(
    fc.property(batches, (counts) => {
      const stored = new Map<string, Tile>()
      let size = 0
      for (const count of counts) {
        const open = openTilesOf(size).map((place) => stored.get(nameOf(place)) ?? { ...place, hashes: [] })
        expect(open.every(({ hashes }) => hashes.length > 0 && hashes.length < 256)).toBe(true)
        for (const tile of growTiles(size, open, leavesOf(size, count))) stored.set(nameOf(tile), tile)
        size += count
      }
      const wanted = nodesOf({ start: 0, end: size }).map((node) => nameOf(tileOf(node)))
      const read = nodeReader([...stored.values()].filter((tile) => wanted.includes(nameOf(tile))))
      expect(hashOf({ start: 0, end: size }, read)).toEqual(rootOf(leavesOf(0, size)))
    }),
    { numRuns: 60 },
  )
})

test('a tree of 66,000 leaves has tiles of three levels', () => {
  const leaves = leavesOf(0, 66_000)
  const tiles = growTiles(0, [], leaves)
  expect([0, 1, 2].map((level) => tiles.filter((tile) => tile.level === level).length)).toEqual([258, 2, 1])
  expect(hashOf({ start: 0, end: leaves.length }, nodeReader(tiles))).toEqual(rootOf(leaves))
})

test('a node whose tile is missing or too short is not read', () => {
  const tiles = growTiles(0, [], leavesOf(0, 3))
  expect(() => nodeReader(tiles)({ level: 1, index: 1 })).toThrow(RangeError)
  expect(() => nodeReader([])({ level: 0, index: 0 })).toThrow(RangeError)
})
