import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { Client } from 'pg'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { residentRows, storeRows } from '../support/ledger.ts'
import { answer, startReceiver } from '../support/receiver.ts'
import { bodyOf, names, recordsOf, setStage, type PushStage } from './push-stage.ts'

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

test.each([
  ['409', answer(409), 'DELIVERY_CONFLICT'],
  ['400', answer(400), 'DELIVERY_REFUSED'],
])('status %s is no acknowledgement', async (_status, reaction, reason) => {
  await storeRows(installation, stage.feed, residentRows(1, 1))
  stage.receiver.reactWith(reaction)
  expect(await stage.push()).toBe('postponed')
  expect(await stage.readDeliveries()).toMatchObject([{ state: 'open', reason }])
})

test('a redirect is not followed', async () => {
  const elsewhere = await startReceiver()
  await storeRows(installation, stage.feed, residentRows(1, 1))
  stage.receiver.reactWith(answer(307, { location: elsewhere.url }))
  expect(await stage.push()).toBe('postponed')
  expect(elsewhere.received).toEqual([])
  elsewhere.close()
})

test('an address that this installation may not call gets nothing', async () => {
  await storeRows(installation, stage.feed, residentRows(1, 1))
  expect(await stage.push({ allow: ['10.20.0.0/16'] })).toBe('postponed')
  expect(stage.receiver.received).toEqual([])
  expect(await stage.readAudit('delivery.failed')).toMatchObject([{ reason: 'EGRESS_FORBIDDEN' }])
})

test('while the audit log cannot be written nothing leaves, and afterwards everything does', async () => {
  await storeRows(installation, stage.feed, residentRows(1, 3))
  const locker = new Client({ connectionString: installation.ownerUrl })
  await locker.connect()
  await locker.query('begin; lock table audit.lane in access exclusive mode')
  const blocked = stage.push()
  await new Promise((resolve) => {
    setTimeout(resolve, 900)
  })
  expect(stage.receiver.received).toEqual([])
  await locker.end()
  expect(await blocked).toBe('postponed')
  expect(await stage.readAudit('delivery.failed')).toMatchObject([{ reason: 'AUDIT_UNAVAILABLE' }])
  await stage.comeDue()
  expect(await stage.push()).toBe('idle')
  expect(recordsOf(stage.receiver.received)).toEqual(names(1, 3))
})

test('the fields that an agreement grants later are those it grants when they leave', async () => {
  await storeRows(installation, stage.feed, residentRows(1, 1))
  await installation.asOwner(`update gridbridge.agreement set forms = '{"gridCode": "mask"}' where consumer_id = $1`, [
    stage.consumer.consumerId,
  ])
  await stage.push()
  expect(bodyOf(stage.receiver.received[0]).changes[0]?.record).toEqual({ gridCode: '510502001001001' })
})

test('after the term of the agreement nothing leaves', async () => {
  await storeRows(installation, stage.feed, residentRows(1, 1))
  await installation.asOwner('update gridbridge.agreement set valid_to = clock_timestamp() where consumer_id = $1', [
    stage.consumer.consumerId,
  ])
  expect(await stage.push()).toBe('held')
  expect(stage.receiver.received).toEqual([])
})
