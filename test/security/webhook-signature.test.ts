import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readSecret, verifyWebhook } from '../../demo/platform/signature.ts'
import { createWebhookSecret, webhookHeaders } from '../../src/security/webhook-signature.ts'
import { codeOf } from '../support/coded-error.ts'

// The example of the Standard Webhooks specification, and of its reference libraries' tests.
const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const message = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', timestamp: 1_614_265_330, body: '{"test": 2432232314}' }
const signature = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='

const headerOf = (text: string): string => webhookHeaders(secret, { ...message, body: text })['webhook-signature'] ?? ''

test('the published example has its published signature', () => {
  expect(webhookHeaders(secret, message)).toEqual({
    'webhook-id': message.id,
    'webhook-timestamp': '1614265330',
    'webhook-signature': signature,
  })
})

test('another id, time, body or secret has another signature', () => {
  for (const change of [{ id: `${message.id}x` }, { timestamp: message.timestamp + 1 }, { body: `${message.body} ` }]) {
    expect(webhookHeaders(secret, { ...message, ...change })['webhook-signature']).not.toBe(signature)
  }
  expect(webhookHeaders(createWebhookSecret(), message)['webhook-signature']).not.toBe(signature)
})

test('what is signed is verified by a receiver that was written apart from it, whatever the body', () => {
  const now = new Date(message.timestamp * 1000)
  const headers = (body: string) => ({
    id: message.id,
    timestamp: String(message.timestamp),
    signatures: headerOf(body),
  })
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (body) =>
      verifyWebhook(readSecret(secret), headers(body), Buffer.from(body), now),
    ),
  )
})

test('a secret has 32 random bytes behind its prefix, and one without the prefix is refused', async () => {
  const made = createWebhookSecret()
  expect(Buffer.from(made.slice('whsec_'.length), 'base64')).toHaveLength(32)
  expect(createWebhookSecret()).not.toBe(made)
  expect(await codeOf(() => webhookHeaders(made.slice(6), message))).toBe('KEY_UNAVAILABLE')
})
