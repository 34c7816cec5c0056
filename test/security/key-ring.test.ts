import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  createWrappedKey,
  keyPurposes,
  openKeyRing,
  type KeyPurpose,
  type WrappedKey,
} from '../../src/security/key-ring.ts'
import { open, seal } from '../../src/security/seal.ts'
import { codeOf } from '../support/coded-error.ts'

const keyEncryptionKey = randomBytes(32)

function createKeys(suite: WrappedKey['suite'] = 'standard'): readonly WrappedKey[] {
  return keyPurposes.map((purpose, index) => createWrappedKey(keyEncryptionKey, index + 1, purpose, suite))
}

const tokenPurposes = keyPurposes.filter((purpose): purpose is Exclude<KeyPurpose, 'seal'> => purpose !== 'seal')

describe.each(['standard', 'gm'] as const)('the key ring of suite %s', (suite) => {
  const keys = createKeys(suite)
  const ring = openKeyRing(keyEncryptionKey, keys)

  test('gives the same token for the same value after it was opened again', () => {
    const again = openKeyRing(keyEncryptionKey, keys.toReversed())
    for (const purpose of tokenPurposes) {
      expect(again.token(purpose, 'CN:111:510502190001010017')).toEqual(
        ring.token(purpose, 'CN:111:510502190001010017'),
      )
    }
  })

  test('names each person in the log by 16 bytes that nothing else is named by', () => {
    const [one, two] = [ring.token('subject', 'one'), ring.token('subject', 'two')]
    const tokens = ring.personTokens([one, null, two, one])
    expect(tokens.subarray(0, 16)).toEqual(ring.personTokens([one]))
    expect(tokens.subarray(32)).toEqual(ring.personTokens([one]))
    const other = openKeyRing(keyEncryptionKey, createKeys(suite)).personTokens([one])
    const names = [tokens.subarray(0, 16), tokens.subarray(16, 32), other].map((bytes) => bytes.toString('hex'))
    expect(new Set([...names, one, two, ring.token('audit', one)]).size).toBe(6)
    expect(openKeyRing(keyEncryptionKey, keys.toReversed()).personTokens([one, two, one])).toEqual(tokens)
    expect(ring.personTokens([])).toEqual(Buffer.alloc(0))
  })

  test('gives tokens of 16 bytes that differ by purpose, by value and by installation', () => {
    const other = openKeyRing(keyEncryptionKey, createKeys(suite))
    const tokens = tokenPurposes.flatMap((purpose) => [
      ring.token(purpose, 'one'),
      ring.token(purpose, 'two'),
      other.token(purpose, 'one'),
    ])
    expect(new Set(tokens).size).toBe(tokens.length)
    for (const token of tokens) expect(token).toMatch(/^[\da-f]{32}$/)
  })

  test('opens what it sealed after a new sealing key was added, and seals with the new one', () => {
    const old = seal(ring.sealing, 'row', 'clear')
    const rotated = openKeyRing(keyEncryptionKey, [createWrappedKey(keyEncryptionKey, 70, 'seal', suite), ...keys])
    expect(open(rotated.sealKey, 'row', old)).toBe('clear')
    expect(rotated.sealing.id).toBe(70)
    expect(rotated.token('subject', 'one')).toEqual(ring.token('subject', 'one'))
  })
})

test('another key-encryption key opens nothing', async () => {
  expect(await codeOf(() => openKeyRing(randomBytes(32), createKeys()))).toBe('KEY_UNAVAILABLE')
})

test('a wrapped key does not open under another id, purpose or suite', async () => {
  const [first, ...rest] = createKeys()
  if (first === undefined) throw new Error('wanted a key')
  const changes = [{ id: 99 }, { purpose: 'digest' }, { suite: 'gm' }] as const
  for (const change of changes) {
    expect(await codeOf(() => openKeyRing(keyEncryptionKey, [{ ...first, ...change }, ...rest]))).toBe(
      'KEY_UNAVAILABLE',
    )
  }
})

test('a purpose without a key is told when it is needed, a missing sealing key at once', async () => {
  const keys = createKeys()
  const without = (purpose: KeyPurpose): readonly WrappedKey[] => keys.filter((key) => key.purpose !== purpose)
  expect(await codeOf(() => openKeyRing(keyEncryptionKey, without('seal')))).toBe('KEY_UNAVAILABLE')
  const ring = openKeyRing(keyEncryptionKey, without('subject'))
  expect(await codeOf(() => ring.token('subject', 'one'))).toBe('KEY_UNAVAILABLE')
  expect(await codeOf(() => ring.sealKey(99))).toBe('KEY_UNAVAILABLE')
})
