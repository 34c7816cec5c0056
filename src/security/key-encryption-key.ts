import { randomBytes } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { AppError } from '../errors.ts'

const KEY_BYTES = 32

function decode(text: string, from: string): Buffer {
  const key = Buffer.from(text.trim(), 'base64')
  if (key.length === KEY_BYTES) return key
  throw new AppError('KEY_UNAVAILABLE', `${from} holds ${key.length} bytes; give ${KEY_BYTES} bytes in Base64`)
}

function readKeyFile(file: string): Buffer {
  const readableByOthers = (statSync(file).mode & 0o077) !== 0
  if (readableByOthers) {
    throw new AppError('KEY_UNAVAILABLE', `others can read the key-encryption key file; run chmod 600 on it`)
  }
  return decode(readFileSync(file, 'utf8'), 'the key-encryption key file')
}

/** Creates the file only where none is: linking a finished file makes two processes that start together agree on one key. */
function createKeyFile(file: string): void {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
  const draft = `${file}.${randomBytes(6).toString('hex')}`
  writeFileSync(draft, randomBytes(KEY_BYTES).toString('base64') + '\n', { mode: 0o600, flag: 'wx' })
  try {
    linkSync(draft, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    unlinkSync(draft)
  }
}

/**
 * The key-encryption key: from the environment, else from its file (mode 0600). `create` makes the file on a first start of
 * the embedded default; a city's installation brings its own. Throws KEY_UNAVAILABLE.
 */
export function loadKeyEncryptionKey(environmentKey: string | null, file: string, create: boolean): Buffer {
  if (environmentKey !== null) return decode(environmentKey, 'GRIDBRIDGE_KEK')
  if (create) createKeyFile(file)
  try {
    return readKeyFile(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new AppError('KEY_UNAVAILABLE', 'set GRIDBRIDGE_KEK, or GRIDBRIDGE_KEK_FILE to a file of mode 0600', {
      cause: error,
    })
  }
}
