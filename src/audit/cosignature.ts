import { createPublicKey, sign, type KeyObject } from 'node:crypto'
import { isSignature, keyIdOf, KEY_ID_BYTES, type NoteSignature, type NoteVerifier, type SignedNote } from './note.ts'

/** Cosignatures of witnesses, C2SP tlog-cosignature, `cosignature/v1` with Ed25519: as of a second, the largest tree that the witness saw. */

const TIME_BYTES = 8

/** What a witness signs: whoever has its key for something else cannot make one of these of it. */
const messageOf = (text: string, seconds: bigint): Buffer => Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`)

/** Cosigns the text of a checkpoint as of a second since the epoch. */
export function cosign(text: string, name: string, privateKey: KeyObject, seconds: number): NoteSignature {
  const time = Buffer.alloc(TIME_BYTES)
  time.writeBigUInt64BE(BigInt(seconds))
  const keyId = keyIdOf({ name, publicKey: createPublicKey(privateKey) }, 'cosignature')
  return { name, bytes: Buffer.concat([keyId, time, sign(null, messageOf(text, BigInt(seconds)), privateKey)]) }
}

/** The second as of which a witness cosigned this note; null: it did not. */
export function cosignedAt({ text, signatures }: SignedNote, witness: NoteVerifier): number | null {
  const keyId = keyIdOf(witness, 'cosignature')
  for (const { name, bytes } of signatures) {
    if (name !== witness.name || !bytes.subarray(0, KEY_ID_BYTES).equals(keyId)) continue
    if (bytes.length <= KEY_ID_BYTES + TIME_BYTES) continue
    const seconds = bytes.readBigUInt64BE(KEY_ID_BYTES)
    const signature = bytes.subarray(KEY_ID_BYTES + TIME_BYTES)
    if (isSignature(witness.publicKey, messageOf(text, seconds), signature)) return Number(seconds)
  }
  return null
}
