import { createCipheriv, randomBytes } from 'node:crypto'
import CryptoJS from 'crypto-js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { open, openBytes, seal, sealAll, sealBytes, writeCounter, type SealKey } from '../../src/security/seal.ts'
import { prepareHmacKey, suites, type Suite } from '../../src/security/suites.ts'

const HEADER = 20
const TAG = 16

function createKey(suite: Suite, id = 7): SealKey {
  return {
    id,
    suite,
    encryption: randomBytes(suite.cipherKeyBytes),
    authentication: prepareHmacKey(suite.hash, randomBytes(32)),
  }
}

function advanceCounter(start: Buffer, blocks: number): Buffer {
  const counter = Buffer.alloc(16)
  writeCounter(counter, 0, start, blocks)
  return counter
}

const keyOf = (key: SealKey) => (): SealKey => key

function codeOf(work: () => unknown): string {
  try {
    work()
    return 'nothing thrown'
  } catch (error) {
    return error instanceof AppError ? error.code : 'not a coded error'
  }
}

const bound = 'record|resident|LZ-GA-RK-001|17'
const text = fc.string({ unit: 'binary', maxLength: 300 })

describe.each([suites.standard, suites.gm])('a sealed value of suite $name', (suite) => {
  const key = createKey(suite)

  test('opens to what was sealed, whatever the text', () => {
    fc.assert(fc.property(text, text, (clear, about) => open(keyOf(key), about, seal(key, about, clear)) === clear))
  })

  test('opens to the bytes that were sealed, whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), text, (clear, about) =>
        openBytes(keyOf(key), about, sealBytes(key, about, clear)).equals(clear),
      ),
    )
    const file = sealBytes(key, bound, randomBytes(100_000))
    expect(codeOf(() => openBytes(keyOf(key), `${bound}8`, file))).toBe('SEAL_BROKEN')
  })

  test('does not open after any one bit was flipped', () => {
    const sealed = seal(key, bound, '张测试 510502190001010017')
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const broken = Buffer.from(sealed)
      broken[bit >> 3] = (broken[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect([bit, codeOf(() => open(keyOf(key), bound, broken))]).toEqual([bit, 'SEAL_BROKEN'])
    }
  })

  test('does not open when bytes are missing or added at its end', () => {
    const sealed = seal(key, bound, 'a text of more than one block of sixteen bytes')
    for (let length = 0; length < sealed.length; length++) {
      expect(codeOf(() => open(keyOf(key), bound, sealed.subarray(0, length)))).toBe('SEAL_BROKEN')
    }
    expect(codeOf(() => open(keyOf(key), bound, Buffer.concat([sealed, Buffer.alloc(1)])))).toBe('SEAL_BROKEN')
  })

  test('does not open for another row, nor where bound text and content were shifted against each other', () => {
    const sealed = seal(key, bound, 'clear')
    for (const other of ['', `${bound}8`, bound.slice(0, -1), bound.replace('resident', 'housing')]) {
      expect(codeOf(() => open(keyOf(key), other, sealed))).toBe('SEAL_BROKEN')
    }
  })

  test('does not open under another key, nor with another key id in its header', () => {
    const sealed = seal(key, bound, 'clear')
    expect(codeOf(() => open(keyOf(createKey(suite)), bound, sealed))).toBe('SEAL_BROKEN')
    const renamed = Buffer.from(sealed)
    renamed.writeUInt16BE(8, 2)
    expect(codeOf(() => open(keyOf({ ...key, id: 8 }), bound, renamed))).toBe('SEAL_BROKEN')
  })

  test('names its key, so that old values open after the key was rotated', () => {
    const asked: number[] = []
    const byId = (id: number): SealKey => {
      asked.push(id)
      return key
    }
    open(byId, bound, seal(key, bound, 'clear'))
    expect(asked).toEqual([7])
  })

  test('differs from every other sealing of the same text', () => {
    const values = Array.from({ length: 50 }, () => seal(key, bound, 'the same').subarray(HEADER, -TAG).toString('hex'))
    expect(new Set(values).size).toBe(50)
  })

  test('that was sealed with others opens alone, in any order', () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 20 }), (texts) => {
        const sealed = sealAll(
          key,
          texts.map((clear, row) => ({ bound: `row ${row}`, clear })),
        )
        const opened = sealed.map((value, row) => open(keyOf(key), `row ${row}`, value))
        expect(opened).toEqual(texts)
      }),
    )
  })

  test('never shares a block of key stream with another value of its page', () => {
    const sealed = sealAll(
      key,
      Array.from({ length: 40 }, (_, row) => ({ bound, clear: 'x'.repeat(row * 3) })),
    )
    const blocks = sealed.flatMap((value) => {
      const count = Math.ceil((value.length - HEADER - TAG) / 16)
      const counter = value.subarray(4, HEADER)
      return Array.from({ length: count }, (_, block) => advanceCounter(counter, block).toString('hex'))
    })
    expect(new Set(blocks).size).toBe(blocks.length)
  })
})

describe('the counter of a page', () => {
  const starts = [
    '00000000000000000000000000000000',
    '000000000000000000000000ffffffff',
    '0000000000000000ffffffffffffffff',
    'ffffffffffffffffffffffffffffffff',
    'fffffffffffffffffffffffffffffffe',
    '00ffffffffffffffffffffffffffffff',
  ]
  const steps = [0, 1, 2, 255, 256, 257, 65_536]

  test.each([suites.standard, suites.gm])('counts as the cipher itself does over every carry ($name)', (suite) => {
    const { encryption } = createKey(suite)
    for (const start of starts) {
      const stream = createCipheriv(suite.cipher, encryption, Buffer.from(start, 'hex')).update(
        Buffer.alloc(65_537 * 16),
      )
      for (const blocks of steps) {
        const alone = createCipheriv(suite.cipher, encryption, advanceCounter(Buffer.from(start, 'hex'), blocks))
        const expected = stream.subarray(blocks * 16, blocks * 16 + 16)
        expect([start, blocks, alone.update(Buffer.alloc(16)).equals(expected)]).toEqual([start, blocks, true])
      }
    }
  })

  test('equals addition modulo 2^128', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 128n - 1n), fc.nat(2 ** 31), (start, blocks) => {
        const hex = (value: bigint): string => value.toString(16).padStart(32, '0')
        const advanced = advanceCounter(Buffer.from(hex(start), 'hex'), blocks)
        expect(advanced.toString('hex')).toBe(hex((start + BigInt(blocks)) % 2n ** 128n))
      }),
    )
  })
})

test('the cipher text of the standard suite is AES-256-CTR as crypto-js has it', () => {
  const key = createKey(suites.standard)
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 100 }), (clear) => {
      const sealed = seal(key, bound, clear)
      const words = (bytes: Uint8Array) => CryptoJS.lib.WordArray.create(Buffer.from(bytes))
      const options = {
        iv: words(sealed.subarray(4, HEADER)),
        mode: CryptoJS.mode.CTR,
        padding: CryptoJS.pad.NoPadding,
      }
      const expected = CryptoJS.AES.encrypt(words(Buffer.from(clear)), words(key.encryption), options).ciphertext
      expect(sealed.subarray(HEADER, -TAG).toString('hex')).toBe(expected.toString())
    }),
  )
})

test('a refusal tells what kind of value it was and not whose', () => {
  const broken = Buffer.alloc(60)
  expect(() => open(keyOf(createKey(suites.standard)), bound, broken)).toThrow(/record: not a sealed value/)
  expect(() => open(keyOf(createKey(suites.standard)), bound, broken)).not.toThrow(/17/)
})
