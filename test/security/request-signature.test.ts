import CryptoJS from 'crypto-js'
import { array, assert, nat, property, string, tuple, webPath } from 'fast-check'
import { expect, test } from 'vitest'
import type { SignableRequest } from '../../src/security/request-signature.ts'
import { canonicalQuery, signRequest, verifyRequest } from '../../src/security/request-signature.ts'

const published: SignableRequest = {
  method: 'POST',
  path: '/v1/ingest/LZ-GA-RK-001',
  query: [],
  body: '{"batchNo":"B20260101000001","records":[]}',
  appKey: 'demo-app',
  secret: 'demo-secret',
  timestamp: 1_767_225_600_000,
  nonce: 'n-0001',
}
const signature = 'a180d9d1d71bfa18b55fc9a7fc45a1094b3460d4c1b491afefb6e183aed2729d'
const now = new Date(published.timestamp)

test('the published vector comes out', () => {
  expect(signRequest(published)).toEqual({
    'X-App-Key': 'demo-app',
    'X-Timestamp': '1767225600000',
    'X-Nonce': 'n-0001',
    'X-Signature': signature,
  })
})

test('a signature is accepted for its own request and within five minutes only', () => {
  const minutes = (count: number) => new Date(published.timestamp + count * 60_000)
  expect(verifyRequest(published, signature, now)).toBe(true)
  expect(verifyRequest(published, signature.toUpperCase(), now)).toBe(true)
  expect([5, -5, 5.01, -5.01].map((count) => verifyRequest(published, signature, minutes(count)))).toEqual([
    true,
    true,
    false,
    false,
  ])
})

test('a change of any signed part is refused', () => {
  const changes: readonly Partial<SignableRequest>[] = [
    { method: 'PUT' },
    { path: '/v1/ingest/LZ-GA-RK-002' },
    { query: [['a', '1']] },
    { body: `${String(published.body)} ` },
    { appKey: 'other-app' },
    { secret: 'other-secret' },
    { timestamp: published.timestamp + 1 },
    { nonce: 'n-0002' },
  ]
  expect(changes.map((change) => verifyRequest({ ...published, ...change }, signature, now))).toEqual(
    changes.map(() => false),
  )
})

test.each(['', 'zz', signature.slice(1), `${signature}00`, '0'.repeat(64)])(
  'the signature "%s" is refused without a crash',
  (given) => {
    expect(verifyRequest(published, given, now)).toBe(false)
  },
)

test('a query is sorted by encoded name and then value, whatever order it came in', () => {
  const pairs = array(tuple(string({ unit: 'grapheme' }), string({ unit: 'grapheme' })))
  expect(
    canonicalQuery([
      ['a-b', '1'],
      ['a', '2'],
      ['a', '10'],
      ['名', "it's (*)!"],
    ]),
  ).toBe('%E5%90%8D=it%27s%20%28%2A%29%21&a=10&a=2&a-b=1')
  assert(
    property(pairs, (query) => {
      const text = canonicalQuery(query)
      expect(canonicalQuery(query.toReversed())).toBe(text)
      const read = [...new URLSearchParams(text)].map((pair) => JSON.stringify(pair))
      expect(new Set(read)).toEqual(new Set(query.map((pair) => JSON.stringify(pair))))
    }),
  )
})

test('the SHA-256 form equals what clients built on crypto-js send, in hex and in Base64', () => {
  const text = string({ unit: 'grapheme' })
  const path = webPath().map((given) => `/${given}`)
  assert(
    property(text, text, path, nat(), (body, secret, at, timestamp) => {
      const request = { ...published, body, secret, path: at, timestamp, query: [['页', '1']] as const }
      const signed = [
        'POST',
        at,
        '%E9%A1%B5=1',
        CryptoJS.SHA256(body).toString(),
        'demo-app',
        String(timestamp),
        'n-0001',
      ].join('\n')
      const oracle = CryptoJS.HmacSHA256(signed, secret)
      const ours = signRequest(request, 'sha256')['X-Signature']
      expect(ours).toBe(oracle.toString(CryptoJS.enc.Hex))
      expect(Buffer.from(ours, 'hex').toString('base64')).toBe(oracle.toString(CryptoJS.enc.Base64))
      expect(verifyRequest(request, ours, new Date(timestamp), 'sha256')).toBe(true)
      expect(verifyRequest(request, ours, new Date(timestamp))).toBe(false)
    }),
  )
})
