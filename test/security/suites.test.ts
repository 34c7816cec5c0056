import { createCipheriv, createHmac, hash } from 'node:crypto'
import CryptoJS from 'crypto-js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hmac, prepareHmacKey, suites } from '../../src/security/suites.ts'

const bytes = (most: number) => fc.uint8Array({ maxLength: most })
const toWords = (value: Uint8Array) => CryptoJS.lib.WordArray.create(Buffer.from(value))
const hexOf = (value: Uint8Array): string => Buffer.from(value).toString('hex')

describe('hmac', () => {
  test.each(['sha256', 'sm3'] as const)('of %s equals createHmac for any key and message', (algorithm) => {
    fc.assert(
      fc.property(bytes(200), bytes(300), (key, message) => {
        const expected = createHmac(algorithm, key).update(message).digest('hex')
        expect(hmac(prepareHmacKey(algorithm, key), message).toString('hex')).toBe(expected)
      }),
    )
  })

  test.each([0, 1, 63, 64, 65, 128, 1000])('equals createHmac for a key of %i bytes', (length) => {
    const key = Buffer.alloc(length, 0xa5)
    for (const algorithm of ['sha256', 'sm3'] as const) {
      const expected = createHmac(algorithm, key).update('message').digest('hex')
      expect(hmac(prepareHmacKey(algorithm, key), Buffer.from('message')).toString('hex')).toBe(expected)
    }
  })

  test('of several parts is the hmac of the parts joined', () => {
    const key = prepareHmacKey('sm3', Buffer.from('key'))
    const parts = hmac(key, Buffer.from('one'), Buffer.from(''), Buffer.from('two'))
    expect(parts).toEqual(hmac(key, Buffer.from('onetwo')))
  })

  test('of the standard suite agrees with crypto-js', () => {
    fc.assert(
      fc.property(bytes(100), bytes(100), (key, message) => {
        const expected = CryptoJS.HmacSHA256(toWords(message), toWords(key)).toString()
        expect(hexOf(hmac(prepareHmacKey(suites.standard.hash, key), message))).toBe(expected)
      }),
    )
  })
})

// GB/T 32905-2016 annex A, GB/T 32907-2016 annex A.
describe('published vectors', () => {
  test.each([
    ['abc', '66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0'],
    ['', '1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b'],
    ['abcd'.repeat(16), 'debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732'],
  ])('SM3 of "%s"', (text, expected) => {
    expect(hash(suites.gm.hash, text)).toBe(expected)
  })

  test('HMAC-SM3', () => {
    const tag = hmac(
      prepareHmacKey('sm3', Buffer.from('key')),
      Buffer.from('The quick brown fox jumps over the lazy dog'),
    )
    expect(hexOf(tag)).toBe('bd4a34077888162b210645b8ebf74b9af357303789357a27c7fc457244ebd398')
  })

  test('HMAC-SHA-256 of RFC 4231 with a key longer than a block', () => {
    const text = Buffer.from('Test Using Larger Than Block-Size Key - Hash Key First')
    const tag = hmac(prepareHmacKey('sha256', Buffer.alloc(131, 0xaa)), text)
    expect(hexOf(tag)).toBe('60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54')
  })

  test('SM4 of one block, which the counter mode of the gm suite produces from the counter', () => {
    const block = Buffer.from('0123456789abcdeffedcba9876543210', 'hex')
    const stream = createCipheriv(suites.gm.cipher, block, block).update(Buffer.alloc(16))
    expect(hexOf(stream)).toBe('681edf34d206965e86b3e94f536e4246')
  })
})
