import { readCheckpoint, type Checkpoint } from './checkpoint.ts'
import { cosignedAt } from './cosignature.ts'
import { createTree } from './growing-tree.ts'
import { isSignedBy, readNote, treeOfKey, type NoteVerifier } from './note.ts'
import { isRangeOf, NOTHING_PRUNED, rangeOf, type Pruned } from './pruned.ts'
import { SHA256, type TreeHash } from './tree-hash.ts'

/** A place of one of the trees: the leaf hash of the body that lies there, null where it is gone, and the one that its tile has. */
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
function createComparison(checkpoints: readonly Checkpoint[], pruned: Pruned, hashed: TreeHash): Comparison {
  const { minIndex } = pruned
  const tree = createTree(minIndex, rangeOf(pruned, hashed), hashed)
  let size = minIndex
  /** The size of the last checkpoint that fits, and the first place whose tile is not that of its body. */
  let good = minIndex
  let different: number | null = null
  let next = 0
  return {
    add: ({ fromBody, fromTile }) => {
      if (!isSame(fromBody, fromTile)) different ??= size
      tree.add(Buffer.from(fromBody ?? hashed.empty))
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

/** The checkpoints of these notes by size, whoever signed them: what the log itself can say, without the key. Unreadable ones are left out. */
export function readUnproven(notes: readonly string[]): readonly Checkpoint[] {
  const checkpoints = notes.map((text) => readCheckpoint(readNote(text)?.text ?? ''))
  return checkpoints.filter((one) => one !== null).toSorted((one, other) => one.size - other.size)
}

/**
 * Builds the tree anew from the bodies, in its order, and compares it with every signed checkpoint. Names the first entry that is not as it
 * was signed: where the tiles still have what was signed, exactly; where they were rewritten too, the first that may be bad, behind the last
 * checkpoint that still fits. Of what was pruned there are hashes alone, so that older checkpoints have no tree to compare with.
 */
export async function compareTree(
  leaves: AsyncIterable<TreeLeaf>,
  checkpoints: readonly Checkpoint[],
  pruned: Pruned,
  hashed: TreeHash = SHA256,
): Promise<TreeVerdict> {
  const later = checkpoints.filter(({ size }) => size >= pruned.minIndex)
  if (later.length === 0) return { state: 'undecided', fault: 'no checkpoint was signed' }
  if (!isRangeOf(pruned, hashed)) return tampered(0, 'the hashes of what was pruned are not as many as they have to be')
  const comparison = createComparison(later, pruned, hashed)
  const empty = comparison.contradiction()
  if (empty !== null) return empty
  for await (const leaf of leaves) {
    comparison.add(leaf)
    const contradiction = comparison.contradiction()
    if (contradiction !== null) return contradiction
  }
  return comparison.end()
}

/** By whose keys a tree is judged, and what is gone of it. The verifier's key tells which tree: Ed25519 signs the one over SHA-256. */
export interface TreeJudge {
  readonly verifier: NoteVerifier
  readonly witnesses?: readonly NoteVerifier[]
  readonly pruned?: Pruned
}

/**
 * As `compareTree`, with the checkpoints of these notes, all of which have to be signed by the verifier. Given witnesses, it tells up to
 * where all of them cosigned, and decides nothing where one never did.
 */
export async function verifyTree(
  leaves: AsyncIterable<TreeLeaf>,
  notes: readonly string[],
  { verifier, witnesses = [], pruned = NOTHING_PRUNED }: TreeJudge,
): Promise<TreeVerdict> {
  const heads = readHeads(notes, verifier)
  if ('state' in heads) return heads
  const verdict = await compareTree(leaves, heads.checkpoints, pruned, treeOfKey(verifier.publicKey))
  if (verdict.state !== 'whole' || witnesses.length === 0) return verdict
  const cosigned = cosignedSize(notes, witnesses)
  return cosigned > 0 ? { ...verdict, cosigned } : { state: 'undecided', fault: 'a witness cosigned no checkpoint' }
}
