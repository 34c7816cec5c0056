import { writeCheckpoint, type Checkpoint } from '../audit/checkpoint.ts'
import { consistencyRanges, hashOf, isConsistent, nodesOf, type LeafRange, type ReadNode } from '../audit/merkle.ts'
import { publicKeyOf, signNote, treeOfKey, writeNote, type SigningKey } from '../audit/note.ts'
import { nodeReader, tileOf } from '../audit/tiles.ts'
import { SHA256, type TreeHash } from '../audit/tree-hash.ts'
import { AppError } from '../errors.ts'
import { readSigned, rememberSigned } from './signer-files.ts'
import { readTiles, readTreeSizes } from '../store/audit-tree.ts'
import { hasCheckpoints, publishCheckpoint, readCheckpointAt } from '../store/checkpoints.ts'
import type { Database, Query } from '../store/database.ts'
import { repeat } from './repeat.ts'

/**
 * Who signs a tree, apart from the database: its key and what it signed last are in files of its own. The key tells which tree: SM2 signs that
 * over SM3.
 */
export interface Signer {
  /** Name of the log, which is also that of its key. */
  readonly origin: string
  readonly privateKey: SigningKey
  /** The file of what was signed last. */
  readonly signedFile: string
  /** Nothing was ever signed of this log. Only then may the file be missing. */
  readonly isNewLog: boolean
}

/**
 * Throws AUDIT_FORKED where there is no file of what was signed last, though the log is not new, or it is of another log. A log of which
 * something was published is not new, whoever says so.
 */
async function lastSigned(query: Query, { origin, signedFile, isNewLog }: Signer, tree: TreeHash): Promise<Checkpoint> {
  const last = readSigned(signedFile)
  if (last === null && (!isNewLog || (await hasCheckpoints(query, tree.name))))
    throw new AppError(
      'AUDIT_FORKED',
      'nothing tells what was signed last; restore the file, or say that the log is new where nothing was ever signed of it',
    )
  if (last !== null && last.origin !== origin)
    throw new AppError('AUDIT_FORKED', `the last checkpoint is of ${last.origin}, given ${origin}`)
  return last ?? { origin, size: 0, root: tree.empty }
}

/** Reads the nodes that some ranges of the tree are made of. Throws AUDIT_FORKED where one of them is not there. */
async function readRanges(query: Query, ranges: readonly LeafRange[], tree: TreeHash): Promise<ReadNode> {
  const read = nodeReader(await readTiles(query, ranges.flatMap(nodesOf).map(tileOf), tree.name), tree)
  return (node) => {
    try {
      return read(node)
    } catch (error) {
      throw new AppError('AUDIT_FORKED', error instanceof RangeError ? error.message : '', { cause: error })
    }
  }
}

/** The proof that a tree of `older` entries is the beginning of one of `newer`. Throws AUDIT_FORKED where a tile is not there. */
export async function readProof(
  query: Query,
  older: number,
  newer: number,
  tree: TreeHash = SHA256,
): Promise<readonly Buffer[]> {
  const ranges = consistencyRanges(older, { start: 0, end: newer })
  const read = await readRanges(query, ranges, tree)
  return ranges.map((range) => hashOf(range, read, tree))
}

/** Signs one tree of so many leaves, as `signTrees`. */
async function signSize(query: Query, signer: Signer, tree: TreeHash, size: number): Promise<void> {
  const { origin, privateKey, signedFile } = signer
  const last = await lastSigned(query, signer, tree)
  const whole = { start: 0, end: size }
  const proven = size > last.size ? consistencyRanges(last.size, whole) : []
  const read = await readRanges(query, [whole, ...proven], tree)
  const next = { origin, size, root: hashOf(whole, read, tree) }
  const proof = proven.map((range) => hashOf(range, read, tree))
  if (!isConsistent(last, next, proof, tree))
    throw new AppError('AUDIT_FORKED', `a tree of ${size} does not continue the signed one of ${last.size}`)
  rememberSigned(signedFile, next)
  if ((await readCheckpointAt(query, tree.name, size)) !== null) return
  await publishCheckpoint(query, tree.name, size, writeNote(signNote(writeCheckpoint(next), origin, privateKey)))
}

/**
 * Signs trees as they stand, each if it is a continuation of what was signed of it last, and returns the size of the first. They are of one
 * moment, so trees that grow together are signed at one size. The proof is asked of the database and judged against the signer's own file,
 * so a database that was rewritten or set back is not signed. Throws AUDIT_FORKED, KEY_UNAVAILABLE.
 */
export async function signTrees(query: Query, signers: readonly Signer[]): Promise<number> {
  const sizes = await readTreeSizes(query)
  const signed: number[] = []
  for (const signer of signers) {
    const tree = treeOfKey(publicKeyOf(signer.privateKey))
    const size = sizes.get(tree.name) ?? 0
    await signSize(query, signer, tree, size)
    signed.push(size)
  }
  return signed[0] ?? 0
}

/** Signs one tree, as `signTrees`. */
export const signTree = (query: Query, signer: Signer): Promise<number> => signTrees(query, [signer])

/** A tree of one second of appends is signed within the next. */
const EVERY_MS = 1000

/** Signs the trees again and again until the function that it returns is called. */
export function startSigner(
  { query }: Database,
  signers: readonly Signer[],
  onError: (error: unknown) => void,
): () => Promise<void> {
  return repeat(() => signTrees(query, signers), { everyMs: EVERY_MS, onError })
}
