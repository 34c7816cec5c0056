import { generateKeyPairSync } from 'node:crypto'
import path from 'node:path'
import { publicKeyOf, writeVerifier, type SigningKey } from '../../src/audit/note.ts'
import { createSm2SigningKey } from '../../src/jobs/signer-files.ts'
import type { Signer } from '../../src/jobs/signer.ts'

const ORIGIN = 'audit.example.gov.cn/share/1'

/** Who signs both trees of a log under the suite gm. */
export interface GmSigners {
  readonly sha256: Signer
  readonly sm3: Signer
  /** As `audit key` prints them. */
  readonly verifiers: { readonly sha256: string; readonly sm3: string }
}

const verifierOf = ({ origin, privateKey }: { readonly origin: string; readonly privateKey: SigningKey }): string =>
  writeVerifier({ name: origin, publicKey: publicKeyOf(privateKey) })

/** Fresh keys, and files of what was signed last in the folder. */
export function makeGmSigners(folder: string): GmSigners {
  const { privateKey } = generateKeyPairSync('ed25519')
  const sha256 = { origin: ORIGIN, privateKey, signedFile: path.join(folder, 'signed'), isNewLog: true }
  const sm2Key = createSm2SigningKey(path.join(folder, 'key-sm2'))
  const sm3 = { ...sha256, origin: `${ORIGIN}/sm3`, privateKey: sm2Key, signedFile: path.join(folder, 'signed.sm3') }
  return { sha256, sm3, verifiers: { sha256: verifierOf(sha256), sm3: verifierOf(sm3) } }
}
