import { createPublicKey, hash, KeyObject, sign, verify } from 'node:crypto'
import { SHA256, type TreeHash } from './tree-hash.ts'

/** A kind of key beside Ed25519, as C2SP signed-note allows them, and what has to be known of it. */
export interface KeyKind {
  /** How its keys begin in a verifier: signature type 0xff and its name. */
  readonly type: Uint8Array
  readonly keyBytes: number
  /** Over which hash the trees are whose checkpoints such keys sign. */
  readonly tree: TreeHash
  readonly verify: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean
}

interface KeyOfKind {
  readonly kind: KeyKind
  readonly bytes: Uint8Array
}

/** An Ed25519 key (RFC 8032), or one of another kind. */
export type PublicKey = KeyObject | KeyOfKind

/** The private half of a `PublicKey`. */
export type SigningKey =
  | KeyObject
  | { readonly publicKey: KeyOfKind; readonly sign: (message: Uint8Array) => Uint8Array }

/** Who signs notes: a name and a key, as C2SP signed-note has them. */
export interface NoteVerifier {
  readonly name: string
  readonly publicKey: PublicKey
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

/** Type and key, as they stand in a verifier. */
const typedKey = (key: PublicKey, use: KeyUse): Buffer =>
  key instanceof KeyObject
    ? Buffer.concat([Buffer.from([KEY_TYPES[use]]), rawKey(key)])
    : Buffer.concat([key.kind.type, key.bytes])

export const publicKeyOf = (key: SigningKey): PublicKey =>
  key instanceof KeyObject ? createPublicKey(key) : key.publicKey

/** Over which hash the trees are whose checkpoints this key signs. */
export const treeOfKey = (key: PublicKey): TreeHash => (key instanceof KeyObject ? SHA256 : key.kind.tree)

/** SHA-256(name ‖ 0x0A ‖ type ‖ key)[:4], C2SP signed-note. */
export const keyIdOf = ({ name, publicKey }: NoteVerifier, use: KeyUse = 'note'): Buffer =>
  hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), typedKey(publicKey, use)]), 'buffer').subarray(
    0,
    KEY_ID_BYTES,
  )

/** A verifier in the words of C2SP: `name+keyId+key`. */
export const writeVerifier = (verifier: NoteVerifier, use: KeyUse = 'note'): string =>
  `${verifier.name}+${keyIdOf(verifier, use).toString('hex')}+${typedKey(verifier.publicKey, use).toString('base64')}`

/** The start of every Ed25519 SubjectPublicKeyInfo, RFC 8410 §4. */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

function readEd25519(bytes: Buffer, use: KeyUse): PublicKey | null {
  if (bytes.length !== RAW_KEY_BYTES + 1 || bytes[0] !== KEY_TYPES[use]) return null
  const key = Buffer.concat([SPKI_PREFIX, bytes.subarray(1)])
  return createPublicKey({ key, format: 'der', type: 'spki' })
}

function readKeyOfKind(bytes: Buffer, kind: KeyKind): PublicKey | null {
  const { length } = kind.type
  if (bytes.length !== length + kind.keyBytes || !bytes.subarray(0, length).equals(kind.type)) return null
  return { kind, bytes: bytes.subarray(length) }
}

/**
 * Reads what `writeVerifier` writes; null for anything else, a key of a kind that is not given or for another use, or an id that does not
 * fit.
 */
export function readVerifier(text: string, use: KeyUse = 'note', kinds: readonly KeyKind[] = []): NoteVerifier | null {
  const [, name, keyId, encoded = ''] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(text) ?? []
  const bytes = Buffer.from(encoded, 'base64')
  const publicKey = kinds.reduce((found, kind) => found ?? readKeyOfKind(bytes, kind), readEd25519(bytes, use))
  if (name === undefined || publicKey === null) return null
  const verifier = { name, publicKey }
  return keyIdOf(verifier, use).toString('hex') === keyId ? verifier : null
}

/** Signs a text that ends with a line end. */
export function signNote(text: string, name: string, key: SigningKey): SignedNote {
  const keyId = keyIdOf({ name, publicKey: publicKeyOf(key) })
  const message = Buffer.from(text)
  const signature = key instanceof KeyObject ? sign(null, message, key) : key.sign(message)
  return { text, signatures: [{ name, bytes: Buffer.concat([keyId, signature]) }] }
}

/** Whether this is the key's signature of a message. */
export const isSignature = (key: PublicKey, message: Uint8Array, signature: Uint8Array): boolean =>
  key instanceof KeyObject ? verify(null, message, key, signature) : key.kind.verify(key.bytes, message, signature)

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
      isSignature(verifier.publicKey, Buffer.from(note.text), bytes.subarray(KEY_ID_BYTES)),
  )
}
