import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { leafHash } from '../../src/audit/entry.ts'
import {
  consistencyRanges,
  hashOf,
  inclusionRanges,
  isConsistent,
  rootByInclusion,
  type ReadNode,
} from '../../src/audit/merkle.ts'
import { SHA256 } from '../../src/audit/tree-hash.ts'

/** The leaves and roots that the tests of Certificate Transparency are published with. */
const PUBLISHED_LEAVES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
]
const PUBLISHED_ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]

const leavesOf = (count: number): readonly Buffer[] =>
  Array.from({ length: count }, (_, place) => leafHash(Buffer.from(`entry ${place}`)))

/** Hashes of subtrees made anew from the leaves each time. */
const readerOf = (leaves: readonly Buffer[]): ReadNode => {
  const read: ReadNode = ({ level, index }) => {
    const leaf = leaves[index]
    if (level === 0 && leaf !== undefined) return leaf
    return SHA256.node(read({ level: level - 1, index: 2 * index }), read({ level: level - 1, index: 2 * index + 1 }))
  }
  return read
}

const rootOf = (size: number, read: ReadNode): Buffer => hashOf({ start: 0, end: size }, read)

test('trees of up to eight leaves have the published roots', () => {
  const leaves = PUBLISHED_LEAVES.map((text) => leafHash(Buffer.from(text, 'hex')))
  const roots = PUBLISHED_ROOTS.map((_, size) => rootOf(size, readerOf(leaves)).toString('hex'))
  expect(roots).toEqual(PUBLISHED_ROOTS)
  expect(SHA256.empty.toString('hex')).toBe(PUBLISHED_ROOTS[0])
})

const MOST = 65
const leaves = leavesOf(MOST)
const read = readerOf(leaves)

test('every leaf of every tree of up to 65 leaves is proved, and no other leaf, place, size or path', () => {
  for (let size = 1; size <= MOST; size++) {
    const root = rootOf(size, read)
    for (let index = 0; index < size; index++) {
      const path = inclusionRanges(index, { start: 0, end: size }).map((range) => hashOf(range, read))
      const leaf = { index, hash: leaves[index] ?? SHA256.empty }
      expect(rootByInclusion(leaf, size, path)).toEqual(root)
      expect(rootByInclusion({ index, hash: leafHash(Buffer.from('another')) }, size, path)).not.toEqual(root)
      expect(rootByInclusion({ ...leaf, index: index + 1 }, size, path)).not.toEqual(root)
      expect(rootByInclusion(leaf, size, [...path, root])).toBeNull()
      expect(rootByInclusion(leaf, size, path.length > 0 ? path.slice(1) : [root])).toBeNull()
    }
  }
})

test('every two trees of up to 65 leaves are proved consistent, and a tree that was rewritten never is', () => {
  for (let size = 1; size <= MOST; size++) {
    for (let older = 0; older <= size; older++) {
      const proof = consistencyRanges(older, { start: 0, end: size }).map((range) => hashOf(range, read))
      const before = { size: older, root: rootOf(older, read) }
      const after = { size, root: rootOf(size, read) }
      expect(isConsistent(before, after, proof)).toBe(true)
      expect(isConsistent({ ...before, root: leafHash(before.root) }, after, proof)).toBe(false)
      expect(isConsistent(before, { ...after, root: leafHash(after.root) }, proof)).toBe(older === 0)
      expect(isConsistent(before, after, [...proof, after.root])).toBe(false)
      expect(isConsistent({ ...after, size: size + 1 }, after, proof)).toBe(false)
    }
  }
})

test('whichever entry is changed after a checkpoint, no proof that a rewriter can make joins the two', () => {
  const forks = fc.record({
    older: fc.integer({ min: 1, max: MOST }),
    added: fc.integer({ min: 0, max: 40 }),
    at: fc.nat(),
  })
  fc.assert(
    fc.property(forks, ({ older, added, at }) => {
      const rewritten = [...leaves.slice(0, older), ...leavesOf(added)]
      rewritten[at % older] = leafHash(Buffer.from('rewritten'))
      const readRewritten = readerOf(rewritten)
      const size = rewritten.length
      const proof = consistencyRanges(older, { start: 0, end: size }).map((range) => hashOf(range, readRewritten))
      const head = { size, root: rootOf(size, readRewritten) }
      expect(isConsistent({ size: older, root: rootOf(older, read) }, head, proof)).toBe(false)
    }),
    { numRuns: 1000 },
  )
})
