import CryptoJS from 'crypto-js'
import { array, assert, constantFrom, nat, property, string, tuple } from 'fast-check'
import { expect, test } from 'vitest'
import {
  digestBody,
  signForNationalPlatform,
  signForTif,
  signParameters,
} from '../../src/security/department-signatures.ts'

// Each golden value was computed by `openssl dgst` from the text that the manual describes, not by this program.
const parameters = [
  ['timestamp', '1767225600'],
  ['page', '1'],
  ['nonce', 'n-0001'],
  ['empty', ''],
  ['city', '泸州'],
  ['appKey', 'demo-app'],
] as const

test.each([
  ['md5', '14447479a81a3c591e77ec1e8d219934'],
  ['sha256', 'edfe5cff13c80be5a00066bef049cde9adf192236859ac8c86777b9829615123'],
  ['hmac-sm3', '4fcc74ec4b8b94b90cebd8f9fc74dda53ae1fe5e64b62b3bade62b76378cc31c'],
] as const)('sorted parameters by %s are the golden value, in both kinds of letters', (digest, golden) => {
  expect(signParameters(parameters, 'demo-secret', digest, 'lower')).toBe(golden)
  expect(signParameters(parameters, 'demo-secret', digest, 'upper')).toBe(golden.toUpperCase())
})

test.each([
  ['md5', 'ddab7a0c277684d4a7458e50a3026f85'],
  ['sha256', '70fb0185588d2e765454a7927f2792ae2b6faa2516781deb69864246e0803d05'],
  ['hmac-sm3', 'ddf0976e7800c9478a6451061af0d29f7ca333de1bcbe577eac382e80cde6534'],
] as const)('the digest of a body by %s is the golden value', (digest, golden) => {
  expect(digestBody('{"page":1}', digest, 'lower')).toBe(golden)
  expect(digestBody('{"page":1}', digest, 'upper')).toBe(golden.toUpperCase())
})

test('an empty value takes no part, one of spaces does, and the order given does not matter', () => {
  const sign = (pairs: readonly (readonly [string, string])[]): string => signParameters(pairs, 's', 'sha256', 'lower')
  expect(
    sign([
      ['b', '2'],
      ['a', ''],
      ['c', ''],
    ]),
  ).toBe(sign([['b', '2']]))
  expect(sign([['b', ' ']])).not.toBe(sign([]))
  expect(
    sign([
      ['b', '2'],
      ['B', '1'],
      ['b', '1'],
    ]),
  ).toBe(
    sign([
      ['b', '1'],
      ['b', '2'],
      ['B', '1'],
    ]),
  )
})

test('crypto-js computes the same from the same parameters', () => {
  const pairs = array(tuple(string({ unit: 'grapheme' }), string({ unit: 'grapheme', minLength: 1 })))
  const oracles = {
    md5: (text: string) => CryptoJS.MD5(text).toString(),
    sha256: (text: string) => CryptoJS.SHA256(text).toString(),
  }
  assert(
    property(pairs, string(), constantFrom('md5', 'sha256'), (given, secret, digest) => {
      const text = given
        .map(([name, value]) => [name, value] as const)
        .toSorted(inOrder)
        .map((pair) => pair.join('='))
        .join('&')
      expect(signParameters(given, secret, digest, 'lower')).toBe(oracles[digest](text + secret))
    }),
  )
})

function inOrder(left: readonly [string, string], right: readonly [string, string]): number {
  const [a, b] = left[0] === right[0] ? [left[1], right[1]] : [left[0], right[0]]
  return a < b ? -1 : Number(a > b)
}

test('the headers of the national platform are the golden ones, and those of crypto-js', () => {
  const keys = { requester: 'r-0001@demo', service: 's_1200000000000_0001', secret: 'demo-secret' }
  expect(signForNationalPlatform(keys, 1_767_225_600_000)).toEqual({
    gjgxjhpt_rid: 'r-0001@demo',
    gjgxjhpt_sid: 's_1200000000000_0001',
    gjgxjhpt_rtime: '1767225600000',
    gjgxjhpt_sign: '3u0Ti20bI8jt1mALl4yoI3Zr5tmziIdPCG4TXpi/No4=',
  })
  assert(
    property(string(), string(), string(), nat(), (requester, service, secret, time) => {
      const oracle = CryptoJS.HmacSHA256(`${service}${requester}${time}`, secret).toString(CryptoJS.enc.Base64)
      expect(signForNationalPlatform({ requester, service, secret }, time)['gjgxjhpt_sign']).toBe(oracle)
    }),
  )
})

test('the headers of a TIF gateway are the golden ones, and those of crypto-js', () => {
  const golden = '5b99ecd75b8aff06e2fd2381e82a52c1fe1f83ad6ff493c4ee4d41a4037fd246'
  const keys = { paasId: 'demo-app', token: 'demo-token', letters: 'upper' } as const
  expect(signForTif(keys, 1_767_225_600_999, 'n-0001')).toEqual({
    'x-tif-paasid': 'demo-app',
    'x-tif-timestamp': '1767225600',
    'x-tif-nonce': 'n-0001',
    'x-tif-signature': golden.toUpperCase(),
  })
  assert(
    property(string(), string(), nat(), (token, nonce, seconds) => {
      const oracle = CryptoJS.SHA256(`${seconds}${token}${nonce}${seconds}`).toString()
      const signed = signForTif({ paasId: 'a', token, letters: 'lower' }, seconds * 1000, nonce)
      expect(signed['x-tif-signature']).toBe(oracle)
    }),
  )
})
