import type { FastifyInstance, InjectOptions } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { proveReplays } from '../../prove/replays.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerConsumer, registerFeed, residentRows, storeRows } from '../support/ledger.ts'
import { ASKING, give, openAskingDoor, openReplica, sign } from './client-stage.ts'

let installation: TestInstallation
let server: FastifyInstance
let secret = ''

const NAME = 'grid-platform'

beforeAll(async () => {
  installation = await openTestInstallation('api')
  server = await openAskingDoor(installation)
  await storeRows(installation, await registerFeed(installation, 'LZ-GA-RK-001'), residentRows(1, 2))
  await registerConsumer(installation, NAME)
  secret = (await give(installation, NAME, { kind: 'signing', digest: 'sm3' })).secret ?? ''
})
afterAll(async () => {
  await server.close()
  await installation.close()
})

async function send(request: InjectOptions, door = server) {
  const answer = await door.inject(request)
  return { status: answer.statusCode, ...answer.json<Record<string, unknown>>() }
}

test('a signed request pulls what a token pulls, and the secret rests sealed', async () => {
  const url = '/api/v1/datasets/resident/changes?limit=1'
  expect(await send(sign({ name: NAME, secret, url }))).toMatchObject({ status: 200, hasMore: true })
  const [row] = await installation.asOwner<{ text: string; sealed: Buffer; used: Date | null }>(
    `select credential::text as text, sealed, last_used_at as used from gridbridge.credential where kind = 'signing'`,
  )
  expect(row?.text).not.toContain(secret)
  expect(row?.sealed.includes(secret)).toBe(false)
  expect(row?.used).toBeInstanceOf(Date)
})

test('the bytes of a body are what is signed: one that parses to the same is another body', async () => {
  const request = sign({ name: NAME, secret, method: 'POST', body: '{"a": 1,\n "b":"核实"}' })
  expect(await send({ ...request, payload: '{"a":1,"b":"核实"}' })).toMatchObject({ code: 'SIGNATURE_INVALID' })
  expect(await send(request)).toMatchObject({ status: 200, name: NAME })
})

test('a client without SM3 signs with SHA-256, once that was agreed', async () => {
  await registerConsumer(installation, 'no-sm3')
  const made = await give(installation, 'no-sm3', { kind: 'signing', digest: 'sha256' })
  const asked = { name: 'no-sm3', secret: made.secret ?? '' } as const
  expect(await send(sign({ ...asked, digest: 'sha256' }))).toMatchObject({ status: 200 })
  expect(await send(sign({ ...asked, digest: 'sm3' }))).toMatchObject({ status: 401, code: 'SIGNATURE_INVALID' })
})

describe('what was not signed is not taken', () => {
  const post = () => sign({ name: NAME, secret, method: 'POST', body: '{"a":1}' })
  const withHeaders = (request: InjectOptions, headers: Readonly<Record<string, string>>): InjectOptions => ({
    ...request,
    headers: { ...request.headers, ...headers },
  })

  const withBody = (payload: string, type: string): InjectOptions => ({
    ...withHeaders(sign({ name: NAME, secret, method: 'POST' }), { 'content-type': type }),
    payload,
  })

  test.each<[string, () => InjectOptions]>([
    ['another body', () => ({ ...post(), payload: '{"a":2}' })],
    ['a body that was put into a request without one', () => withBody('{"a":1}', 'application/json')],
    ['a body of text', () => withBody('a', 'text/plain')],
    ['a method', () => ({ ...sign({ name: NAME, secret }), method: 'DELETE' })],
    ['a parameter', () => ({ ...sign({ name: NAME, secret, url: `${ASKING}?a=1` }), url: `${ASKING}?a=1&b=2` })],
    [
      'a second question mark',
      () => ({ ...sign({ name: NAME, secret, url: `${ASKING}?a=1` }), url: `${ASKING}?a=1?b=2` }),
    ],
    ['another secret', () => sign({ name: NAME, secret: 'another' })],
    ['another name', () => sign({ name: 'nobody', secret })],
    ['a name that is no name', () => sign({ name: '__proto__', secret })],
    ['an empty name', () => sign({ name: '', secret })],
    ['no nonce', () => withHeaders(sign({ name: NAME, secret }), { 'X-Nonce': '' })],
    ['a nonce of 65 characters', () => sign({ name: NAME, secret, nonce: 'n'.repeat(65) })],
    ['no time', () => withHeaders(sign({ name: NAME, secret }), { 'X-Timestamp': '' })],
    ['a time in seconds', () => withHeaders(sign({ name: NAME, secret }), { 'X-Timestamp': '1767225600' })],
    ['a short signature', () => withHeaders(sign({ name: NAME, secret }), { 'X-Signature': 'ab' })],
    ['no signature', () => withHeaders(sign({ name: NAME, secret }), { 'X-Signature': '' })],
  ])('%s', async (_what, request) => {
    expect(await send(request())).toMatchObject({ status: 401, code: 'SIGNATURE_INVALID' })
  })

  test('a token that is no token is not saved by a signature', async () => {
    const request = withHeaders(sign({ name: NAME, secret }), { authorization: 'Bearer none' })
    expect(await send(request)).toMatchObject({ status: 401, code: 'TOKEN_INVALID' })
  })
})

test('a clock more than five minutes off is told to who holds the secret, and to nobody else', async () => {
  for (const aheadMs of [301_000, -301_000]) {
    expect(await send(sign({ name: NAME, secret, aheadMs }))).toMatchObject({ code: 'CLOCK_SKEWED' })
    expect(await send(sign({ name: NAME, secret: 'wrong', aheadMs }))).toMatchObject({ code: 'SIGNATURE_INVALID' })
  }
  for (const aheadMs of [290_000, -290_000])
    expect(await send(sign({ name: NAME, secret, aheadMs }))).toMatchObject({ status: 200 })
})

test('a request is good once, in whichever replica; a refusal is written down and uses no nonce up', async () => {
  const replica = await openReplica(installation)
  try {
    const request = sign({ name: NAME, secret })
    const wrong = { ...request, url: `${ASKING}?a=1` }
    expect(await send(wrong)).toMatchObject({ code: 'SIGNATURE_INVALID' })
    expect(await send(request, replica.door)).toMatchObject({ status: 200 })
    expect(await send(request)).toMatchObject({ status: 409, code: 'REQUEST_REPLAYED' })
    const [entry] = await installation.asOwner<{ body: string }>(
      `select convert_from(body, 'UTF8') as body from audit.entry order by recorded_at desc limit 1`,
    )
    expect(JSON.parse(entry?.body ?? '')).toMatchObject({
      type: 'access.denied',
      details: { reason: 'REQUEST_REPLAYED' },
    })
  } finally {
    await replica.close()
  }
})

test('a nonce belongs to its signer, and is forgotten when no signature can bring it again', async () => {
  await registerConsumer(installation, 'second-platform')
  const made = await give(installation, 'second-platform', { kind: 'signing', digest: 'sm3' })
  const nonce = 'the-same-nonce'
  expect(await send(sign({ name: NAME, secret, nonce }))).toMatchObject({ status: 200 })
  expect(await send(sign({ name: 'second-platform', secret: made.secret ?? '', nonce }))).toMatchObject({ status: 200 })
  expect(await send(sign({ name: NAME, secret, nonce }))).toMatchObject({ status: 409 })
  await installation.asOwner(`update gridbridge.used_nonce set expires_at = now() - interval '1 second'`)
  expect(await send(sign({ name: NAME, secret, nonce }))).toMatchObject({ status: 200 })
})

/** The middle one of what each of two works took, in turns, in milliseconds. */
async function compare(one: () => Promise<unknown>, other: () => Promise<unknown>): Promise<readonly number[]> {
  const took: [number[], number[]] = [[], []]
  for (let turn = 0; turn < 120; turn++) {
    for (const [place, work] of [one, other].entries()) {
      const startedAt = performance.now()
      await work()
      took[place]?.push(performance.now() - startedAt)
    }
  }
  return took.map((times) => times.toSorted((left, right) => left - right)[times.length >> 1] ?? NaN)
}

test('an unknown client and a wrong secret are told the same and cost the same', async () => {
  const wrong = () => send(sign({ name: NAME, secret: 'wrong' }))
  const unknown = () => send(sign({ name: 'nobody', secret: 'wrong' }))
  expect(await wrong()).toEqual(await unknown())
  const [known = NaN, nobody = NaN] = await compare(wrong, unknown)
  expect(known / nobody).toBeGreaterThan(0.6)
  expect(known / nobody).toBeLessThan(1.6)
})

test('of many replays, reorders and edits against two replicas none is let in', { timeout: 120_000 }, async () => {
  expect(await proveReplays({ attacks: 600, seed: 7 })).toMatchObject({ ok: true, accepted: {}, sent: 30, letIn: 30 })
})
