import { hash } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Client } from 'pg'
import { createEgressGuard } from '../../src/security/egress.ts'
import { isWebhookSigned } from '../../src/security/webhook-signature.ts'
import { pushChanges } from '../../src/sharing/push.ts'
import type { Feed } from '../../src/store/feeds.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerConsumer, registerFeed, residentRows, storeRows, type RegisteredConsumer } from '../support/ledger.ts'
import { answer, hang, reset, startReceiver, type Received, type Receiver } from '../support/receiver.ts'

let installation: TestInstallation
let receiver: Receiver
let feed: Feed
let consumer: RegisteredConsumer
let tests = 0

beforeAll(async () => {
  installation = await openTestInstallation('push')
})
afterAll(() => installation.close())
beforeEach(async () => {
  tests += 1
  // Each test begins with an empty change feed and a consumer of its own.
  await installation.asOwner('truncate gridbridge.record')
  receiver = await startReceiver()
  feed = await registerFeed(installation, `LZ-GA-RK-${String(tests).padStart(3, '0')}`)
  consumer = await registerConsumer(installation, `platform-${tests}`, { webhookUrl: receiver.url })
})
afterEach(() => receiver.close())

interface PushOptions {
  readonly to?: RegisteredConsumer
  readonly allow?: readonly string[]
  readonly sliceEndsAt?: number
}

const push = ({ to = consumer, allow = ['loopback'], sliceEndsAt = Date.now() + 20_000 }: PushOptions = {}) =>
  pushChanges(
    { database: installation.database, keys: installation.keys, egress: createEgressGuard(allow), auditDeadlineMs: 400, sliceEndsAt },
    to.subscriptionId ?? -1,
  )

/** As if the time of the next attempt had come. */
const comeDue = () => installation.asOwner('update gridbridge.subscription set not_before = null where subscription_id = $1', [consumer.subscriptionId])

interface Body {
  readonly type: string
  readonly dataset: string
  readonly changes: readonly { readonly id: string; readonly operation: string; readonly version: number; readonly record: unknown }[]
}

const bodyOf = (received: Received | undefined): Body => JSON.parse(received?.body ?? '{"changes":[]}') as Body
const idOf = (received: Received | undefined): unknown => received?.headers['webhook-id']
const recordsOf = (all: readonly Received[]): readonly string[] => all.flatMap((received) => bodyOf(received).changes.map(({ id }) => id.split('/')[1] ?? ''))
const names = (first: number, last: number): readonly unknown[] => residentRows(first, last).map(({ id }) => id)

const readDeliveries = () =>
  installation.asOwner<{ id: string; records: number; attempts: number; state: string; reason: string | null }>(
    'select webhook_id as id, records, attempts, state, reason from gridbridge.delivery where subscription_id = $1 order by delivery_id',
    [consumer.subscriptionId],
  )

const readAudit = (type: string) =>
  installation.asOwner<{ object: string; count: number; digest: string | null; reason: string | null }>(
    `select body->>'object' as object, (body->>'count')::int as count, body->>'outputDigest' as digest, body->'details'->>'reason' as reason
       from (select convert_from(body, 'UTF8')::jsonb as body from audit.entry where event_type = $1 and actor = $2 order by lane_seq) as entry`,
    [type, `consumer:${consumer.name}`],
  )

test('what is stored is delivered signed, as the agreement grants it, and acknowledged with its audit entries', async () => {
  await storeRows(installation, feed, [...residentRows(1, 3)])
  await storeRows(installation, feed, residentRows(2, 2, { scbz: '1' }))
  expect(await push()).toBe('idle')
  const [received] = receiver.received
  const message = { id: String(idOf(received)), timestamp: Number(received?.headers['webhook-timestamp']), body: received?.body ?? '' }
  expect(isWebhookSigned(consumer.webhookSecret, message, String(received?.headers['webhook-signature']))).toBe(true)
  expect(Math.abs(message.timestamp - Date.now() / 1000)).toBeLessThan(30)
  expect(bodyOf(received)).toEqual({
    type: 'dataset.changes',
    dataset: 'resident',
    changes: [
      { operation: 'upsert', id: `${feed.code}/R-1`, version: 1, record: { name: '张**', gridCode: '510502001001001' } },
      { operation: 'upsert', id: `${feed.code}/R-3`, version: 1, record: { name: '张**', gridCode: '510502001001001' } },
      { operation: 'delete', id: `${feed.code}/R-2`, version: 2, record: null },
    ],
  })
  expect(await readDeliveries()).toEqual([{ id: message.id, records: 3, attempts: 1, state: 'acknowledged', reason: null }])
  expect(await readAudit('delivery.sent')).toEqual([{ object: message.id, count: 3, digest: hash('sha256', message.body), reason: null }])
  expect(await readAudit('delivery.acknowledged')).toMatchObject([{ object: message.id, count: 3 }])
})

test('what was acknowledged is not sent again, and what came since is', async () => {
  await storeRows(installation, feed, residentRows(1, 3))
  await push()
  expect(await push()).toBe('idle')
  await storeRows(installation, feed, residentRows(2, 5))
  await push()
  expect(recordsOf(receiver.received)).toEqual([...names(1, 3), ...names(4, 5)])
})

test('a refused delivery is sent again with the same id and the same bytes, and acknowledged once', async () => {
  await storeRows(installation, feed, residentRows(1, 3))
  receiver.reactWith(answer(500))
  expect(await push()).toBe('postponed')
  expect(await push()).toBe('busy')
  await comeDue()
  expect(await push()).toBe('idle')
  const [first, second] = receiver.received
  expect(receiver.received).toHaveLength(2)
  expect([idOf(second), second?.body]).toEqual([idOf(first), first?.body])
  expect(await readDeliveries()).toMatchObject([{ attempts: 2, state: 'acknowledged', records: 3 }])
  expect(await readAudit('delivery.acknowledged')).toHaveLength(1)
  expect(await readAudit('delivery.failed')).toMatchObject([{ reason: 'CONSUMER_UNAVAILABLE' }])
})

test('a delivery whose answer was lost is sent again with the same id', async () => {
  await storeRows(installation, feed, residentRows(1, 3))
  receiver.reactWith(reset)
  expect(await push()).toBe('postponed')
  expect(await readDeliveries()).toMatchObject([{ attempts: 1, state: 'open', reason: 'CONSUMER_UNAVAILABLE' }])
  await comeDue()
  expect(await push()).toBe('idle')
  const [first, second] = receiver.received
  expect([idOf(second), second?.body]).toEqual([idOf(first), first?.body])
  expect(await readDeliveries()).toMatchObject([{ attempts: 2, state: 'acknowledged' }])
})

describe('when records change between two attempts', () => {
  beforeEach(async () => {
    await storeRows(installation, feed, residentRows(1, 4))
    receiver.reactWith(answer(503))
    expect(await push()).toBe('postponed')
    await comeDue()
  })

  test('another body has another id, and every record arrives in its newest version', async () => {
    await storeRows(installation, feed, [...residentRows(2, 2, { lxfs: '19900000002' }), ...residentRows(3, 3, { scbz: '1' })])
    expect(await push()).toBe('idle')
    const [first, second, third] = receiver.received
    expect(idOf(second)).not.toBe(idOf(first))
    expect(bodyOf(second).changes.map(({ id, version }) => [id.split('/')[1], version])).toEqual([['R-1', 1], ['R-4', 1]])
    expect(bodyOf(third).changes.map(({ id, version, operation }) => [id.split('/')[1], version, operation])).toEqual([
      ['R-2', 2, 'upsert'],
      ['R-3', 2, 'delete'],
    ])
  })

  test('a range in which nothing is left is closed without a request, and the next one goes out', async () => {
    await storeRows(installation, feed, residentRows(1, 4, { lxfs: '19900000002' }))
    expect(await push()).toBe('idle')
    expect(receiver.received).toHaveLength(2)
    expect(bodyOf(receiver.received[1]).changes.map(({ version }) => version)).toEqual([2, 2, 2, 2])
    expect(await readDeliveries()).toMatchObject([{ records: 0, state: 'acknowledged' }, { records: 4, state: 'acknowledged' }])
  })
})

test('a consumer that hangs holds up no other', async () => {
  await storeRows(installation, feed, residentRows(1, 3))
  const slow = await startReceiver()
  slow.reactWith(hang)
  const slowConsumer = await registerConsumer(installation, `slow-${tests}`, { webhookUrl: slow.url })
  const hanging = push({ to: slowConsumer })
  expect(await push()).toBe('idle')
  expect(recordsOf(receiver.received)).toEqual(names(1, 3))
  slow.close()
  expect(await hanging).toBe('postponed')
})

test('many changes go out in order, in batches, each of them once', async () => {
  await storeRows(installation, feed, residentRows(1, 1100))
  expect(await push()).toBe('idle')
  expect(receiver.received.map((received) => bodyOf(received).changes.length)).toEqual([500, 500, 100])
  expect(recordsOf(receiver.received)).toEqual(names(1, 1100))
})

test('a slice that is over stops between two batches and gives the subscription back', async () => {
  await storeRows(installation, feed, residentRows(1, 3))
  expect(await push({ sliceEndsAt: Date.now() - 1 })).toBe('more')
  expect(receiver.received).toHaveLength(0)
  expect(await push()).toBe('idle')
})

test('two workers on one subscription deliver everything once', async () => {
  await storeRows(installation, feed, residentRows(1, 600))
  const outcomes = await Promise.all([push(), push(), push()])
  expect(outcomes.toSorted()).toEqual(['busy', 'busy', 'idle'])
  expect(recordsOf(receiver.received)).toEqual(names(1, 600))
})

test('a worker that was taken over during its request cannot acknowledge', async () => {
  await storeRows(installation, feed, residentRows(1, 3))
  receiver.reactWith((response, received) => {
    const takeOver = 'update gridbridge.subscription set lease_epoch = lease_epoch + 1 where subscription_id = $1'
    void installation.asOwner(takeOver, [consumer.subscriptionId]).then(() => answer(200)(response, received))
  })
  expect(await push()).toBe('postponed')
  expect(await readDeliveries()).toMatchObject([{ state: 'open' }])
  expect(await readAudit('delivery.acknowledged')).toEqual([])
})

test.each([
  ['409', answer(409), 'DELIVERY_CONFLICT'],
  ['400', answer(400), 'CONSUMER_UNAVAILABLE'],
])('status %s is no acknowledgement', async (_status, reaction, reason) => {
  await storeRows(installation, feed, residentRows(1, 1))
  receiver.reactWith(reaction)
  expect(await push()).toBe('postponed')
  expect(await readDeliveries()).toMatchObject([{ state: 'open', reason }])
})

test('a redirect is not followed', async () => {
  const elsewhere = await startReceiver()
  await storeRows(installation, feed, residentRows(1, 1))
  receiver.reactWith(answer(307, { location: elsewhere.url }))
  expect(await push()).toBe('postponed')
  expect(elsewhere.received).toEqual([])
  elsewhere.close()
})

test('an address that this installation may not call gets nothing', async () => {
  await storeRows(installation, feed, residentRows(1, 1))
  expect(await push({ allow: ['10.20.0.0/16'] })).toBe('postponed')
  expect(receiver.received).toEqual([])
  expect(await readAudit('delivery.failed')).toMatchObject([{ reason: 'EGRESS_FORBIDDEN' }])
})

test('while the audit log cannot be written nothing leaves, and afterwards everything does', async () => {
  await storeRows(installation, feed, residentRows(1, 3))
  const locker = new Client({ connectionString: installation.ownerUrl })
  await locker.connect()
  await locker.query('begin; lock table audit.lane in access exclusive mode')
  const blocked = push()
  await new Promise((resolve) => {
    setTimeout(resolve, 900)
  })
  expect(receiver.received).toEqual([])
  await locker.end()
  expect(await blocked).toBe('postponed')
  expect(await readAudit('delivery.failed')).toMatchObject([{ reason: 'AUDIT_UNAVAILABLE' }])
  await comeDue()
  expect(await push()).toBe('idle')
  expect(recordsOf(receiver.received)).toEqual(names(1, 3))
})

test('the fields that an agreement grants later are those it grants when they leave', async () => {
  await storeRows(installation, feed, residentRows(1, 1))
  await installation.asOwner(`update gridbridge.agreement set forms = '{"gridCode": "mask"}' where consumer_id = $1`, [consumer.consumerId])
  await push()
  expect(bodyOf(receiver.received[0]).changes[0]?.record).toEqual({ gridCode: '510502001001001' })
})

test('after the term of the agreement nothing leaves', async () => {
  await storeRows(installation, feed, residentRows(1, 1))
  await installation.asOwner('update gridbridge.agreement set valid_to = clock_timestamp() where consumer_id = $1', [consumer.consumerId])
  await expect(push()).rejects.toMatchObject({ code: 'AGREEMENT_MISSING' })
  expect(receiver.received).toEqual([])
})
