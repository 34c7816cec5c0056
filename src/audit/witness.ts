import { readCheckpoint, type Checkpoint } from './checkpoint.ts'
import { isConsistent } from './merkle.ts'
import { isSignedBy, readNote, treeOfKey, writeNote, type NoteVerifier, type SignedNote } from './note.ts'

/** What is sent to a witness, C2SP tlog-witness `add-checkpoint`. */
export interface Submission {
  /** How many entries the checkpoint had that this witness cosigned last. */
  readonly oldSize: number
  /** RFC 6962 §2.1.2, from there to the checkpoint. */
  readonly proof: readonly Uint8Array[]
  readonly note: SignedNote
}

const OLD = /^old (0|[1-9]\d{0,15})$/
const HASH = /^[A-Za-z0-9+/]{43}=$/
/** As the protocol has it: more hashes than a tree of 2⁶³ entries needs. */
const MOST_HASHES = 63

export const writeSubmission = ({ oldSize, proof, note }: Submission): string =>
  [`old ${oldSize}`, ...proof.map((hash) => Buffer.from(hash).toString('base64')), '', writeNote(note)].join('\n')

/** Reads what `writeSubmission` writes; null for anything else. */
export function readSubmission(text: string): Submission | null {
  const end = text.indexOf('\n\n')
  const [old = '', ...hashes] = text.slice(0, end).split('\n')
  const oldSize = OLD.exec(old)?.[1]
  const note = readNote(text.slice(end + 2))
  if (end < 0 || oldSize === undefined || note === null) return null
  if (hashes.length > MOST_HASHES || !hashes.every((hash) => HASH.test(hash))) return null
  return { oldSize: Number(oldSize), proof: hashes.map((hash) => Buffer.from(hash, 'base64')), note }
}

/** What a witness makes of a submission: a checkpoint that it remembers and then cosigns, or a refusal by its HTTP status. */
export type Judgement =
  | { readonly status: 200; readonly checkpoint: Checkpoint }
  | { readonly status: 400 | 403 | 404 | 422 }
  /** How many entries the checkpoint has that was cosigned last. */
  | { readonly status: 409; readonly size: number }

/**
 * Judges a submission against what was cosigned last of its log, in the order of the protocol. What passes only adds to that; a fork is
 * refused with 409 or 422, whoever signed it.
 */
export function judgeSubmission(
  { oldSize, proof, note }: Submission,
  logs: readonly NoteVerifier[],
  lastOf: (origin: string) => Checkpoint | null,
): Judgement {
  const checkpoint = readCheckpoint(note.text)
  if (checkpoint === null) return { status: 400 }
  const keys = logs.filter(({ name }) => name === checkpoint.origin)
  if (keys.length === 0) return { status: 404 }
  const signedBy = keys.find((key) => isSignedBy(note, key))
  if (signedBy === undefined) return { status: 403 }
  if (oldSize > checkpoint.size) return { status: 400 }
  const tree = treeOfKey(signedBy.publicKey)
  const last = lastOf(checkpoint.origin) ?? { size: 0, root: tree.empty }
  if (oldSize !== last.size) return { status: 409, size: last.size }
  if (isConsistent(last, checkpoint, proof, tree)) return { status: 200, checkpoint }
  return oldSize === checkpoint.size && proof.length === 0 ? { status: 409, size: last.size } : { status: 422 }
}
