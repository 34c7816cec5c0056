import { hash } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readSecret, verifyWebhook } from '../../demo/platform/signature.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerConsumer, residentRows, storeRows } from '../support/ledger.ts'
import { nameOf, namedBy } from '../support/manifests.ts'
import { answer, hang, reset, startReceiver } from '../support/receiver.ts'
import { bodyOf, idOf, names, recordsOf, setStage, type PushStage } from './push-stage.ts'

let installation: TestInstallation
let stage: PushStage
beforeAll(async () => {
  installation = await openTestInstallation('push')
})
afterAll(() => installation.close())
beforeEach(async () => {
  stage = await setStage(installation)
})
afterEach(() => stage.receiver.close())

const changedAt: unknown = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)

test('what is stored is delivered signed, as the agreement grants it, and acknowledged with its audit entries', async () => {
  await storeRows(installation, stage.feed, [...residentRows(1, 3)])
  await storeRows(installation, stage.feed, residentRows(2, 2, { scbz: '1' }))
  expect(await stage.push()).toBe('idle')
  const [received] = stage.receiver.received
  const message = {
    id: String(idOf(received)),
    timestamp: Number(received?.headers['webhook-timestamp']),
    body: received?.body ?? '',
  }
  const headers = {
    id: message.id,
    timestamp: String(message.timestamp),
    signatures: String(received?.headers['webhook-signature']),
  }
  const secret = readSecret(stage.consumer.webhookSecret)
  expect(verifyWebhook(secret, headers, Buffer.from(message.body), new Date())).toBe(true)
  expect(Math.abs(message.timestamp - Date.now() / 1000)).toBeLessThan(30)
  expect(bodyOf(received)).toEqual({
    type: 'dataset.changes',
    dataset: 'resident',
    changes: [
      {
        operation: 'upsert',
        id: `${stage.feed.code}/R-1`,
        version: 1,
        changedAt,
        record: { name: '张**', gridCode: '510502001001001' },
      },
      {
        operation: 'upsert',
        id: `${stage.feed.code}/R-3`,
        version: 1,
        changedAt,
        record: { name: '张**', gridCode: '510502001001001' },
      },
      { operation: 'delete', id: `${stage.feed.code}/R-2`, version: 2, changedAt, record: null },
    ],
  })
  expect(await stage.readDeliveries()).toEqual([
    { id: message.id, records: 3, attempts: 1, state: 'acknowledged', reason: null },
  ])
  expect(await stage.readAudit('delivery.sent')).toEqual([
    { object: message.id, count: 3, digest: hash('sha256', message.body), reason: null },
  ])
  expect(await stage.readAudit('delivery.acknowledged')).toMatchObject([{ object: message.id, count: 3 }])
})

test('a delivery names the persons in it, and its acknowledgement does not again', async () => {
  await storeRows(installation, stage.feed, residentRows(1, 3))
  await stage.push()
  expect((await namedBy(installation, 'delivery.sent')).at(-1)).toEqual([nameOf(installation, '510502190001010017')])
  expect((await namedBy(installation, 'delivery.acknowledged')).flat()).toEqual([])
})

test('what was acknowledged is not sent again, and what came since is', async () => {
  await storeRows(installation, stage.feed, residentRows(1, 3))
  await stage.push()
  expect(await stage.push()).toBe('idle')
  await storeRows(installation, stage.feed, residentRows(2, 5))
  await stage.push()
  expect(recordsOf(stage.receiver.received)).toEqual([...names(1, 3), ...names(4, 5)])
})

test('a refused delivery is sent again with the same id and the same bytes, and acknowledged once', async () => {
  await storeRows(installation, stage.feed, residentRows(1, 3))
  stage.receiver.reactWith(answer(500))
  expect(await stage.push()).toBe('postponed')
  expect(await stage.push()).toBe('busy')
  await stage.comeDue()
  expect(await stage.push()).toBe('idle')
  const [first, second] = stage.receiver.received
  expect(stage.receiver.received).toHaveLength(2)
  expect([idOf(second), second?.body]).toEqual([idOf(first), first?.body])
  expect(await stage.readDeliveries()).toMatchObject([{ attempts: 2, state: 'acknowledged', records: 3 }])
  expect(await stage.readAudit('delivery.acknowledged')).toHaveLength(1)
  expect(await stage.readAudit('delivery.failed')).toMatchObject([{ reason: 'CONSUMER_UNAVAILABLE' }])
})

test('a delivery whose answer was lost is sent again with the same id', async () => {
  await storeRows(installation, stage.feed, residentRows(1, 3))
  stage.receiver.reactWith(reset)
  expect(await stage.push()).toBe('postponed')
  expect(await stage.readDeliveries()).toMatchObject([{ attempts: 1, state: 'open', reason: 'CONSUMER_UNAVAILABLE' }])
  await stage.comeDue()
  expect(await stage.push()).toBe('idle')
  const [first, second] = stage.receiver.received
  expect([idOf(second), second?.body]).toEqual([idOf(first), first?.body])
  expect(await stage.readDeliveries()).toMatchObject([{ attempts: 2, state: 'acknowledged' }])
})

describe('when records change between two attempts', () => {
  beforeEach(async () => {
    await storeRows(installation, stage.feed, residentRows(1, 4))
    stage.receiver.reactWith(answer(503))
    await stage.push()
    await stage.comeDue()
  })

  test('another body has another id, and every record arrives in its newest version', async () => {
    await storeRows(installation, stage.feed, [
      ...residentRows(2, 2, { lxfs: '19900000002' }),
      ...residentRows(3, 3, { scbz: '1' }),
    ])
    expect(await stage.push()).toBe('idle')
    const [first, second, third] = stage.receiver.received
    expect(idOf(second)).not.toBe(idOf(first))
    expect(bodyOf(second).changes.map(({ id, version }) => [id.split('/')[1], version])).toEqual([
      ['R-1', 1],
      ['R-4', 1],
    ])
    expect(bodyOf(third).changes.map(({ id, version, operation }) => [id.split('/')[1], version, operation])).toEqual([
      ['R-2', 2, 'upsert'],
      ['R-3', 2, 'delete'],
    ])
  })

  test('a range in which nothing is left is closed without a request, and the next one goes out', async () => {
    await storeRows(installation, stage.feed, residentRows(1, 4, { lxfs: '19900000002' }))
    expect(await stage.push()).toBe('idle')
    expect(stage.receiver.received).toHaveLength(2)
    expect(bodyOf(stage.receiver.received[1]).changes.map(({ version }) => version)).toEqual([2, 2, 2, 2])
    expect(await stage.readDeliveries()).toMatchObject([
      { records: 0, state: 'acknowledged' },
      { records: 4, state: 'acknowledged' },
    ])
  })
})

test('a consumer that hangs holds up no other', async () => {
  await storeRows(installation, stage.feed, residentRows(1, 3))
  const slow = await startReceiver()
  slow.reactWith(hang)
  const slowConsumer = await registerConsumer(installation, 'slow-platform', { webhookUrl: slow.url })
  const hanging = stage.push({ to: slowConsumer })
  expect(await stage.push()).toBe('idle')
  expect(recordsOf(stage.receiver.received)).toEqual(names(1, 3))
  slow.close()
  expect(await hanging).toBe('postponed')
})

test('many changes go out in order, in batches, each of them once', async () => {
  await storeRows(installation, stage.feed, residentRows(1, 2100))
  expect(await stage.push()).toBe('idle')
  expect(stage.receiver.received.map((received) => bodyOf(received).changes.length)).toEqual([1000, 1000, 100])
  expect(recordsOf(stage.receiver.received)).toEqual(names(1, 2100))
})

test('a slice that is over stops between two batches and gives the subscription back', async () => {
  await storeRows(installation, stage.feed, residentRows(1, 3))
  expect(await stage.push({ sliceEndsAt: Date.now() - 1 })).toBe('more')
  expect(stage.receiver.received).toHaveLength(0)
  expect(await stage.push()).toBe('idle')
})

test('two workers on one subscription deliver everything once', async () => {
  await storeRows(installation, stage.feed, residentRows(1, 600))
  // While the first delivery is on its way, the others find the subscription taken.
  stage.receiver.reactWith((response, received) => void setTimeout(() => answer(200)(response, received), 300))
  const outcomes = await Promise.all([stage.push(), stage.push(), stage.push()])
  expect(outcomes.toSorted()).toEqual(['busy', 'busy', 'idle'])
  expect(recordsOf(stage.receiver.received)).toEqual(names(1, 600))
})

test('a worker that was taken over during its request cannot acknowledge', async () => {
  await storeRows(installation, stage.feed, residentRows(1, 3))
  stage.receiver.reactWith((response, received) => {
    const takeOver = 'update gridbridge.subscription set lease_epoch = lease_epoch + 1 where subscription_id = $1'
    void installation.asOwner(takeOver, [stage.consumer.subscriptionId]).then(() => answer(200)(response, received))
  })
  expect(await stage.push()).toBe('postponed')
  expect(await stage.readDeliveries()).toMatchObject([{ state: 'open' }])
  expect(await stage.readAudit('delivery.acknowledged')).toEqual([])
})
