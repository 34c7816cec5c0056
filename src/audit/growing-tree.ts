import { joinSubtrees, nodesOf } from './merkle.ts'
import { SHA256, type TreeHash } from './tree-hash.ts'

export interface GrowingTree {
  readonly add: (leaf: Buffer) => void
  readonly root: () => Buffer
  /** The hashes of its perfect subtrees, the largest first (C2SP: compact range). */
  readonly compactRange: () => readonly Buffer[]
}

/**
 * A tree of which only the perfect subtrees so far are kept, the largest first. It goes on behind the first `size` leaves, of which the
 * compact range is given.
 */
export function createTree(size = 0, compactRange: readonly Buffer[] = [], hashed: TreeHash = SHA256): GrowingTree {
  const begun = nodesOf({ start: 0, end: size })
  const subtrees = begun.map(({ level }, place) => ({ level, hash: compactRange[place] ?? hashed.empty }))
  return {
    add: (leaf) => {
      let added = { level: 0, hash: leaf }
      for (let last = subtrees.at(-1); last?.level === added.level; last = subtrees.at(-1)) {
        subtrees.pop()
        added = { level: added.level + 1, hash: hashed.node(last.hash, added.hash) }
      }
      subtrees.push(added)
    },
    root: () =>
      joinSubtrees(
        subtrees.map(({ hash }) => hash),
        hashed,
      ),
    compactRange: () => subtrees.map(({ hash }) => hash),
  }
}
