import { hash } from 'node:crypto'

/** Leaves from `start` up to but not with `end`, numbered from 0. */
export interface LeafRange {
  readonly start: number
  readonly end: number
}

/** A perfect subtree: the 2^level leaves from index × 2^level on. */
export interface TreeNode {
  readonly level: number
  readonly index: number
}

/** Gives the hash of a perfect subtree whose leaves are all there. */
export type ReadNode = (node: TreeNode) => Buffer

const NODE_PREFIX = Buffer.from([1])

/** SHA-256(0x01 ‖ left ‖ right), RFC 6962 §2.1. */
export const nodeHash = (left: Uint8Array, right: Uint8Array): Buffer =>
  hash('sha256', Buffer.concat([NODE_PREFIX, left, right]), 'buffer')

/** The hash of a tree without leaves, RFC 6962 §2.1. */
export const EMPTY_ROOT: Buffer = hash('sha256', '', 'buffer')

/** The largest power of two below a number of leaves, which is where RFC 6962 parts a tree; bitwise operators end at 2³¹. */
function splitOf(leaves: number): number {
  let split = 1
  while (2 * split < leaves) split *= 2
  return split
}

/** The perfect subtrees that a range of a tree is made of, from the left. Ranges of a tree begin where a subtree of their size may. */
export function nodesOf({ start, end }: LeafRange): readonly TreeNode[] {
  const nodes: TreeNode[] = []
  for (let from = start; from < end;) {
    let level = 0
    while (from % 2 ** (level + 1) === 0 && from + 2 ** (level + 1) <= end) level++
    nodes.push({ level, index: from / 2 ** level })
    from += 2 ** level
  }
  return nodes
}

/** The hash of a range of leaves: MTH of RFC 6962 §2.1. */
export function hashOf(range: LeafRange, read: ReadNode): Buffer {
  const hashes = nodesOf(range).map(read)
  return hashes.reduceRight((right, left) => nodeHash(left, right), hashes.pop() ?? EMPTY_ROOT)
}

/** The ranges whose hashes prove that a leaf is in a tree, from the leaf up: PATH of RFC 6962 §2.1.1. */
export function inclusionRanges(leaf: number, { start, end }: LeafRange): readonly LeafRange[] {
  if (end - start <= 1) return []
  const split = start + splitOf(end - start)
  const left = { start, end: split }
  const right = { start: split, end }
  return leaf < split ? [...inclusionRanges(leaf, left), right] : [...inclusionRanges(leaf, right), left]
}

/** The ranges whose hashes prove that the tree of the first `size` leaves is the beginning of this one: PROOF of RFC 6962 §2.1.2. */
export function consistencyRanges(size: number, tree: LeafRange): readonly LeafRange[] {
  return size === 0 ? [] : subproof(size, tree, true)
}

function subproof(size: number, { start, end }: LeafRange, isWhole: boolean): readonly LeafRange[] {
  if (start + size === end) return isWhole ? [] : [{ start, end }]
  const split = start + splitOf(end - start)
  const left = { start, end: split }
  const right = { start: split, end }
  if (start + size <= split) return [...subproof(size, left, isWhole), right]
  return [...subproof(start + size - split, right, false), left]
}

/** The root that a leaf and its path lead to, or null where the path cannot be one of this leaf in a tree of this size. RFC 9162 §2.1.3.2. */
export function rootByInclusion(
  leaf: { readonly index: number; readonly hash: Uint8Array },
  size: number,
  path: readonly Uint8Array[],
): Buffer | null {
  if (leaf.index < 0 || leaf.index >= size) return null
  const ranges = inclusionRanges(leaf.index, { start: 0, end: size })
  if (ranges.length !== path.length) return null
  return ranges.reduce<Buffer>(
    (below, range, step) => joinBeside(below, leaf.index, range, path[step] ?? EMPTY_ROOT),
    Buffer.from(leaf.hash),
  )
}

/** A sibling to the left of the leaf goes before what is known so far, one to the right after it. */
const joinBeside = (below: Buffer, leaf: number, sibling: LeafRange, siblingHash: Uint8Array): Buffer =>
  sibling.start > leaf ? nodeHash(below, siblingHash) : nodeHash(siblingHash, below)

/** A tree as a signed checkpoint states it. */
export interface TreeHead {
  readonly size: number
  readonly root: Uint8Array
}

/** Whether `newer` only adds leaves to `older`, RFC 9162 §2.1.4.2. */
export function isConsistent(older: TreeHead, newer: TreeHead, proof: readonly Uint8Array[]): boolean {
  if (older.size > newer.size) return false
  if (older.size === newer.size) return proof.length === 0 && isSame(older.root, newer.root)
  if (older.size === 0) return proof.length === 0 && isSame(older.root, EMPTY_ROOT)
  const ranges = consistencyRanges(older.size, { start: 0, end: newer.size })
  // Where the older tree is one perfect subtree, its own root is where the proof begins.
  const isPerfect = nodesOf({ start: 0, end: older.size }).length === 1
  if (proof.length !== ranges.length) return false
  const [first = older.root, ...rest] = isPerfect ? [older.root, ...proof] : proof
  const above = isPerfect ? ranges : ranges.slice(1)
  const roots = above.reduce<BothRoots>(
    (known, range, step) => climb(known, older.size, range, rest[step] ?? EMPTY_ROOT),
    {
      older: Buffer.from(first),
      newer: Buffer.from(first),
    },
  )
  return isSame(roots.older, older.root) && isSame(roots.newer, newer.root)
}

interface BothRoots {
  readonly older: Buffer
  readonly newer: Buffer
}

/** What lies to the left is part of both trees, what lies to the right of the newer alone. */
function climb({ older, newer }: BothRoots, size: number, range: LeafRange, rangeHash: Uint8Array): BothRoots {
  if (range.start >= size) return { older, newer: nodeHash(newer, rangeHash) }
  return { older: nodeHash(rangeHash, older), newer: nodeHash(rangeHash, newer) }
}

const isSame = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0
