import { SHA256, type TreeHash } from './tree-hash.ts'

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
export const hashOf = (range: LeafRange, read: ReadNode, tree: TreeHash = SHA256): Buffer =>
  joinSubtrees(nodesOf(range).map(read), tree)

/** The hash over perfect subtrees, the largest first. */
export const joinSubtrees = (hashes: readonly Buffer[], tree: TreeHash): Buffer =>
  hashes.slice(0, -1).reduceRight((right, left) => tree.node(left, right), hashes.at(-1) ?? tree.empty)

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
  tree: TreeHash = SHA256,
): Buffer | null {
  if (leaf.index < 0 || leaf.index >= size) return null
  const ranges = inclusionRanges(leaf.index, { start: 0, end: size })
  if (ranges.length !== path.length) return null
  // A sibling to the left of the leaf goes before what is known so far, one to the right after it.
  return ranges.reduce<Buffer>((below, range, step) => {
    const beside = path[step] ?? tree.empty
    return range.start > leaf.index ? tree.node(below, beside) : tree.node(beside, below)
  }, Buffer.from(leaf.hash))
}

/** A tree as a signed checkpoint states it. */
export interface TreeHead {
  readonly size: number
  readonly root: Uint8Array
}

/** Whether `newer` only adds leaves to `older`, RFC 9162 §2.1.4.2. */
export function isConsistent(
  older: TreeHead,
  newer: TreeHead,
  proof: readonly Uint8Array[],
  tree: TreeHash = SHA256,
): boolean {
  if (older.size > newer.size) return false
  if (older.size === newer.size) return proof.length === 0 && isSame(older.root, newer.root)
  if (older.size === 0) return proof.length === 0 && isSame(older.root, tree.empty)
  const ranges = consistencyRanges(older.size, { start: 0, end: newer.size })
  // Where the older tree is one perfect subtree, its own root is where the proof begins.
  const isPerfect = nodesOf({ start: 0, end: older.size }).length === 1
  if (proof.length !== ranges.length) return false
  const [first = older.root, ...rest] = isPerfect ? [older.root, ...proof] : proof
  const above = isPerfect ? ranges : ranges.slice(1)
  const roots = above.reduce<BothRoots>(
    (known, range, step) => climb(known, tree, range.start >= older.size, rest[step] ?? tree.empty),
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
function climb({ older, newer }: BothRoots, tree: TreeHash, isRight: boolean, beside: Uint8Array): BothRoots {
  if (isRight) return { older, newer: tree.node(newer, beside) }
  return { older: tree.node(beside, older), newer: tree.node(beside, newer) }
}

const isSame = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0
