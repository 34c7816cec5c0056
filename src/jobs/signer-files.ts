import { createPrivateKey, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import { readCheckpoint, writeCheckpoint, type Checkpoint } from '../audit/checkpoint.ts'
import type { SigningKey } from '../audit/note.ts'
import { AppError } from '../errors.ts'
import { createSm2KeyPair } from '../security/sm2.ts'
import { sm2SigningKey, sm3NameOf } from './note-keys.ts'

const isCode = (error: unknown, code: string): boolean => (error as NodeJS.ErrnoException).code === code

function writeKeyFile(file: string, content: string): void {
  try {
    writeFileSync(file, content, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    throw new AppError(
      'KEY_UNAVAILABLE',
      'the file of the signing key is there already or cannot be written; name a new one',
      {
        cause: error,
      },
    )
  }
}

/** Makes an Ed25519 key in a new file of mode 0600. Throws KEY_UNAVAILABLE where the file is there. */
export function createSigningKey(file: string): KeyObject {
  const { privateKey } = generateKeyPairSync('ed25519')
  writeKeyFile(file, String(privateKey.export({ type: 'pkcs8', format: 'pem' })))
  return privateKey
}

/** Before the 32 bytes of a key in Base64: Node reads no SM2 key from PEM. */
const SM2_FILE = /^gm\/sm2-sm3\/v1 ([A-Za-z0-9+/]{43}=)\n$/

/** Makes an SM2 key in a new file of mode 0600. Throws KEY_UNAVAILABLE where the file is there. */
export function createSm2SigningKey(file: string): SigningKey {
  const { privateKey } = createSm2KeyPair()
  writeKeyFile(file, `gm/sm2-sm3/v1 ${privateKey.toString('base64')}\n`)
  return sm2SigningKey(privateKey)
}

/** What is in a file that nobody else can read. */
function readOwnFile(file: string): string {
  if ((statSync(file).mode & 0o077) !== 0) throw new Error('others can read it')
  return readFileSync(file, 'utf8')
}

/** Reads the Ed25519 key of a file that nobody else can read. Throws KEY_UNAVAILABLE. */
export function readSigningKey(file: string): KeyObject {
  try {
    const key = createPrivateKey(readOwnFile(file))
    if (key.asymmetricKeyType !== 'ed25519') throw new Error('another kind of key')
    return key
  } catch (error) {
    const wanted = 'give a file of mode 0600 with an Ed25519 key in PEM, as `gridbridge audit key` makes it'
    throw new AppError('KEY_UNAVAILABLE', wanted, { cause: error })
  }
}

/** Reads the SM2 key of a file that nobody else can read. Throws KEY_UNAVAILABLE. */
export function readSm2SigningKey(file: string): SigningKey {
  try {
    return sm2SigningKey(Buffer.from(SM2_FILE.exec(readOwnFile(file))?.[1] ?? '', 'base64'))
  } catch (error) {
    const wanted = 'give a file of mode 0600 with an SM2 key, as `gridbridge audit key --suite gm` makes it'
    throw new AppError('KEY_UNAVAILABLE', wanted, { cause: error })
  }
}

/** Where it is remembered what was signed last of the tree over SM3, beside the file of the other tree. */
export const sm3SignedFile = (signedFile: string): string => `${signedFile}.sm3`

const TRIAL_ORIGIN = 'gridbridge.trial/audit/1'

interface TrialSigner {
  readonly origin: string
  readonly privateKey: SigningKey
  readonly signedFile: string
}

/**
 * The keys and the files with which the embedded installation signs its own log, in its data directory. That shows how it works and convinces
 * nobody: who can rewrite the database can read the keys.
 */
export function openTrialSigners(dataDirectory: string, suite: 'standard' | 'gm'): readonly TrialSigner[] {
  const folder = path.join(dataDirectory, 'keys')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const key = path.join(folder, 'audit-key')
  const privateKey = existsSync(key) ? readSigningKey(key) : createSigningKey(key)
  const signer = { origin: TRIAL_ORIGIN, privateKey, signedFile: path.join(folder, 'audit-signed') }
  if (suite === 'standard') return [signer]
  const sm2 = path.join(folder, 'audit-key-sm2')
  const sm2Key = existsSync(sm2) ? readSm2SigningKey(sm2) : createSm2SigningKey(sm2)
  const signedFile = sm3SignedFile(signer.signedFile)
  return [signer, { origin: sm3NameOf(TRIAL_ORIGIN), privateKey: sm2Key, signedFile }]
}

/** What the signer signed last; null where it has signed nothing. Throws KEY_UNAVAILABLE for a file that holds anything else. */
export function readSigned(file: string): Checkpoint | null {
  try {
    const signed = readCheckpoint(readFileSync(file, 'utf8'))
    if (signed !== null) return signed
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null
    throw new AppError('KEY_UNAVAILABLE', 'the file of what was signed last cannot be read', { cause: error })
  }
  throw new AppError('KEY_UNAVAILABLE', 'the file of what was signed last holds something else; restore it')
}

/** A renamed file is lasting once its folder is. */
function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** Remembers what is about to be signed, lastingly: after a crash it is at most ahead of what was published, never behind. */
export function rememberSigned(file: string, checkpoint: Checkpoint): void {
  const draft = `${file}.${randomBytes(6).toString('hex')}`
  const descriptor = openSync(draft, 'wx', 0o600)
  try {
    writeSync(descriptor, writeCheckpoint(checkpoint))
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  renameSync(draft, file)
  syncFolder(path.dirname(file))
}
