import { hash } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { verifyWebhook } from '../../src/security/webhook-signature.ts'
import { createWebhookKey, signatureKinds } from '../../src/security/webhook-signature.ts'
import {
  rotateSecret,
  steerSubscription,
  stopEverything,
  startEverything,
} from '../../src/sharing/manage-subscription.ts'
import { subscribe } from '../../src/sharing/subscribe.ts'
import { findConsumer } from '../../src/store/consumers.ts'
import { listIdleSubscriptions } from '../../src/store/deliveries.ts'
import { findSubscription } from '../../src/store/subscriptions.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { residentRows, storeRows } from '../support/ledger.ts'
import { answer, answerWith, reset, startReceiver } from '../support/receiver.ts'
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

const deed = { actor: 'operator:test', reason: 'a test' } as const
const subscriptionId = (): number => stage.consumer.subscriptionId ?? -1
const readSubscription = () => findSubscription(installation.database.query, subscriptionId(), null)
const readAlerts = async (): Promise<readonly string[]> => {
  const rows = await installation.asOwner<{ kind: string }>(
    'select kind from gridbridge.alert where object = $1 order by alert_id',
    [`subscription/${subscriptionId()}`],
  )
  return rows.map(({ kind }) => kind)
}

/** Pushes again and again as if each back-off had passed. */
async function pushTimes(times: number): Promise<readonly string[]> {
  const outcomes: string[] = []
  for (let turn = 0; turn < times; turn++) {
    await stage.comeDue()
    outcomes.push(await stage.push())
  }
  return outcomes
}

describe('a delivery that is refused', () => {
  test('is dead after five times, with an alert, and the feed goes on behind it', async () => {
    await storeRows(installation, stage.feed, residentRows(1, 2))
    stage.receiver.reactWith(...Array.from({ length: 5 }, () => answer(422)))
    expect(await pushTimes(4)).toEqual(['postponed', 'postponed', 'postponed', 'postponed'])
    expect(await stage.readDeliveries()).toMatchObject([{ state: 'open', attempts: 4 }])
    await storeRows(installation, stage.feed, residentRows(3, 4))
    expect(await pushTimes(1)).toEqual(['idle'])
    expect(await stage.readDeliveries()).toMatchObject([
      { state: 'dead', attempts: 5, reason: 'DELIVERY_REFUSED', records: 2 },
      { state: 'acknowledged', attempts: 1, records: 2 },
    ])
    expect(recordsOf(stage.receiver.received.slice(5))).toEqual(names(3, 4))
    expect(await readAlerts()).toEqual(['delivery-dead'])
    expect(await stage.readAudit('delivery.dead')).toHaveLength(1)
    expect(await readSubscription()).toMatchObject({ state: 'active', deadLetters: 1, failures: 0, pending: 0 })
  })

  test('again and again with nothing acknowledged between pauses the subscription', async () => {
    const { asOwner } = installation
    await asOwner('update gridbridge.subscription set dead_in_row = 9 where subscription_id = $1', [subscriptionId()])
    await storeRows(installation, stage.feed, residentRows(1, 1))
    stage.receiver.reactWith(...Array.from({ length: 5 }, () => answer(401)))
    await pushTimes(5)
    expect(await readSubscription()).toMatchObject({ state: 'paused', stateReason: 'DELIVERY_REFUSED' })
    expect(await readAlerts()).toEqual(['delivery-dead', 'subscription-paused'])
  })
})

test.each([
  ['408', answer(408)],
  ['425', answer(425)],
  ['429', answer(429)],
  ['409', answer(409)],
  ['500', answer(500)],
  ['a broken connection', reset],
])('%s never makes a delivery die: the circuit breaks, and heals', async (_what, reaction) => {
  await storeRows(installation, stage.feed, residentRows(1, 3))
  stage.receiver.reactWith(...Array.from({ length: 7 }, () => reaction))
  await pushTimes(4)
  expect((await readSubscription()).state).toBe('active')
  await pushTimes(3)
  expect(await readSubscription()).toMatchObject({ state: 'broken', failures: 7 })
  expect(stage.receiver.received).toHaveLength(7)
  expect(await readAlerts()).toEqual(['subscription-broken'])
  expect(await pushTimes(1)).toEqual(['idle'])
  expect(await readSubscription()).toMatchObject({ state: 'active', failures: 0, fault: null, failingSince: null })
  expect(await stage.readDeliveries()).toMatchObject([{ state: 'acknowledged', attempts: 8, records: 3 }])
})

test('a receiver that is away for a day is paused and loses nothing', async () => {
  await storeRows(installation, stage.feed, residentRows(1, 3))
  stage.receiver.reactWith(answer(503), answer(503))
  await pushTimes(1)
  await installation.asOwner(
    `update gridbridge.subscription set failing_since = failing_since - interval '25 hours' where subscription_id = $1`,
    [subscriptionId()],
  )
  await pushTimes(1)
  expect(await readSubscription()).toMatchObject({ state: 'paused', stateReason: 'CONSUMER_UNAVAILABLE' })
  expect(await readAlerts()).toEqual(['subscription-paused'])
  expect(await pushTimes(1)).toEqual(['busy'])
  const paused = await readSubscription()
  await installation.database.transaction((transaction) => steerSubscription(transaction, paused, 'resume', deed))
  expect(await stage.push()).toBe('idle')
  expect(recordsOf(stage.receiver.received.slice(2))).toEqual(names(1, 3))
})

test('Retry-After is waited for', async () => {
  await storeRows(installation, stage.feed, residentRows(1, 1))
  stage.receiver.reactWith(answer(429, { 'retry-after': '600' }))
  await stage.push()
  const { restsUntil } = await readSubscription()
  expect((restsUntil?.getTime() ?? 0) - Date.now()).toBeGreaterThan(590_000)
})

describe('a receipt', () => {
  test('for something else leaves the cursor where it is and raises an alarm', async () => {
    await storeRows(installation, stage.feed, residentRows(1, 3))
    stage.receiver.reactWith(answerWith(200, () => ({ received: 2 })))
    expect(await stage.push()).toBe('postponed')
    expect(await readSubscription()).toMatchObject({ pending: 3, fault: 'RECEIPT_WRONG' })
    expect(await stage.readDeliveries()).toMatchObject([{ state: 'open', reason: 'RECEIPT_WRONG' }])
    expect(await readAlerts()).toEqual(['receipt-wrong'])
    expect(await stage.readAudit('delivery.failed')).toMatchObject([{ reason: 'RECEIPT_WRONG' }])
    expect(await pushTimes(1)).toEqual(['idle'])
    const [first, second] = stage.receiver.received
    expect([idOf(second), second?.body]).toEqual([idOf(first), first?.body])
  })

  test('that is demanded must be there, and a right one is enough', async () => {
    await installation.asOwner('update gridbridge.subscription set demands_receipt = true where subscription_id = $1', [
      subscriptionId(),
    ])
    await storeRows(installation, stage.feed, residentRows(1, 3))
    const right = answerWith(200, (received) => ({
      id: idOf(received),
      received: bodyOf(received).changes.length,
      digest: hash('sha256', received.body),
    }))
    stage.receiver.reactWith(answer(200), right)
    expect(await pushTimes(2)).toEqual(['postponed', 'idle'])
    expect(await stage.readAudit('delivery.failed')).toMatchObject([{ reason: 'RECEIPT_WRONG' }])
  })
})

describe('what nobody may send', () => {
  test('a pause and a stop of the consumer are found before the next batch, on whichever worker', async () => {
    await storeRows(installation, stage.feed, residentRows(1, 2500))
    const { database } = installation
    stage.receiver.reactWith((response, received) => {
      const stop = async (): Promise<void> => {
        const consumer = await findConsumer(database.query, stage.consumer.name)
        await database.transaction((transaction) => stopEverything(transaction, consumer, deed))
        answer(200)(response, received)
      }
      void stop()
    })
    expect(await stage.push()).toBe('held')
    expect(stage.receiver.received).toHaveLength(1)
    expect(await stage.readDeliveries()).toMatchObject([{ state: 'acknowledged', records: 1000 }])
    expect(await pushTimes(1)).toEqual(['busy'])
    const idle = await listIdleSubscriptions(database.query)
    expect(idle.filter((one) => one.subscriptionId === subscriptionId())).toEqual([])
    const consumer = await findConsumer(database.query, stage.consumer.name)
    await database.transaction((transaction) => startEverything(transaction, consumer, deed))
    expect(await pushTimes(1)).toEqual(['idle'])
    expect(recordsOf(stage.receiver.received)).toEqual(names(1, 2500))
  })

  test('a subscription that is paused between two batches goes on there', async () => {
    await storeRows(installation, stage.feed, residentRows(1, 1200))
    const { database } = installation
    stage.receiver.reactWith((response, received) => {
      const pause = async (): Promise<void> => {
        const subscription = await readSubscription()
        await database.transaction((transaction) => steerSubscription(transaction, subscription, 'pause', deed))
        answer(200)(response, received)
      }
      void pause()
    })
    expect(await stage.push()).toBe('held')
    expect(stage.receiver.received).toHaveLength(1)
    const paused = await readSubscription()
    expect(paused).toMatchObject({ state: 'paused', pending: 200 })
    await database.transaction((transaction) => steerSubscription(transaction, paused, 'resume', deed))
    expect(await pushTimes(1)).toEqual(['idle'])
    expect(recordsOf(stage.receiver.received)).toEqual(names(1, 1200))
  })
})

test('several subscriptions of one consumer go to their own endpoints with their own signatures', async () => {
  const { database, keys } = installation
  const other = await startReceiver()
  const secrets = signatureKinds.map(createWebhookKey)
  const { consumerId, name: consumer } = stage.consumer
  const made = { consumerId, consumer, dataset: 'resident', endpoint: other.url, demandsReceipt: false, after: null }
  const second = await database.transaction((transaction) =>
    subscribe(transaction, keys, { ...made, secrets, actor: deed.actor }),
  )
  await storeRows(installation, stage.feed, residentRows(1, 2))
  stage.receiver.reactWith(answer(503))
  expect(await stage.push()).toBe('postponed')
  expect(await stage.push({ to: { ...stage.consumer, subscriptionId: second } })).toBe('idle')
  const [received] = other.received
  const headers = received?.headers as Readonly<Record<string, string>>
  for (const { secret, publicKey } of secrets)
    expect(verifyWebhook([publicKey ?? secret], headers, received?.body ?? '', new Date())).toBe(true)
  expect(verifyWebhook([stage.consumer.webhookSecret], headers, received?.body ?? '', new Date())).toBe(false)
  other.close()
})

test('while a secret rotates both sign, and afterwards only the new one', async () => {
  const { database, keys, asOwner } = installation
  const subscription = await readSubscription()
  const wanted = { kind: 'hmac-sha256', overlapHours: 24, actor: deed.actor } as const
  const { secret } = await database.transaction((transaction) => rotateSecret(transaction, keys, subscription, wanted))
  const verdicts = async (): Promise<readonly boolean[]> => {
    await stage.push()
    const received = stage.receiver.received.at(-1)
    const headers = received?.headers as Readonly<Record<string, string>>
    return [stage.consumer.webhookSecret, secret].map((key) =>
      verifyWebhook([key], headers, received?.body ?? '', new Date()),
    )
  }
  await storeRows(installation, stage.feed, residentRows(1, 1))
  expect(await verdicts()).toEqual([true, true])
  await asOwner(`update gridbridge.subscription_secret set retires_at = now() where retires_at is not null`)
  await storeRows(installation, stage.feed, residentRows(2, 2))
  expect(await verdicts()).toEqual([false, true])
})
