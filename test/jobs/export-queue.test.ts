import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { openQueues, type JobQueues } from '../../src/jobs/queues.ts'
import { reconcile, startReconciler } from '../../src/jobs/reconciler.ts'
import { makeHandlers, type WorkerEvent } from '../../src/jobs/workers.ts'
import { createEgressGuard } from '../../src/security/egress.ts'
import { findExport } from '../../src/store/exports.ts'
import { verifyLog } from '../support/audit-log.ts'
import { askForExport, openParts, strangerRows } from '../support/exports.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerConsumer, registerFeed, storeRows } from '../support/ledger.ts'

const CONSUMERS = 4
const RECORDS = 60

let installation: TestInstallation
let queues: JobQueues
let exports: readonly number[] = []
const events: WorkerEvent[] = []

beforeAll(async () => {
  installation = await openTestInstallation('export-queue', 12)
  queues = openQueues(installation.databaseUrl, null, () => undefined)
  await storeRows(installation, await registerFeed(installation, 'LZ-GA-RK-001'), strangerRows(1, RECORDS))
  for (let number = 1; number <= CONSUMERS; number++) {
    const { consumerId } = await registerConsumer(installation, `platform-${number}`)
    exports = [...exports, (await askForExport(installation, consumerId)).exportId]
  }
})
afterAll(async () => {
  await queues.close()
  await installation.close()
})

const readQueue = async (): Promise<string> =>
  JSON.stringify(await installation.asOwner('select row_to_json(job)::text as row from bullmq.job')).replaceAll(
    '\\',
    '',
  )

test('an export is queued by its number alone, each slice once however often it is enqueued', async () => {
  for (let turn = 0; turn < 3; turn++) await reconcile(installation.database, queues)
  const held = await readQueue()
  for (const exportId of exports) expect(held.match(new RegExp(`\\{"exportId": ?${exportId}\\}`, 'g'))).toHaveLength(1)
  expect(held).not.toMatch(/张|测试|1990000|5105\d{4}|R-\d|platform/)
})

test('the queue may be wiped at any time: every export is made, once', { timeout: 40_000 }, async () => {
  const { database, datasets, keys } = installation
  const handlers = makeHandlers({
    database,
    datasets,
    keys,
    egress: createEgressGuard([]),
    queues,
    auditDeadlineMs: 2000,
    exportRules: loadConfig({}).exportRules,
    report: (event) => events.push(event),
  })
  await installation.asOwner('truncate bullmq.job cascade')
  const workers = queues.openWorkers(handlers)
  const stopReconciler = startReconciler(database, queues, () => undefined, 100)
  for (let turn = 0; turn < 4; turn++) {
    await wait(60)
    await installation.asOwner('truncate bullmq.job cascade')
  }
  const states = () => Promise.all(exports.map(async (id) => (await findExport(database.query, id, null)).state))
  await expect.poll(states, { timeout: 30_000, interval: 100 }).toEqual(exports.map(() => 'ready'))
  await stopReconciler()
  await workers.close()
  const wanted = Array.from({ length: RECORDS }, (_, place) => `LZ-GA-RK-001/R-${place + 1}`)
  for (const exportId of exports) {
    const parts = await openParts(installation, exportId)
    expect(parts.flat().map(({ id }) => id)).toEqual(wanted)
  }
  expect(new Set(events.map(({ event, outcome }) => `${event} ${outcome}`))).toContain('export.slice idle')
  expect(await verifyLog(installation.ownerUrl)).toMatchObject({ state: 'whole' })
})
