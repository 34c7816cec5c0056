import { afterAll, beforeAll, expect, test } from 'vitest'
import { startAgreementWatch } from '../../src/jobs/agreement-watch.ts'
import { findAgreement } from '../../src/store/agreements.ts'
import { publishServiceItem, withdrawServiceItem } from '../../src/store/service-items.ts'
import { codeOf } from '../support/coded-error.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerConsumer, TEST_ITEM } from '../support/ledger.ts'
import { setTimeout as wait } from 'node:timers/promises'

let installation: TestInstallation
let stop: () => Promise<void>
beforeAll(async () => {
  installation = await openTestInstallation('agreement-watch')
  stop = startAgreementWatch(installation.database, () => undefined)
})
afterAll(async () => {
  await stop()
  await installation.close()
})

const stateOf = async (consumerId: number): Promise<unknown> => {
  const [row] = await installation.asOwner<{ reason: string | null }>(
    'select suspend_reason as reason from gridbridge.agreement where consumer_id = $1',
    [consumerId],
  )
  return row?.reason
}

/** Milliseconds until the state is seen. */
async function timeUntil(consumerId: number, reason: string | null): Promise<number> {
  const startedAt = performance.now()
  while ((await stateOf(consumerId)) !== reason) await wait(50)
  return performance.now() - startedAt
}

const told = (type: string): Promise<readonly unknown[]> =>
  installation.asOwner('select from audit.entry where event_type = $1', [type])

test('an item that is withdrawn suspends the agreements that cite it, at once for who asks and within five seconds to see', async () => {
  const { query } = installation.database
  await publishServiceItem(query, { ...TEST_ITEM, code: 'LZ-QD-777' }, null)
  const cites = await registerConsumer(installation, 'cites-it', { purpose: 'LZ-QD-777' })
  const other = await registerConsumer(installation, 'cites-another')
  await withdrawServiceItem(query, 'LZ-QD-777', '事项退出')
  expect(await codeOf(() => findAgreement(query, cites.consumerId, 'resident'))).toMatch(
    /^(PURPOSE_WITHDRAWN|AGREEMENT_SUSPENDED)$/,
  )
  expect(await timeUntil(cites.consumerId, 'PURPOSE_WITHDRAWN')).toBeLessThan(5000)
  expect([await stateOf(other.consumerId), await told('agreement.suspended')]).toEqual([null, [{}]])
  await publishServiceItem(query, { ...TEST_ITEM, code: 'LZ-QD-777' }, null)
  expect(await timeUntil(cites.consumerId, null)).toBeLessThan(5000)
  expect((await findAgreement(query, cites.consumerId, 'resident')).purpose).toBe('LZ-QD-777')
  expect(await told('agreement.resumed')).toHaveLength(1)
})
