import { randomBytes } from 'node:crypto'
import type { KeyRing } from './key-ring.ts'

/**
 * What somebody sets password and second factor with, once. It has two halves, one from whoever asked for the account and one from
 * whoever agreed, so that neither of the two can enrol in the other's stead.
 */
export const createHalf = (): string => randomBytes(12).toString('base64url')

/** The keyed hash of a half, in hexadecimal. */
export const hashOfHalf = (keys: KeyRing, half: string): string => keys.token('credential', `enrolment|${half}`)

export const wholeCode = (first: string, second: string): string => `${first}.${second}`

/** The keyed hashes of both halves of a code. */
export function hashesOfCode(keys: KeyRing, code: string): readonly [string, string] {
  const [first = '', second = ''] = code.split('.')
  return [hashOfHalf(keys, first), hashOfHalf(keys, second)]
}
