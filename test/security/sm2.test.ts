import { hash } from 'node:crypto'
import fc from 'fast-check'
import { sm2 } from 'sm-crypto-v2'
import { describe, expect, test } from 'vitest'
import { createSm2KeyPair, readDerSignature, signSm2, sm2PublicKey, verifySm2 } from '../../src/security/sm2.ts'
import { codeOf } from '../support/coded-error.ts'

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')

// GB/T 32918.5-2017, annex A.2: key, random number and signature of "message digest" with the default identity.
const published = {
  message: 'message digest',
  privateKey: bytes('3945208F 7B2144B1 3F36E38A C6D39F95 88939369 2860B51A 42FB81EF 4DF7C5B8'),
  publicKey: bytes(
    `04 09F9DF31 1E5421A1 50DD7D16 1E4BC5C6 72179FAD 1833FC07 6BB08FF3 56F35020
        CCEA490C E26775A5 2DC6EA71 8CC1AA60 0AED05FB F35E084A 6632F607 2DA9AD13`.replaceAll(/\s/g, ''),
  ),
  signer: 'b2e14c5c79c6df5b85f4fe7ed8db7a262b9da7e07ccb0ea9f4747b8ccda8a4f3',
  digest: 'f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d28640',
  random: bytes('59276E27 D506861A 16680F3A D9C02DCC EF3CC1FA 3CDBE4CE 6D54B80D EAC1BC21'),
  r: bytes('F5A03B06 48D2C463 0EEAC513 E1BB81A1 5944DA38 27D5B741 43AC7EAC EEE720B3'),
  s: bytes('B1B6AA29 DF212FD8 763182BC 0D421CA1 BB9038FD 1F7F42D4 840B69C4 85BBC1AA'),
} as const
const signature = Buffer.concat([published.r, published.s])
const ORDER = 0xfffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123n
/** p of the curve, GB/T 32918.5-2017 §2. */
const PRIME = 0xfffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffffn
/** G of P-256 (SP 800-186), which is of another curve than that of SM2. */
const P256_POINT = bytes(
  '04 6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296 4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5',
)
const numberBytes = (value: bigint): Buffer => bytes(value.toString(16).padStart(64, '0'))

describe('the published example', () => {
  test('has its public key and its signature is right', () => {
    expect(sm2PublicKey(published.privateKey)).toEqual(published.publicKey)
    expect(verifySm2(published.publicKey, published.message, signature)).toBe(true)
  })

  test('comes out of the library with the published random number', () => {
    const signer = Buffer.from(sm2.getZ(published.publicKey.toString('hex'))).toString('hex')
    expect(signer).toBe(published.signer)
    const digest = hash('sm3', Buffer.concat([bytes(signer), Buffer.from(published.message)]))
    expect(digest).toBe(published.digest)
    const point = sm2.getPublicKeyFromPrivateKey(published.random.toString('hex'))
    const pointPool = [{ k: BigInt(`0x${published.random.toString('hex')}`), x1: BigInt(`0x${point.slice(2, 66)}`) }]
    expect(sm2.doSignature(bytes(digest), published.privateKey.toString('hex'), { pointPool })).toBe(
      signature.toString('hex'),
    )
  })
})

test('what is signed is right for its message and its key, and for no other', () => {
  const [one, other] = [createSm2KeyPair(), createSm2KeyPair()]
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat({ max: 511 }), (message, bit) => {
      const made = signSm2(one.privateKey, message)
      const spoiled = Buffer.from(made)
      spoiled[bit >> 3] = (spoiled[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(verifySm2(one.publicKey, message, made)).toBe(true)
      expect(verifySm2(other.publicKey, message, made)).toBe(false)
      expect(verifySm2(one.publicKey, Buffer.concat([message, Buffer.from([0])]), made)).toBe(false)
      expect(verifySm2(one.publicKey, message, spoiled)).toBe(false)
    }),
    { numRuns: 40 },
  )
})

test.each([
  ['a byte behind it', Buffer.concat([signature, Buffer.from([0])])],
  ['a byte less', signature.subarray(1)],
  ['nothing', Buffer.alloc(0)],
  ['r of 0', Buffer.concat([Buffer.alloc(32), published.s])],
  ['s of 0', Buffer.concat([published.r, Buffer.alloc(32)])],
  ['r of the order', Buffer.concat([numberBytes(ORDER), published.s])],
  ['r with the order added where it fits', Buffer.concat([numberBytes(ORDER + 1n), published.s])],
  [
    'r and s that add up to the order',
    Buffer.concat([published.r, numberBytes(ORDER - BigInt(`0x${published.r.toString('hex')}`))]),
  ],
  ['s of the order', Buffer.concat([published.r, numberBytes(ORDER)])],
  [
    's that is its opposite',
    Buffer.concat([published.r, numberBytes(ORDER - BigInt(`0x${published.s.toString('hex')}`))]),
  ],
  ["r and s in each other's place", Buffer.concat([published.s, published.r])],
  ['all ones', Buffer.alloc(64, 0xff)],
])('a signature with %s is wrong, and nothing is thrown', (_what, wrong) => {
  expect(verifySm2(published.publicKey, published.message, wrong)).toBe(false)
})

test.each([
  ['of a point beside the curve', Buffer.concat([published.publicKey.subarray(0, 64), Buffer.from([0x14])])],
  ['that is compressed', Buffer.concat([Buffer.from([0x03]), published.publicKey.subarray(1, 33)])],
  ['without its first byte', published.publicKey.subarray(1)],
  ['of another curve', P256_POINT],
  ['at infinity', Buffer.from([0x00])],
  ['at infinity, written long', Buffer.concat([Buffer.from([0x04]), Buffer.alloc(64)])],
  [
    'whose x is the prime or more',
    Buffer.concat([Buffer.from([0x04]), numberBytes(PRIME), published.publicKey.subarray(33)]),
  ],
  ['whose y is the prime or more', Buffer.concat([published.publicKey.subarray(0, 33), numberBytes(PRIME)])],
  ['in hybrid form', Buffer.concat([Buffer.from([0x06]), published.publicKey.subarray(1)])],
  ['with a byte behind it', Buffer.concat([published.publicKey, Buffer.from([0])])],
  ['of zeros', Buffer.alloc(65)],
  ['of nothing', Buffer.alloc(0)],
])('a public key %s verifies nothing, and nothing is thrown', (_what, key) => {
  expect(verifySm2(key, published.message, signature)).toBe(false)
})

test.each([
  ['zero', Buffer.alloc(32)],
  ['the order less one', numberBytes(ORDER - 1n)],
  ['the order', numberBytes(ORDER)],
  ['one byte too long', Buffer.alloc(33, 1)],
])('a private key of %s is refused with a code of ours', async (_what, key) => {
  expect(await codeOf(() => signSm2(key, 'text'))).toBe('KEY_UNAVAILABLE')
  expect(await codeOf(() => sm2PublicKey(key))).toBe('KEY_UNAVAILABLE')
})

describe('a signature in DER', () => {
  const der = bytes(`3046022100${published.r.toString('hex')}022100${published.s.toString('hex')}`)

  test('is read as the 64 bytes that it holds, short numbers too', () => {
    expect(readDerSignature(der)).toEqual(signature)
    const small = Buffer.concat([numberBytes(5n), numberBytes(0x80n)])
    expect(readDerSignature(bytes('3007020105 02020080'))).toEqual(small)
  })

  test('of the library is read, whatever the message', () => {
    const { privateKey, publicKey } = createSm2KeyPair()
    for (let turn = 0; turn < 20; turn++) {
      const message = Buffer.from(`message ${turn}`)
      const made = sm2.doSignature(message, privateKey.toString('hex'), { der: true, hash: true })
      const read = readDerSignature(bytes(made)) ?? Buffer.alloc(0)
      expect(verifySm2(publicKey, message, read)).toBe(true)
    }
  })

  test.each([
    ['a byte behind it', Buffer.concat([der, Buffer.from([0])])],
    ['a byte inside it behind s', bytes('3008020105 02010600')],
    ['a length of two bytes', Buffer.concat([bytes('308146'), der.subarray(2)])],
    ['a zero too many', bytes('300702020005 020106')],
    ['a negative number', bytes('3006020185 020106')],
    ['an empty number', bytes('30050200 020106')],
    ['another tag', bytes('3006030105 020106')],
    ['only one number', bytes('3003020105')],
    ['a number of 33 bytes', bytes(`3026 0221 01${'00'.repeat(32)} 020105`)],
    ['nothing', Buffer.alloc(0)],
  ])('with %s is none', (_what, wrong) => {
    expect(readDerSignature(wrong)).toBeNull()
  })
})
