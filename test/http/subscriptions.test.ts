import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { pushChanges } from '../../src/sharing/push.ts'
import { createEgressGuard } from '../../src/security/egress.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import {
  registerAccount,
  registerConsumer,
  registerFeed,
  residentRows,
  storeRows,
  type RegisteredConsumer,
} from '../support/ledger.ts'
import { answer, startReceiver, type Receiver } from '../support/receiver.ts'
import { bearerOf, openDoor } from './door.ts'

let installation: TestInstallation
let server: FastifyInstance
let receiver: Receiver
let consumer: RegisteredConsumer
let other: RegisteredConsumer
const tokens = { consumer: '', other: '', engineer: '', officer: '', auditor: '', editor: '' }
type Who = keyof typeof tokens

beforeAll(async () => {
  installation = await openTestInstallation('api')
  server = await openDoor(installation)
  receiver = await startReceiver()
  consumer = await registerConsumer(installation, 'grid-platform')
  other = await registerConsumer(installation, 'other-platform')
  const accounts = {
    engineer: await registerAccount(installation, 'engineer', 'system-administrator'),
    officer: await registerAccount(installation, 'officer', 'security-administrator'),
    auditor: await registerAccount(installation, 'auditor', 'audit-administrator'),
    editor: await registerAccount(installation, 'editor', 'department-editor', 'public-security'),
  }
  for (const [who, client] of Object.entries({ ...accounts, consumer, other }))
    tokens[who as Who] = await bearerOf(server, client)
})
afterAll(async () => {
  receiver.close()
  await server.close()
  await installation.close()
})
beforeEach(() => installation.asOwner('truncate gridbridge.record'))

async function call(who: Who, method: 'GET' | 'POST', url: string, payload?: object) {
  const response = await server.inject({
    method,
    url: `/api/v1${url}`,
    headers: { authorization: tokens[who] },
    ...(payload === undefined ? {} : { payload }),
  })
  return { status: response.statusCode, body: response.json<Record<string, unknown>>() }
}

interface Created {
  readonly subscription: { readonly subscriptionId: number; readonly state: string }
  readonly secrets: readonly {
    readonly kind: string
    readonly secret: string | null
    readonly publicKey: string | null
  }[]
}

async function create(who: Who, change: object = {}): Promise<Created> {
  const made = await call(who, 'POST', '/subscriptions', { dataset: 'resident', endpoint: receiver.url, ...change })
  expect(made.status).toBe(200)
  return made.body as unknown as Created
}

const reason = { reason: '例行维护 maintenance' }

const readEvents = async (type: string, object: string): Promise<readonly unknown[]> => {
  const rows = await installation.asOwner<{ actor: string; details: unknown }>(
    `select actor, convert_from(body, 'UTF8')::jsonb->'details' as details from audit.entry
      where event_type = $1 and convert_from(body, 'UTF8')::jsonb->>'object' = $2 order by recorded_at`,
    [type, object],
  )
  return rows
}

const push = (subscriptionId: number) => {
  const { database, datasets, keys } = installation
  const egress = createEgressGuard(['loopback'])
  return pushChanges(
    { database, datasets, keys, egress, auditDeadlineMs: 2000, sliceEndsAt: Date.now() + 20_000 },
    subscriptionId,
  )
}

describe('a subscription', () => {
  test('is made by its consumer with several signatures, whose secrets are shown once and kept sealed', async () => {
    const signatures = ['hmac-sha256', 'ed25519', 'hmac-sm3', 'sm2']
    const { subscription, secrets } = await create('consumer', { signatures })
    expect(subscription).toMatchObject({ consumer: 'grid-platform', dataset: 'resident', state: 'active', pending: 0 })
    expect(
      secrets.map(({ kind, secret, publicKey }) => [kind, secret?.split('_')[0], publicKey?.split('_')[0]]),
    ).toEqual([
      ['hmac-sha256', 'whsec', undefined],
      ['ed25519', undefined, 'whpk'],
      ['hmac-sm3', 'whsecg', undefined],
      ['sm2', undefined, 'whpkg'],
    ])
    const shown = await call('consumer', 'GET', `/subscriptions/${subscription.subscriptionId}`)
    expect(shown.body['secrets']).toHaveLength(4)
    expect(JSON.stringify(shown.body)).not.toContain('whsec')
    const stored = await installation.asOwner('select * from gridbridge.subscription_secret')
    expect(JSON.stringify(stored)).not.toContain(secrets[0]?.secret?.slice(6) ?? '-')
    const object = `subscription/${subscription.subscriptionId}`
    expect(await readEvents('subscription.made', object)).toMatchObject([
      { actor: 'consumer:grid-platform', details: { signatures: signatures.join(' ') } },
    ])
  })

  test('is made by an account for a consumer that it names', async () => {
    const made = await create('engineer', { consumer: 'other-platform', from: 'now' })
    expect(made.subscription).toMatchObject({ consumer: 'other-platform' })
    const nobody = await call('engineer', 'POST', '/subscriptions', { dataset: 'resident', endpoint: receiver.url })
    expect([nobody.status, nobody.body['code']]).toEqual([400, 'REQUEST_INVALID'])
  })

  test.each([
    ['an address that may not be called', { endpoint: 'http://10.1.2.3/' }, 403, 'EGRESS_FORBIDDEN'],
    ['an address of the metadata service', { endpoint: 'http://169.254.169.254/' }, 403, 'EGRESS_FORBIDDEN'],
    ['an address with a password', { endpoint: 'http://a:b@127.0.0.1/' }, 403, 'EGRESS_FORBIDDEN'],
    ['no address', { endpoint: 'file:///etc/passwd' }, 403, 'EGRESS_FORBIDDEN'],
    ['a name that nobody knows', { endpoint: 'http://nobody.invalid/' }, 400, 'REQUEST_INVALID'],
    ['a dataset that is not granted', { dataset: 'housing' }, 403, 'AGREEMENT_MISSING'],
    ['a dataset that does not exist', { dataset: 'weather' }, 403, 'AGREEMENT_MISSING'],
    ['a signature that does not exist', { signatures: ['md5'] }, 400, 'REQUEST_INVALID'],
    ['the same signature twice', { signatures: ['sm2', 'sm2'] }, 400, 'REQUEST_INVALID'],
    ['a member that does not exist', { secret: 'mine' }, 400, 'REQUEST_INVALID'],
    ['another consumer', { consumer: 'other-platform' }, 400, 'REQUEST_INVALID'],
  ])('with %s is refused', async (_what, change, status, code) => {
    const body = { dataset: 'resident', endpoint: receiver.url, ...change }
    const refused = await call('consumer', 'POST', '/subscriptions', body)
    expect([refused.status, refused.body['code']]).toEqual([status, code])
  })

  test('that begins now gets nothing of what there was', async () => {
    const feed = await registerFeed(installation, 'LZ-GA-RK-001')
    await storeRows(installation, feed, residentRows(1, 3))
    const late = await create('consumer', { from: 'now' })
    const early = await create('consumer')
    const listed = await call('consumer', 'GET', '/subscriptions?dataset=resident')
    const pending = new Map(
      (listed.body['subscriptions'] as { subscriptionId: number; pending: number }[]).map((one) => [
        one.subscriptionId,
        one.pending,
      ]),
    )
    expect(pending.get(late.subscription.subscriptionId)).toBe(0)
    expect(pending.get(early.subscription.subscriptionId)).toBe(3)
  })
})

describe('who may do what', () => {
  test('another consumer finds nothing, whatever it asks', async () => {
    const { subscription } = await create('consumer')
    const base = `/subscriptions/${subscription.subscriptionId}`
    const asked = [
      call('other', 'GET', base),
      call('other', 'GET', `${base}/dead-letters`),
      call('other', 'GET', `${base}/replays`),
      call('other', 'POST', `${base}/pause`, reason),
      call('other', 'POST', `${base}/stop`, reason),
      call('other', 'POST', `${base}/secrets`, { kind: 'sm2' }),
      call('other', 'POST', `${base}/replays`, reason),
      call('other', 'GET', '/subscriptions/2000000000'),
    ]
    for (const { status, body } of await Promise.all(asked))
      expect([status, body['code']]).toEqual([404, 'SUBSCRIPTION_UNKNOWN'])
    const listed = await call('other', 'GET', '/subscriptions?consumer=grid-platform')
    const consumers = (listed.body['subscriptions'] as { consumer: string }[]).map((one) => one.consumer)
    expect(new Set(consumers)).toEqual(new Set(['other-platform']))
  })

  test.each([
    ['officer', 'pause', 200],
    ['officer', 'resume', 403],
    ['officer', 'stop', 200],
    ['auditor', 'pause', 403],
    ['auditor', 'stop', 403],
    ['editor', 'pause', 403],
    ['engineer', 'stop', 200],
  ] as const)('%s, %s: %i', async (who, deed, status) => {
    const { subscription } = await create('consumer')
    expect((await call(who, 'POST', `/subscriptions/${subscription.subscriptionId}/${deed}`, reason)).status).toBe(
      deed === 'resume' ? 403 : status,
    )
  })

  test('the auditor reads, the editor of a department does not, a consumer steers no consumer', async () => {
    expect((await call('auditor', 'GET', '/subscriptions')).status).toBe(200)
    expect((await call('editor', 'GET', '/subscriptions')).status).toBe(403)
    expect((await call('consumer', 'POST', '/consumers/other-platform/stop', reason)).status).toBe(401)
    expect((await call('auditor', 'POST', '/consumers/other-platform/stop', reason)).status).toBe(403)
    expect((await call('engineer', 'POST', '/consumers/other-platform/start', reason)).status).toBe(403)
    expect((await call('officer', 'POST', '/consumers/nobody-here/stop', reason)).status).toBe(404)
  })
})

test('pause, resume and stop are audited with their reason, and what is stopped is stopped for good', async () => {
  const { subscription } = await create('consumer')
  const base = `/subscriptions/${subscription.subscriptionId}`
  expect((await call('consumer', 'POST', `${base}/pause`, reason)).body).toMatchObject({ state: 'paused' })
  expect((await call('consumer', 'POST', `${base}/pause`, reason)).body['code']).toBe('SUBSCRIPTION_STATE')
  expect((await call('engineer', 'POST', `${base}/resume`, reason)).body).toMatchObject({ state: 'active' })
  expect((await call('officer', 'POST', `${base}/stop`, reason)).body).toMatchObject({ state: 'stopped' })
  for (const step of ['resume', 'pause', 'stop'])
    expect((await call('consumer', 'POST', `${base}/${step}`, reason)).body['code']).toBe('SUBSCRIPTION_STATE')
  expect((await call('consumer', 'POST', `${base}/secrets`, { kind: 'sm2' })).body['code']).toBe('SUBSCRIPTION_STATE')
  expect((await call('consumer', 'GET', base)).body['secrets']).toEqual([])
  const object = `subscription/${subscription.subscriptionId}`
  expect(await readEvents('subscription.steered', object)).toMatchObject([
    { actor: 'consumer:grid-platform', details: { steering: 'pause', ...reason } },
    { actor: 'account:engineer', details: { steering: 'resume' } },
    { actor: 'account:officer', details: { steering: 'stop' } },
  ])
  const named = { reason: '510502190001010017' }
  expect((await call('consumer', 'POST', `${base}/pause`, named)).body['code']).toBe('REQUEST_INVALID')
})

test('a secret rotates: two are live, a third ends the first', async () => {
  const { subscription, secrets } = await create('consumer')
  const base = `/subscriptions/${subscription.subscriptionId}`
  const rotate = () => call('consumer', 'POST', `${base}/secrets`, { kind: 'hmac-sha256', overlapHours: 2 })
  const rotated = await rotate()
  expect(rotated.body['secret']).toMatch(/^whsec_/)
  expect(rotated.body['secret']).not.toBe(secrets[0]?.secret)
  await rotate()
  const shown = await call('consumer', 'GET', base)
  const live = shown.body['secrets'] as { retiresAt: string | null }[]
  expect(live.map(({ retiresAt }) => retiresAt === null)).toEqual([false, true])
  expect(Date.parse(live[0]?.retiresAt ?? '') - Date.now()).toBeGreaterThan(7_000_000)
  expect(await readEvents('subscription.rotated', `subscription/${subscription.subscriptionId}`)).toHaveLength(2)
})

test('a dead letter is listed, shown and requeued, and a replay is previewed, asked for, watched and cancelled', async () => {
  const feed = await registerFeed(installation, 'LZ-GA-RK-002')
  await storeRows(installation, feed, residentRows(1, 3))
  const { subscription } = await create('consumer')
  const { subscriptionId } = subscription
  const base = `/subscriptions/${subscriptionId}`
  receiver.reactWith(...Array.from({ length: 5 }, () => answer(400)))
  for (let turn = 0; turn < 5; turn++) {
    await installation.asOwner('update gridbridge.subscription set not_before = null')
    await push(subscriptionId)
  }
  const listed = await call('consumer', 'GET', `${base}/dead-letters`)
  const [letter] = listed.body['deadLetters'] as { deliveryId: number }[]
  expect(letter).toMatchObject({ records: 3, left: 3, reason: 'DELIVERY_REFUSED', status: 400, isRequeued: false })
  const one = `${base}/dead-letters/${letter?.deliveryId}`
  expect((await call('auditor', 'GET', one)).body).toEqual(letter)
  expect((await call('consumer', 'GET', `${base}/dead-letters/999999`)).body['code']).toBe('DEAD_LETTER_UNKNOWN')
  expect((await call('consumer', 'POST', `${base}/replays/preview`, {})).body).toEqual({ records: 3, acknowledged: 0 })
  const requeued = await call('engineer', 'POST', `${one}/requeue`, reason)
  expect(requeued.body).toMatchObject({ state: 'active', deliveryId: letter?.deliveryId, records: 3 })
  expect((await call('engineer', 'POST', `${one}/requeue`, reason)).body['code']).toBe('SUBSCRIPTION_STATE')
  expect(await push(subscriptionId)).toBe('idle')
  expect((await call('consumer', 'GET', `${base}/replays`)).body['replays']).toMatchObject([{ state: 'done', sent: 3 }])
  expect((await call('consumer', 'POST', `${base}/replays/preview`, {})).body).toEqual({ records: 3, acknowledged: 3 })

  const future = { fromTime: new Date(Date.now() + 3_600_000).toISOString(), ...reason }
  const asked = await call('consumer', 'POST', `${base}/replays`, future)
  expect(asked.body).toMatchObject({ records: 0, requestedBy: 'consumer:grid-platform' })
  const replay = `${base}/replays/${String(asked.body['replayId'])}`
  expect((await call('consumer', 'POST', `${replay}/cancel`, reason)).body).toMatchObject({ state: 'cancelled' })
  expect((await call('consumer', 'POST', `${replay}/cancel`, reason)).body['code']).toBe('SUBSCRIPTION_STATE')
  expect((await call('consumer', 'GET', `${base}/replays/999999`)).body['code']).toBe('REPLAY_UNKNOWN')
  for (const body of [{ fromPlace: 'x' }, { fromTime: 'yesterday' }, { from: 1 }])
    expect((await call('consumer', 'POST', `${base}/replays/preview`, body)).body['code']).toBe('REQUEST_INVALID')
})

test('stopping everything for a consumer ends its tokens and its pulls, and starting lets it back in', async () => {
  const pull = async (token: string) => {
    const url = '/api/v1/datasets/resident/changes'
    const response = await server.inject({ method: 'GET', url, headers: { authorization: token } })
    return response.statusCode === 200 ? 'ok' : response.json<{ code: string }>().code
  }
  const token = await bearerOf(server, other)
  expect(await pull(token)).toBe('ok')
  const stopped = await call('officer', 'POST', '/consumers/other-platform/stop', reason)
  expect(stopped.body).toMatchObject({ consumer: 'other-platform', stoppedAt: expect.any(String) })
  expect((await call('engineer', 'POST', '/consumers/other-platform/stop', reason)).status).toBe(200)
  expect(await pull(token)).toBe('TOKEN_INVALID')
  expect(await pull(await bearerOf(server, other))).toMatch(/CONSUMER_STOPPED|TOKEN_INVALID/)
  expect((await call('officer', 'POST', '/consumers/other-platform/start', reason)).body['stoppedAt']).toBeNull()
  expect(await pull(await bearerOf(server, other))).toBe('ok')
  expect(await readEvents('consumer.stopped', 'consumer/other-platform')).toMatchObject([{ details: reason }])
  expect(await readEvents('consumer.started', 'consumer/other-platform')).toHaveLength(1)
})
