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
import { AppError } from '../errors.ts'

const isCode = (error: unknown, code: string): boolean => (error as NodeJS.ErrnoException).code === code

/** Makes an Ed25519 key in a new file of mode 0600. Throws KEY_UNAVAILABLE where the file is there. */
export function createSigningKey(file: string): KeyObject {
  const { privateKey } = generateKeyPairSync('ed25519')
  try {
    writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' })
    return privateKey
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

/** Reads the Ed25519 key of a file that nobody else can read. Throws KEY_UNAVAILABLE. */
export function readSigningKey(file: string): KeyObject {
  try {
    if ((statSync(file).mode & 0o077) !== 0) throw new Error('others can read it')
    const key = createPrivateKey(readFileSync(file))
    if (key.asymmetricKeyType !== 'ed25519') throw new Error('another kind of key')
    return key
  } catch (error) {
    const wanted = 'give a file of mode 0600 with an Ed25519 key in PEM, as `gridbridge audit key` makes it'
    throw new AppError('KEY_UNAVAILABLE', wanted, { cause: error })
  }
}

const TRIAL_ORIGIN = 'gridbridge.trial/audit/1'

/**
 * The key and the file with which the embedded installation signs its own log, in its data directory. That shows how it works and convinces
 * nobody: who can rewrite the database can read the key.
 */
export function openTrialSigner(dataDirectory: string): {
  readonly origin: string
  readonly privateKey: KeyObject
  readonly signedFile: string
} {
  const folder = path.join(dataDirectory, 'keys')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const key = path.join(folder, 'audit-key')
  const privateKey = existsSync(key) ? readSigningKey(key) : createSigningKey(key)
  return { origin: TRIAL_ORIGIN, privateKey, signedFile: path.join(folder, 'audit-signed') }
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
