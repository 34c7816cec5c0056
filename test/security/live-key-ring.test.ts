import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { KeyProvider } from '../../src/security/key-encryption-key.ts'
import { createWrappedKey, keyPurposes, nameOfKek, rewrapKey } from '../../src/security/key-ring.ts'
import { openLiveKeyRing } from '../../src/security/live-key-ring.ts'
import { open, seal } from '../../src/security/seal.ts'
import { codeOf } from '../support/coded-error.ts'

const old = randomBytes(32)
const next = randomBytes(32)
const keys = keyPurposes.map((purpose, index) => createWrappedKey(old, index + 1, purpose, 'standard'))
const announced = { ...createWrappedKey(old, 8, 'seal', 'gm'), isActive: false }
const SEAL = 1

const provide = (...given: Buffer[]): KeyProvider => ({ name: 'a test', load: () => Promise.resolve(given) })

afterEach(() => {
  vi.useRealTimers()
})

describe('a ring that follows the keys', () => {
  test('opens with an announced key and seals with it once it is active', async () => {
    const ring = await openLiveKeyRing(provide(old), keys)
    await ring.refresh([...keys, announced])
    expect(ring.held()).toEqual({ newest: 8, sealing: SEAL })
    expect(ring.sealKey(8).suite.name).toBe('gm')
    expect(ring.sealing.id).toBe(SEAL)
    await ring.refresh([...keys, { ...announced, isActive: true }])
    expect(ring.held()).toEqual({ newest: 8, sealing: 8 })
    expect(open(ring.sealKey, 'row', seal(ring.sealing, 'row', 'clear'))).toBe('clear')
  })

  test('tells whoever listens that a value names a newer key, and says to try again', async () => {
    const ring = await openLiveKeyRing(provide(old), keys)
    let missed = 0
    ring.onMiss(() => (missed += 1))
    expect(await codeOf(() => ring.sealKey(8))).toBe('KEY_NEWER')
    expect(missed).toBe(1)
    expect(await codeOf(() => ring.sealKey(0))).toBe('KEY_UNAVAILABLE')
    expect(missed).toBe(1)
  })

  test('opens for a minute what was read before its key was destroyed, and refuses it then', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const ring = await openLiveKeyRing(provide(old), keys)
    const value = seal(ring.sealing, 'row', 'clear')
    const left = [...keys.filter(({ id }) => id !== SEAL), { ...announced, isActive: true }]
    await ring.refresh(left)
    vi.advanceTimersByTime(59_000)
    await ring.refresh(left)
    expect(open(ring.sealKey, 'row', value)).toBe('clear')
    vi.advanceTimersByTime(2000)
    await ring.refresh(left)
    expect(await codeOf(() => open(ring.sealKey, 'row', value))).toBe('KEY_UNAVAILABLE')
  })

  test('opens keys of several key-encryption keys, and refuses those of one that is not given', async () => {
    const fresh = createWrappedKey(next, 8, 'seal', 'gm')
    expect((await openLiveKeyRing(provide(next, old), [...keys, fresh])).sealing.id).toBe(8)
    expect(await codeOf(() => openLiveKeyRing(provide(old), [...keys, fresh]))).toBe('KEY_UNAVAILABLE')
    const rewrapped = keys.map((key) => rewrapKey(key, [old], { keyEncryptionKey: next, suite: 'gm' }))
    expect(rewrapped.map(({ kek }) => kek)).toEqual(keys.map(() => nameOfKek(next)))
    expect(await codeOf(() => openLiveKeyRing(provide(old), rewrapped))).toBe('KEY_UNAVAILABLE')
    const [before, after] = [await openLiveKeyRing(provide(old), keys), await openLiveKeyRing(provide(next), rewrapped)]
    expect(open(after.sealKey, 'row', seal(before.sealing, 'row', 'clear'))).toBe('clear')
    expect(after.token('subject', 'one')).toBe(before.token('subject', 'one'))
  })

  test('opens keys that were wrapped before key-encryption keys had names', async () => {
    const nameless = keys.map((key) => ({ ...key, kek: null }))
    expect((await openLiveKeyRing(provide(next, old), nameless)).sealing.id).toBe(SEAL)
    expect(await codeOf(() => openLiveKeyRing(provide(next), nameless))).toBe('KEY_UNAVAILABLE')
  })

  test('goes on with what it holds where a new key does not open, and asks its provider again, but not every time', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const given = [old]
    let asked = 0
    const provider = { name: 'a test', load: () => Promise.resolve(((asked += 1), given)) }
    const ring = await openLiveKeyRing(provider, keys)
    const fresh = createWrappedKey(next, 8, 'seal', 'standard')
    for (let turn = 0; turn < 3; turn++)
      expect(await codeOf(() => ring.refresh([...keys, fresh]))).toBe('KEY_UNAVAILABLE')
    expect(asked).toBe(1)
    expect(ring.held()).toEqual({ newest: SEAL, sealing: SEAL })
    given.unshift(next)
    vi.advanceTimersByTime(31_000)
    await ring.refresh([...keys, fresh])
    expect(ring.held()).toEqual({ newest: 8, sealing: 8 })
  })
})
