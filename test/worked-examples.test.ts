import { createHash, createPrivateKey, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { sm3 } from 'sm-crypto-v2'
import { expect, test, vi } from 'vitest'
import { ASSERTION_TYPE, readClaim, verifyAssertion } from '../src/security/client-assertions.ts'
import { signRequest } from '../src/security/request-signature.ts'

const guide = readFileSync(new URL('../docs/api-guide.md', import.meta.url), 'utf8')

/** The blocks of the guide in one language. */
const blocksOf = (language: string): readonly string[] =>
  [...guide.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]+?)\\n\`\`\``, 'g'))].map(([, block = '']) => block)

test('the assertion of the guide comes out anew, byte for byte, and the product takes it', async () => {
  const [key = '', claims = ''] = blocksOf('json')
  const body = blocksOf('http').find((block) => block.includes('client_assertion='))
  const form = new URLSearchParams(body?.split('\n').at(-1))
  const assertion = form.get('client_assertion') ?? ''
  const jwk = JSON.parse(key) as { readonly kty: 'OKP'; readonly crv: 'Ed25519'; readonly x: string }
  const signed = ['{"alg":"EdDSA"}', claims].map((part) => Buffer.from(part).toString('base64url')).join('.')
  const signature = sign(null, Buffer.from(signed), createPrivateKey({ key: { ...jwk }, format: 'jwk' }))
  expect(assertion).toBe(`${signed}.${signature.toString('base64url')}`)
  expect(form.get('client_assertion_type')).toBe(ASSERTION_TYPE)
  const { aud, iat, jti } = JSON.parse(claims) as { readonly aud: string; readonly iat: number; readonly jti: string }
  vi.useFakeTimers({ now: iat * 1000, toFake: ['Date'] })
  try {
    const held = { publicKey: { kty: jwk.kty, crv: jwk.crv, x: jwk.x } } as const
    const expected = { ...readClaim(assertion), audience: aud }
    expect(await verifyAssertion(assertion, expected, [held])).toEqual({ held, jti })
  } finally {
    vi.useRealTimers()
  }
})

test('the signed request of the guide comes out anew, by another SM3 and by the product', () => {
  const wire = blocksOf('http').find((block) => block.includes('x-signature')) ?? ''
  const [head = '', body = ''] = wire.split('\n\n')
  const [line = '', ...rest] = head.split('\n')
  const [method = '', url = ''] = line.split(' ')
  const headers = Object.fromEntries(rest.map((header) => header.split(': ') as [string, string]))
  const secret = /`(Z3JpZGJyaWRnZSBleGFtcGxlIHNpZ[A-Za-z0-9]+)`/.exec(guide)?.[1] ?? ''
  const [text = ''] = blocksOf('text')
  expect(text.split('\n')[3]).toBe(sm3(body))
  expect(headers['x-signature']).toBe(sm3(text, { key: Buffer.from(secret).toString('hex'), mode: 'hmac' }))
  const [path = '', query = ''] = url.split('?')
  const { 'x-app-key': appKey = '', 'x-timestamp': timestamp, 'x-nonce': nonce = '' } = headers
  const facts = { method, path, query: new URLSearchParams(query), body, appKey, secret, nonce }
  const request = { ...facts, timestamp: Number(timestamp) }
  expect(signRequest(request)['X-Signature']).toBe(headers['x-signature'])
  expect(guide).toContain(`\`${signRequest(request, 'sha256')['X-Signature']}\``)
  expect(guide).toContain(`\`${createHash('sha256').update(body).digest('hex')}\``)
})

test('the reconciliation of the guide comes out anew, by its own code and by its own rules', async () => {
  const held = (blocksOf('ndjson')[0] ?? '').split('\n').map((line) => JSON.parse(line) as unknown)
  const code = blocksOf('javascript').find((block) => block.includes('setsOf')) ?? ''
  const { setsOf } = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as {
    readonly setsOf: (records: unknown, hash?: string) => readonly Readonly<Record<string, unknown>>[]
  }
  const rows = [...guide.matchAll(/^\| `(\d{6})` \| `([\d-]{10})` \| (\d+) \| `([\da-f]{64})` \|$/gm)]
  const told = rows.map(([, division, day, count, digest]) => ({ division, day, count: Number(count), digest }))
  expect(told).toHaveLength(2)
  expect(setsOf(held).toSorted((one, other) => String(one['day']).localeCompare(String(other['day'])))).toEqual(told)
  const lines = 'LZ-GA-RK-001/R-10\t2\nLZ-GA-RK-001/R-2\t1\n'
  expect(told[1]?.digest).toBe(createHash('sha256').update(lines).digest('hex'))
  expect(setsOf(held, 'sm3').map(({ digest }) => digest)).toContain(sm3(lines))
})
