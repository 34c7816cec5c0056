import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { AppError } from '../errors.ts'

const PASSES = 1
const LANES = 1
const SALT_BYTES = 16
const HASH_BYTES = 32

const argon2Once = promisify(argon2)

/** More at once would keep the four threads, which files and name look-ups need too, for longer than a second. */
const MOST_AT_ONCE = 16
let running = 0

/** Throws BUSY. */
async function derive(
  parameters: Omit<Parameters<typeof argon2Once>[1], 'nonce'> & { readonly nonce: Buffer },
): Promise<Buffer> {
  if (running >= MOST_AT_ONCE) throw new AppError('BUSY', 'many people sign in at this moment')
  running += 1
  try {
    return await argon2Once('argon2id', parameters)
  } finally {
    running -= 1
  }
}

/** A stored password as its parts; the memory in KiB. */
interface Stored {
  readonly memory: number
  readonly passes: number
  readonly lanes: number
  readonly salt: Buffer
  readonly hash: Buffer
}

const FORM = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/

function parseStored(stored: string): Stored {
  const [, memory, passes, lanes, salt = '', hash = ''] = FORM.exec(stored) ?? []
  return {
    memory: Number(memory),
    passes: Number(passes),
    lanes: Number(lanes),
    salt: Buffer.from(salt, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  }
}

const unpadded = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '')

/** Two keyboards may write one letter in two ways; NFKC makes them one (RFC 8265 §4.2.2). */
const normalise = (password: string): string => password.normalize('NFKC')

/** A password as it rests: argon2id (RFC 9106) with its parameters and salt, as a PHC string. `memoryKib` in KiB. */
export async function hashPassword(password: string, memoryKib: number): Promise<string> {
  const nonce = randomBytes(SALT_BYTES)
  const parameters = { nonce, parallelism: LANES, passes: PASSES, memory: memoryKib, tagLength: HASH_BYTES }
  const hash = await derive({ ...parameters, message: normalise(password) })
  return `$argon2id$v=19$m=${memoryKib},t=${PASSES},p=${LANES}$${unpadded(nonce)}$${unpadded(hash)}`
}

/** Whether the password is the stored one, by the parameters that it was stored with. */
export async function isPassword(password: string, stored: string): Promise<boolean> {
  const { memory, passes, lanes, salt, hash } = parseStored(stored)
  const parameters = { nonce: salt, parallelism: lanes, passes, memory, tagLength: hash.length }
  return timingSafeEqual(await derive({ ...parameters, message: normalise(password) }), hash)
}

/** Whether a stored password has other parameters than it would get today. */
export function isOutdated(stored: string, memoryKib: number): boolean {
  const { memory, passes, lanes } = parseStored(stored)
  return memory !== memoryKib || passes !== PASSES || lanes !== LANES
}
