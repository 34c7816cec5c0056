import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createWake } from '../../src/jobs/wake.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerConsumer } from '../support/ledger.ts'

let installation: TestInstallation
beforeAll(async () => {
  installation = await openTestInstallation('wake')
})
afterAll(() => installation.close())

test('pages that are committed one after the other wake each free subscription once, and a later page once more', async () => {
  const { database, asOwner } = installation
  const webhookUrl = 'http://127.0.0.1:9/webhook'
  const free = await registerConsumer(installation, 'free', { webhookUrl })
  const held = await registerConsumer(installation, 'held', { webhookUrl })
  const paused = await registerConsumer(installation, 'paused', { webhookUrl })
  const stopped = await registerConsumer(installation, 'stopped', { webhookUrl })
  await registerConsumer(installation, 'elsewhere', { webhookUrl, dataset: 'grid', forms: { gridName: 'mask' } })
  await asOwner(`update gridbridge.subscription set lease_until = now() + interval '1 hour' where consumer_id = $1`, [
    held.consumerId,
  ])
  await asOwner(`update gridbridge.subscription set state = 'paused' where consumer_id = $1`, [paused.consumerId])
  await asOwner('update gridbridge.consumer set stopped_at = now() where consumer_id = $1', [stopped.consumerId])
  const woken: number[] = []
  const wake = createWake(database.query, {
    enqueueDelivery: async ({ subscriptionId }) => {
      woken.push(subscriptionId)
    },
  })
  for (let page = 0; page < 20; page++) wake('resident')
  await expect.poll(() => woken).toEqual([free.subscriptionId])
  await wait(300)
  expect(woken).toHaveLength(1)
  wake('resident')
  await expect.poll(() => woken).toEqual([free.subscriptionId, free.subscriptionId])
})
