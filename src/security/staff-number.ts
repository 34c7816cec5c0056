import { AppError } from '../errors.ts'
import type { KeyRing } from './key-ring.ts'

const FORM = /^[A-Z0-9][A-Z0-9._-]{1,39}$/

/**
 * The keyed token of a staff number, by which a person is known: the number itself is kept nowhere. Two ways to write one number
 * give one token. Throws REQUEST_INVALID, which does not repeat what was given.
 */
export function personOf(keys: KeyRing, staffNumber: string): string {
  const number = staffNumber.normalize('NFKC').trim().toUpperCase()
  if (!FORM.test(number))
    throw new AppError('REQUEST_INVALID', 'the staff number is letters, digits, points and hyphens, 2 to 40 of them')
  return keys.token('credential', `person|${number}`)
}
