import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createEgressGuard } from '../../src/security/egress.ts'
import { decodeCursor } from '../../src/sharing/cursors.ts'
import { pullChanges, type PulledPage } from '../../src/sharing/pull.ts'
import { pushChanges } from '../../src/sharing/push.ts'
import { findAgreement } from '../../src/store/agreements.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { changesIn, registerConsumer, settleChanges } from '../support/ledger.ts'
import { createPerson, forgetPeople, openPeople, type People } from '../support/people.ts'
import { startReceiver } from '../support/receiver.ts'

let installation: TestInstallation
let people: People
beforeAll(async () => {
  installation = await openTestInstallation('person-sharing')
  people = await openPeople(installation)
})
afterAll(() => installation.close())
beforeEach(() => forgetPeople(installation))

test('an agreement for persons brings merged rows and tombstones to its consumer by pull', async () => {
  const forms = { name: 'mask', certNumber: 'mask', lifeStatus: 'mask' } as const
  const { consumerId } = await registerConsumer(installation, 'person-puller', { dataset: 'person', forms })
  const agreement = await findAgreement(installation.database.query, consumerId, 'person')
  const pull = (cursor?: string): Promise<PulledPage> =>
    pullChanges({ ...installation, auditDeadlineMs: 2000 }, { agreement, after: decodeCursor(1, cursor), limit: 10 })
  await people.store(people.police, createPerson({ zt: '1' }))
  await people.merge()
  await settleChanges(installation)
  const first = await pull()
  const [person] = await people.persons()
  expect(changesIn(first)).toEqual([
    {
      operation: 'upsert',
      id: `GB-PERSON-001/${person?.id}`,
      version: 1,
      changedAt: expect.any(String) as string,
      record: { name: '张**', certNumber: '510504********0028', lifeStatus: 'DECEASED' },
    },
  ])
  await people.store(people.police, createPerson({ scbz: '1' }))
  await people.merge()
  await settleChanges(installation)
  const second = await pull(first.cursor)
  expect(changesIn(second)).toEqual([
    {
      operation: 'delete',
      id: `GB-PERSON-001/${person?.id}`,
      version: 2,
      changedAt: expect.any(String) as string,
      record: null,
    },
  ])
})

test('and by push, as the same rows', async () => {
  const receiver = await startReceiver()
  const { database, datasets, keys } = installation
  const options = { dataset: 'person', forms: { name: 'mask' }, webhookUrl: receiver.url } as const
  const { subscriptionId } = await registerConsumer(installation, 'person-receiver', options)
  await people.store(people.police, createPerson())
  await people.merge()
  await settleChanges(installation)
  const context = { database, datasets, keys, egress: createEgressGuard(['loopback']), auditDeadlineMs: 2000 }
  const outcome = await pushChanges({ ...context, sliceEndsAt: Date.now() + 20_000 }, subscriptionId ?? -1)
  receiver.close()
  expect(outcome).toBe('idle')
  const [person] = await people.persons()
  expect(receiver.received.map(({ body }) => JSON.parse(body) as unknown)).toEqual([
    {
      type: 'dataset.changes',
      dataset: 'person',
      changes: [
        {
          operation: 'upsert',
          id: `GB-PERSON-001/${person?.id}`,
          version: 1,
          changedAt: expect.any(String) as string,
          record: { name: '张**' },
        },
      ],
    },
  ])
})
