import { readCheckpoint, type Checkpoint } from './checkpoint.ts'
import { cosignedAt } from './cosignature.ts'
import { EMPTY_ROOT, nodeHash } from './merkle.ts'
import { isSignedBy, readNote, type NoteVerifier } from './note.ts'

/** A place of the tree: the leaf hash of the body that lies there, null where it is gone, and the one that its tile has. */
export interface TreeLeaf {
  readonly fromBody: Uint8Array | null
  readonly fromTile: Uint8Array | null
}

export type TreeVerdict =
  | {
      readonly state: 'whole'
      readonly leaves: number
      readonly checkpoints: number
      readonly signed: number
      /** Entries under checkpoints that every given witness cosigned; not there where none was given. */
      readonly cosigned?: number
    }
  | { readonly state: 'tampered'; readonly index: number; readonly fault: string }
  | { readonly state: 'undecided'; readonly fault: string }

/** The checkpoints of these notes by size, each signed by the verifier and of its log; or what is wrong with one. */
function readHeads(
  notes: readonly string[],
  verifier: NoteVerifier,
): { readonly checkpoints: readonly Checkpoint[] } | TreeVerdict {
  const checkpoints: Checkpoint[] = []
  for (const text of notes) {
    const note = readNote(text)
    const checkpoint = note === null ? null : readCheckpoint(note.text)
    if (note === null || checkpoint === null) return { state: 'undecided', fault: 'a checkpoint cannot be read' }
    if (checkpoint.origin !== verifier.name || !isSignedBy(note, verifier))
      return { state: 'undecided', fault: 'a checkpoint is not signed by the key of the log' }
    checkpoints.push(checkpoint)
  }
  return { checkpoints: checkpoints.toSorted((one, other) => one.size - other.size) }
}

/** How many entries the largest checkpoint has that every witness cosigned, as one or several copies of its note tell. */
function cosignedSize(notes: readonly string[], witnesses: readonly NoteVerifier[]): number {
  const sizes = witnesses.map((witness) =>
    notes.reduce((most, text) => {
      const note = readNote(text)
      const size = note === null || cosignedAt(note, witness) === null ? 0 : (readCheckpoint(note.text)?.size ?? 0)
      return Math.max(most, size)
    }, 0),
  )
  return Math.min(...sizes)
}

interface GrowingTree {
  readonly add: (leaf: Buffer) => void
  readonly root: () => Buffer
}

/** A tree of which only the perfect subtrees so far are kept, the largest first. */
function createTree(): GrowingTree {
  const subtrees: { readonly level: number; readonly hash: Buffer }[] = []
  return {
    add: (leaf) => {
      let added = { level: 0, hash: leaf }
      for (let last = subtrees.at(-1); last?.level === added.level; last = subtrees.at(-1)) {
        subtrees.pop()
        added = { level: added.level + 1, hash: nodeHash(last.hash, added.hash) }
      }
      subtrees.push(added)
    },
    root: () => {
      const hashes = subtrees.map(({ hash }) => hash)
      return hashes.reduceRight((right, left) => nodeHash(left, right), hashes.pop() ?? EMPTY_ROOT)
    },
  }
}

const isSame = (one: Uint8Array | null, other: Uint8Array | null): boolean =>
  one !== null && other !== null && Buffer.compare(one, other) === 0

const tampered = (index: number, fault: string): TreeVerdict => ({ state: 'tampered', index, fault })

interface Comparison {
  readonly add: (leaf: TreeLeaf) => void
  /** Where the tree so far is not what a checkpoint of its size states; null where it is. */
  readonly contradiction: () => TreeVerdict | null
  readonly end: () => TreeVerdict
}

/** Compares a growing tree with the checkpoints, in the order of their sizes. */
function createComparison(checkpoints: readonly Checkpoint[]): Comparison {
  const tree = createTree()
  let size = 0
  /** The size of the last checkpoint that fits, and the first place whose tile is not that of its body. */
  let good = 0
  let different: number | null = null
  let next = 0
  return {
    add: ({ fromBody, fromTile }) => {
      if (!isSame(fromBody, fromTile)) different ??= size
      tree.add(Buffer.from(fromBody ?? EMPTY_ROOT))
      size += 1
    },
    contradiction: () => {
      for (; checkpoints[next]?.size === size; next++) {
        if (!isSame(tree.root(), checkpoints[next]?.root ?? null))
          return tampered(different ?? good, 'the entry is not the one that was signed')
        good = size
      }
      return null
    },
    end: () => {
      if (next < checkpoints.length) return tampered(size, 'the log is shorter than what was signed')
      if (different !== null) return tampered(different, 'a tile does not fit the entry')
      return { state: 'whole', leaves: size, checkpoints: checkpoints.length, signed: good }
    },
  }
}

/**
 * Builds the tree anew from the bodies, in its order, and compares it with every signed checkpoint. Names the first entry that is not as it
 * was signed: where the tiles still have what was signed, exactly; where they were rewritten too, the first that may be bad, behind the last
 * checkpoint that still fits. Given witnesses, it tells up to where all of them cosigned, and decides nothing where one never did.
 */
export async function verifyTree(
  leaves: AsyncIterable<TreeLeaf>,
  notes: readonly string[],
  verifier: NoteVerifier,
  witnesses: readonly NoteVerifier[] = [],
): Promise<TreeVerdict> {
  const heads = readHeads(notes, verifier)
  if ('state' in heads) return heads
  if (heads.checkpoints.length === 0) return { state: 'undecided', fault: 'no checkpoint was signed' }
  const comparison = createComparison(heads.checkpoints)
  const empty = comparison.contradiction()
  if (empty !== null) return empty
  for await (const leaf of leaves) {
    comparison.add(leaf)
    const contradiction = comparison.contradiction()
    if (contradiction !== null) return contradiction
  }
  const verdict = comparison.end()
  if (verdict.state !== 'whole' || witnesses.length === 0) return verdict
  const cosigned = cosignedSize(notes, witnesses)
  return cosigned > 0 ? { ...verdict, cosigned } : { state: 'undecided', fault: 'a witness cosigned no checkpoint' }
}
