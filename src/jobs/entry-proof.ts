import { inclusionRanges, nodesOf, type ReadNode } from '../audit/merkle.ts'
import { nodeReader, tileOf, type Tile } from '../audit/tiles.ts'
import { writeProof } from '../audit/tlog-proof.ts'
import { AppError } from '../errors.ts'
import { findCheckpointBeyond, findPlacedEntry } from '../store/audit-evidence.ts'
import { readTiles } from '../store/audit-tree.ts'
import type { Query } from '../store/database.ts'

/** A node for a proof. Throws AUDIT_BROKEN where its tile is gone, for then nothing can be proven. */
export function provingReader(tiles: readonly Tile[]): ReadNode {
  const read = nodeReader(tiles)
  return (node) => {
    try {
      return read(node)
    } catch (error) {
      throw new AppError('AUDIT_BROKEN', 'a tile of the tree is missing', { cause: error })
    }
  }
}

export interface EntryProof {
  readonly index: number
  /** C2SP tlog-proof. */
  readonly text: string
}

/** The proof of one entry under the newest checkpoint. Throws EVIDENCE_EMPTY, EVIDENCE_UNSIGNED, AUDIT_BROKEN. */
export async function proveEntry(query: Query, entryId: string): Promise<EntryProof> {
  const entry = await findPlacedEntry(query, entryId)
  if (entry === null) throw new AppError('EVIDENCE_EMPTY', 'no entry of this id is in the tree')
  const head = await findCheckpointBeyond(query, entry.index)
  if (head === null) throw new AppError('EVIDENCE_UNSIGNED', 'ask again once the next checkpoint is signed')
  const ranges = inclusionRanges(entry.index, { start: 0, end: head.size })
  const read = provingReader(await readTiles(query, ranges.flatMap(nodesOf).map(tileOf)))
  return { index: entry.index, text: writeProof(entry, head, read) }
}
