import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { describe, expect, test } from 'vitest'
import { readSecret, verifyWebhook as verifyAtPlatform } from '../../demo/platform/signature.ts'
import {
  createWebhookKey,
  signatureKinds,
  verifyWebhook,
  webhookHeaders,
  type WebhookKey,
} from '../../src/security/webhook-signature.ts'
import { codeOf } from '../support/coded-error.ts'

// The example of the Standard Webhooks specification, and of its reference libraries' tests.
const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const message = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', timestamp: 1_614_265_330, body: '{"test": 2432232314}' }
const signature = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='

// The same message under the published asymmetric key of svix-server, whose signature the specification shows too.
const signingKey = 'whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=='
const verifyingKey = 'whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4='
const asymmetric = 'v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=='

const then = new Date(message.timestamp * 1000)
const signatureOf = (text: string): string => webhookHeaders([secret], { ...message, body: text })['webhook-signature']
const keyOf = ({ publicKey, secret: own }: WebhookKey): string => publicKey ?? own

describe('the published examples', () => {
  test('have their published signatures', () => {
    expect(webhookHeaders([secret], message)).toEqual({
      'webhook-id': message.id,
      'webhook-timestamp': '1614265330',
      'webhook-signature': signature,
    })
    expect(webhookHeaders([signingKey], message)['webhook-signature']).toBe(asymmetric)
    expect(webhookHeaders([secret, signingKey], message)['webhook-signature']).toBe(`${signature} ${asymmetric}`)
  })

  test.each([
    ['v1', secret, signature],
    ['v1a', verifyingKey, asymmetric],
  ])('verify (%s)', (_version, key, given) => {
    const headers = { ...webhookHeaders([secret], message), 'webhook-signature': `v1,AAAA v9,AAAA ${given}` }
    expect(verifyWebhook([key], headers, message.body, then)).toBe(true)
    expect(verifyWebhook([key], headers, `${message.body} `, then)).toBe(false)
  })
})

test('another id, time, body or secret has another signature', () => {
  for (const change of [{ id: `${message.id}x` }, { timestamp: message.timestamp + 1 }, { body: `${message.body} ` }]) {
    expect(webhookHeaders([secret], { ...message, ...change })['webhook-signature']).not.toBe(signature)
  }
  const other = createWebhookKey('hmac-sha256').secret
  expect(webhookHeaders([other], message)['webhook-signature']).not.toBe(signature)
})

test('what is signed is verified by a receiver that was written apart from it, whatever the body', () => {
  const headers = (body: string) => ({
    id: message.id,
    timestamp: String(message.timestamp),
    signatures: signatureOf(body),
  })
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (body) =>
      verifyAtPlatform(readSecret(secret), headers(body), Buffer.from(body), then),
    ),
  )
})

describe('beside the library of the standard', () => {
  const now = new Date()
  const timestamp = Math.floor(now.getTime() / 1000)

  test('it verifies ours and ours verifies its own, whatever the id, the body and the secret', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[\w-]{1,64}$/), fc.json(), (id, body) => {
        const { secret: key } = createWebhookKey('hmac-sha256')
        const library = new Webhook(key)
        const ours = webhookHeaders([createWebhookKey('ed25519').secret, key], { id, timestamp, body })
        expect(library.verify(body, ours)).toEqual(JSON.parse(body))
        const theirs = { ...ours, 'webhook-signature': library.sign(id, now, body) }
        expect(verifyWebhook([key], theirs, body, now)).toBe(true)
      }),
    )
  })

  test('both refuse the same: another body, another secret, a time too old', () => {
    const { secret: key } = createWebhookKey('hmac-sha256')
    const headers = webhookHeaders([key], { id: 'msg_1', timestamp, body: '{}' })
    const old = webhookHeaders([key], { id: 'msg_1', timestamp: timestamp - 302, body: '{}' })
    const other = createWebhookKey('hmac-sha256').secret
    for (const [held, given, body] of [
      [key, headers, '{ }'],
      [other, headers, '{}'],
      [key, old, '{}'],
    ] as const) {
      expect(() => new Webhook(held).verify(body, given)).toThrow(/signature|too old/)
      expect(verifyWebhook([held], given, body, now)).toBe(false)
    }
  })
})

describe.each(signatureKinds)('%s', (kind) => {
  test('signs what its own key verifies, and no other key or body does', () => {
    const [own, other] = [createWebhookKey(kind), createWebhookKey(kind)]
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (body) => {
        const headers = webhookHeaders([own.secret], { ...message, body })
        expect(verifyWebhook([keyOf(own)], headers, body, then)).toBe(true)
        expect(verifyWebhook([keyOf(other)], headers, body, then)).toBe(false)
        expect(verifyWebhook([keyOf(own)], headers, `${body}.`, then)).toBe(false)
      }),
      { numRuns: 20 },
    )
  })

  test('while two secrets are live each receiver finds the signature of the one it holds', () => {
    const keys = [createWebhookKey(kind), createWebhookKey(kind), ...signatureKinds.map(createWebhookKey)]
    const headers = webhookHeaders(
      keys.map((key) => key.secret),
      message,
    )
    for (const key of keys) expect(verifyWebhook([keyOf(key)], headers, message.body, then)).toBe(true)
  })

  test('a time that is more than five minutes away is refused', () => {
    const key = createWebhookKey(kind)
    const headers = webhookHeaders([key.secret], message)
    for (const seconds of [-301, 301])
      expect(verifyWebhook([keyOf(key)], headers, message.body, new Date(then.getTime() + seconds * 1000))).toBe(false)
    expect(verifyWebhook([keyOf(key)], headers, message.body, new Date(then.getTime() + 299_000))).toBe(true)
  })

  test('nothing that comes in its place verifies, and nothing is thrown', () => {
    const key = createWebhookKey(kind)
    const headers = webhookHeaders([key.secret], message)
    const [version = '', right = ''] = headers['webhook-signature'].split(',')
    const wrong = [
      '',
      version,
      `${version},`,
      `${version},AAAA`,
      `${version},${right}=`,
      `${version}, ${right}`,
      right,
      `v0,${right}`,
    ]
    for (const given of [...wrong, wrong.join(' '), `${'v1,A '.repeat(20)}${version},${right}`])
      expect(verifyWebhook([keyOf(key)], { ...headers, 'webhook-signature': given }, message.body, then), given).toBe(
        false,
      )
    for (const held of ['', 'whsec_', 'whpk_AAAA', 'whpkg_AAAA', keyOf(key).slice(1)])
      expect(verifyWebhook([held], headers, message.body, then)).toBe(false)
    for (const change of [{ 'webhook-id': '' }, { 'webhook-timestamp': 'now' }, { 'webhook-timestamp': '1e9' }])
      expect(verifyWebhook([keyOf(key)], { ...headers, ...change }, message.body, then)).toBe(false)
    expect(verifyWebhook([keyOf(key)], {}, message.body, then)).toBe(false)
  })
})

test('a secret has 32 random bytes behind its prefix, and one that is spelled otherwise is refused', async () => {
  const { secret: made } = createWebhookKey('hmac-sha256')
  expect(Buffer.from(made.slice('whsec_'.length), 'base64')).toHaveLength(32)
  expect(createWebhookKey('hmac-sha256').secret).not.toBe(made)
  for (const text of [made.slice(6), 'whsec_', 'whsec_AAAA', `${made} `, 'whsk_AAAA', verifyingKey])
    expect(await codeOf(() => webhookHeaders([text], message))).toBe('KEY_UNAVAILABLE')
})

test('a public key lets nobody sign', async () => {
  for (const kind of ['ed25519', 'sm2'] as const) {
    const { publicKey } = createWebhookKey(kind)
    expect(await codeOf(() => webhookHeaders([publicKey ?? ''], message))).toBe('KEY_UNAVAILABLE')
  }
})
