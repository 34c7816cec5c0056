import { readVerifier, type KeyKind, type NoteVerifier, type SigningKey } from '../audit/note.ts'
import { SM3 } from '../audit/tree-hash.ts'
import { PUBLIC_BYTES, signSm2, sm2PublicKey, verifySm2 } from '../security/sm2.ts'

/** SM2 with SM3, by the default identity of GB/T 35276-2017: signs checkpoints of the tree over SM3. The type is one of our own, as C2SP signed-note has them. */
const SM2_KEY: KeyKind = {
  type: Buffer.concat([Buffer.from([0xff]), Buffer.from('gm/sm2-sm3/v1')]),
  keyBytes: PUBLIC_BYTES,
  tree: SM3,
  verify: verifySm2,
}

/** The SM2 key with which checkpoints of the tree over SM3 are signed. Throws KEY_UNAVAILABLE for what is no private key. */
export const sm2SigningKey = (privateKey: Uint8Array): SigningKey => ({
  publicKey: { kind: SM2_KEY, bytes: sm2PublicKey(privateKey) },
  sign: (message) => signSm2(privateKey, message),
})

/** The key of a log as `audit key` printed it, Ed25519 or SM2; null for anything else. */
export const readLogVerifier = (text: string): NoteVerifier | null => readVerifier(text, 'note', [SM2_KEY])

/** The name under which the tree over SM3 of a log is signed. */
export const sm3NameOf = (origin: string): string => `${origin}/sm3`
