import { createPublicKey, hash, sign, verify, type KeyObject } from 'node:crypto'

/** Who signs notes: a name and an Ed25519 key (RFC 8032), as C2SP signed-note has them. */
export interface NoteVerifier {
  readonly name: string
  readonly publicKey: KeyObject
}

/** A text and the signature lines under it; unknown ones are kept and count for nothing. */
export interface SignedNote {
  /** Ends with a line end. */
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

export interface NoteSignature {
  readonly name: string
  /** Key id, 4 bytes, then the signature. */
  readonly bytes: Buffer
}

/** What a key is for, by its type in C2SP signed-note: notes of its own, or cosignatures of checkpoints of others. */
const KEY_TYPES = { note: 0x01, cosignature: 0x04 } as const
type KeyUse = keyof typeof KEY_TYPES

export const KEY_ID_BYTES = 4
const RAW_KEY_BYTES = 32
const LINE = /^— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/

/** The 32 bytes of an Ed25519 public key. */
const rawKey = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' }).subarray(-RAW_KEY_BYTES)

/** SHA-256(name ‖ 0x0A ‖ type ‖ key)[:4], C2SP signed-note. */
export const keyIdOf = ({ name, publicKey }: NoteVerifier, use: KeyUse = 'note'): Buffer =>
  hash(
    'sha256',
    Buffer.concat([Buffer.from(`${name}\n`), Buffer.from([KEY_TYPES[use]]), rawKey(publicKey)]),
    'buffer',
  ).subarray(0, KEY_ID_BYTES)

/** A verifier in the words of C2SP: `name+keyId+key`. */
export const writeVerifier = (verifier: NoteVerifier, use: KeyUse = 'note'): string =>
  `${verifier.name}+${keyIdOf(verifier, use).toString('hex')}+${Buffer.concat([Buffer.from([KEY_TYPES[use]]), rawKey(verifier.publicKey)]).toString('base64')}`

/** The start of every Ed25519 SubjectPublicKeyInfo, RFC 8410 §4. */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

/** Reads what `writeVerifier` writes; null for anything else, a key of another kind or for another use, or an id that does not fit. */
export function readVerifier(text: string, use: KeyUse = 'note'): NoteVerifier | null {
  const [, name, keyId, encoded = ''] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(text) ?? []
  const bytes = Buffer.from(encoded, 'base64')
  if (name === undefined || bytes.length !== RAW_KEY_BYTES + 1 || bytes[0] !== KEY_TYPES[use]) return null
  const key = Buffer.concat([SPKI_PREFIX, bytes.subarray(1)])
  const verifier = { name, publicKey: createPublicKey({ key, format: 'der', type: 'spki' }) }
  return keyIdOf(verifier, use).toString('hex') === keyId ? verifier : null
}

/** Signs a text that ends with a line end. */
export function signNote(text: string, name: string, privateKey: KeyObject): SignedNote {
  const keyId = keyIdOf({ name, publicKey: createPublicKey(privateKey) })
  const bytes = Buffer.concat([keyId, sign(null, Buffer.from(text), privateKey)])
  return { text, signatures: [{ name, bytes }] }
}

/** A line under a note, with its end. */
export const writeSignature = ({ name, bytes }: NoteSignature): string => `— ${name} ${bytes.toString('base64')}\n`

export const writeNote = ({ text, signatures }: SignedNote): string =>
  `${text}\n${signatures.map(writeSignature).join('')}`

/** Reads a note; null where it is none. */
export function readNote(note: string): SignedNote | null {
  const end = note.lastIndexOf('\n\n')
  if (end < 0 || !note.endsWith('\n')) return null
  const lines = note
    .slice(end + 2, -1)
    .split('\n')
    .map((line) => LINE.exec(line))
  const signatures = lines.flatMap((line) =>
    line === null ? [] : [{ name: line[1] ?? '', bytes: Buffer.from(line[2] ?? '', 'base64') }],
  )
  return signatures.length === lines.length ? { text: note.slice(0, end + 1), signatures } : null
}

/** Whether the verifier signed this note. */
export function isSignedBy(note: SignedNote, verifier: NoteVerifier): boolean {
  const keyId = keyIdOf(verifier)
  return note.signatures.some(
    ({ name, bytes }) =>
      name === verifier.name &&
      bytes.subarray(0, KEY_ID_BYTES).equals(keyId) &&
      verify(null, Buffer.from(note.text), verifier.publicKey, bytes.subarray(KEY_ID_BYTES)),
  )
}
