import type { KeyObject } from 'node:crypto'
import { writeCheckpoint, type Checkpoint } from '../audit/checkpoint.ts'
import {
  consistencyRanges,
  EMPTY_ROOT,
  hashOf,
  isConsistent,
  nodesOf,
  type LeafRange,
  type ReadNode,
} from '../audit/merkle.ts'
import { signNote, writeNote } from '../audit/note.ts'
import { nodeReader, tileOf } from '../audit/tiles.ts'
import { AppError } from '../errors.ts'
import { readSigned, rememberSigned } from './signer-files.ts'
import { readTiles } from '../store/audit-tree.ts'
import { hasCheckpoints, publishCheckpoint, readCheckpointAt, readTreeSize } from '../store/checkpoints.ts'
import type { Database, Query } from '../store/database.ts'
import { repeat } from './repeat.ts'

/** Who signs, apart from the database: its key and what it signed last are in files of its own. */
export interface Signer {
  /** Name of the log, which is also that of its key. */
  readonly origin: string
  readonly privateKey: KeyObject
  /** The file of what was signed last. */
  readonly signedFile: string
  /** Nothing was ever signed of this log. Only then may the file be missing. */
  readonly isNewLog: boolean
}

/**
 * Throws AUDIT_FORKED where there is no file of what was signed last, though the log is not new, or it is of another log. A log of which
 * something was published is not new, whoever says so.
 */
async function lastSigned(query: Query, { origin, signedFile, isNewLog }: Signer): Promise<Checkpoint> {
  const last = readSigned(signedFile)
  if (last === null && (!isNewLog || (await hasCheckpoints(query))))
    throw new AppError(
      'AUDIT_FORKED',
      'nothing tells what was signed last; restore the file, or say that the log is new where nothing was ever signed of it',
    )
  if (last !== null && last.origin !== origin)
    throw new AppError('AUDIT_FORKED', `the last checkpoint is of ${last.origin}, given ${origin}`)
  return last ?? { origin, size: 0, root: EMPTY_ROOT }
}

/** Reads the nodes that some ranges of the tree are made of. Throws AUDIT_FORKED where one of them is not there. */
async function readRanges(query: Query, ranges: readonly LeafRange[]): Promise<ReadNode> {
  const read = nodeReader(await readTiles(query, ranges.flatMap(nodesOf).map(tileOf)))
  return (node) => {
    try {
      return read(node)
    } catch (error) {
      throw new AppError('AUDIT_FORKED', error instanceof RangeError ? error.message : '', { cause: error })
    }
  }
}

/** The proof that a tree of `older` entries is the beginning of one of `newer`. Throws AUDIT_FORKED where a tile is not there. */
export async function readProof(query: Query, older: number, newer: number): Promise<readonly Buffer[]> {
  const ranges = consistencyRanges(older, { start: 0, end: newer })
  const read = await readRanges(query, ranges)
  return ranges.map((range) => hashOf(range, read))
}

/**
 * Signs the tree as it stands, if it is a continuation of what was signed last, and returns its size. The proof is asked of the database and
 * judged against the signer's own file, so a database that was rewritten or set back is not signed. Throws AUDIT_FORKED, KEY_UNAVAILABLE.
 */
export async function signTree(query: Query, signer: Signer): Promise<number> {
  const { origin, privateKey, signedFile } = signer
  const last = await lastSigned(query, signer)
  const size = await readTreeSize(query)
  const whole = { start: 0, end: size }
  const proven = size > last.size ? consistencyRanges(last.size, whole) : []
  const read = await readRanges(query, [whole, ...proven])
  const next = { origin, size, root: hashOf(whole, read) }
  const proof = proven.map((range) => hashOf(range, read))
  if (!isConsistent(last, next, proof))
    throw new AppError('AUDIT_FORKED', `a tree of ${size} does not continue the signed one of ${last.size}`)
  rememberSigned(signedFile, next)
  if ((await readCheckpointAt(query, size)) !== null) return size
  await publishCheckpoint(query, size, writeNote(signNote(writeCheckpoint(next), origin, privateKey)))
  return size
}

/** A tree of one second of appends is signed within the next. */
const EVERY_MS = 1000

/** Signs the tree again and again until the function that it returns is called. */
export function startSigner(
  { query }: Database,
  signer: Signer,
  onError: (error: unknown) => void,
): () => Promise<void> {
  return repeat(() => signTree(query, signer), { everyMs: EVERY_MS, onError })
}
