import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createRandom } from '../../prove/random.ts'
import { AppError } from '../../src/errors.ts'
import { forgetExport } from '../../src/sharing/export-request.ts'
import { workOnExport, type ExportContext } from '../../src/sharing/export.ts'
import { saveAgreement } from '../../src/store/agreements.ts'
import type { Database } from '../../src/store/database.ts'
import { findExport } from '../../src/store/exports.ts'
import { claimExport, listIdleExports } from '../../src/store/export-work.ts'
import type { Feed } from '../../src/store/feeds.ts'
import { verifyLog } from '../support/audit-log.ts'
import {
  askForExport,
  exportContext,
  openParts,
  strangerRows,
  workToEnd,
  type ExportedLine,
} from '../support/exports.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { createTerms, registerConsumer, registerFeed, storeRows, type RegisteredConsumer } from '../support/ledger.ts'

let installation: TestInstallation
let feed: Feed
let consumer: RegisteredConsumer
let tests = 0

beforeAll(async () => {
  installation = await openTestInstallation('export', 12)
})
afterAll(() => installation.close())
beforeEach(async () => {
  tests += 1
  await installation.asOwner('truncate gridbridge.record')
  feed = await registerFeed(installation, `LZ-GA-RK-${String(tests).padStart(3, '0')}`)
  consumer = await registerConsumer(installation, `platform-${tests}`)
})

const idsOf = (parts: readonly (readonly ExportedLine[])[]): readonly string[] => parts.flat().map(({ id }) => id)
const idOf = (index: number): string => `${feed.code}/R-${index}`
const range = (first: number, last: number): readonly string[] =>
  Array.from({ length: last - first + 1 }, (_, place) => idOf(first + place))
const look = (exportId: number) => findExport(installation.database.query, exportId, null)

/** A database whose transactions fail: before they are committed, or after, when the worker does not learn that they were. */
function failing(database: Database, fails: (turn: number) => 'before' | 'after' | null): Database {
  let turn = 0
  return {
    ...database,
    transaction: async (work, deadlineMs) => {
      const failure = fails((turn += 1))
      const lost = new AppError('DATABASE_UNAVAILABLE', 'killed')
      const result = await database.transaction(async (transaction) => {
        const done = await work(transaction)
        if (failure === 'before') throw lost
        return done
      }, deadlineMs)
      if (failure === 'after') throw lost
      return result
    },
  }
}

describe('a worker that dies', () => {
  /** As if the dead worker's lease had run out and the wait were over. */
  const comeDue = (exportId: number) =>
    installation.asOwner('update gridbridge.export set lease_until = null, not_before = null where export_id = $1', [
      exportId,
    ])

  test.each(['name', 'class'])('at any place leaves nothing out and nothing double: by %s', async (kind) => {
    const forms = kind === 'name' ? undefined : ({ sex: 'mask', residentKind: 'mask' } as const)
    const { consumerId } = await registerConsumer(installation, `dying-${tests}`, forms === undefined ? {} : { forms })
    await storeRows(installation, feed, strangerRows(1, 95))
    const { exportId } = await askForExport(installation, consumerId)
    const random = createRandom(20_261_128)
    const outcomes = ['before', 'after', null] as const
    let deaths = 0
    const database = failing(installation.database, () => {
      const outcome = outcomes[random(3)] ?? null
      if (outcome !== null) deaths += 1
      return outcome
    })
    while ((await look(exportId)).state !== 'ready') {
      await workOnExport(exportContext(installation, { database }), exportId)
      // The tenth failure in a row would end it, as it should.
      await installation.asOwner('update gridbridge.export set failures = 0 where export_id = $1', [exportId])
      await comeDue(exportId)
    }
    expect(deaths).toBeGreaterThan(5)
    const parts = await openParts(installation, exportId)
    expect(parts.map((part) => part.length)).toEqual([10, 10, 10, 10, 10, 10, 10, 10, 10, 5])
    expect(idsOf(parts)).toEqual(range(1, 95))
    const made = await look(exportId)
    expect(made).toMatchObject({ records: 95, parts: 10, read: 95 })
    const use = 'select records from gridbridge.agreement_use where agreement_id = $1'
    expect(await installation.asOwner(use, [made.agreementId])).toEqual([{ records: 95 }])
    expect(await verifyLog(installation.ownerUrl)).toMatchObject({ state: 'whole' })
  })

  test('and wakes up again writes nothing, because another one has the lease', async () => {
    await storeRows(installation, feed, strangerRows(1, 25))
    const { exportId } = await askForExport(installation, consumer.consumerId)
    const context = exportContext(installation)
    let isOvertaken = false
    const database: Database = {
      ...installation.database,
      transaction: async (work, deadlineMs) => {
        if (!isOvertaken) {
          isOvertaken = true
          await comeDue(exportId)
          await claimExport(installation.database.query, exportId)
        }
        return installation.database.transaction(work, deadlineMs)
      },
    }
    const late = await workOnExport({ ...context, database }, exportId)
    expect([late.outcome, late.dueInMs]).toEqual(['LEASE_LOST', null])
    expect([(await look(exportId)).read, await openParts(installation, exportId)]).toEqual([0, []])
    await comeDue(exportId)
    await workToEnd(context, exportId)
    expect(idsOf(await openParts(installation, exportId))).toEqual(range(1, 25))
  })

  test('that keeps failing ends the export with the reason', async () => {
    await storeRows(installation, feed, strangerRows(1, 5))
    const { exportId } = await askForExport(installation, consumer.consumerId)
    const dead = failing(installation.database, (turn) => (turn <= 11 ? 'before' : null))
    const context: ExportContext = exportContext(installation, { database: dead })
    for (let turn = 0; turn < 12 && (await look(exportId)).state !== 'failed'; turn++) {
      await workOnExport(context, exportId)
      await comeDue(exportId)
    }
    expect(await look(exportId)).toMatchObject({ state: 'failed', reason: 'DATABASE_UNAVAILABLE' })
  })
})

test('two workers at once make it once', async () => {
  await storeRows(installation, feed, strangerRows(1, 60))
  const { exportId } = await askForExport(installation, consumer.consumerId)
  const context = exportContext(installation)
  await Promise.all([workOnExport(context, exportId), workOnExport(context, exportId), workOnExport(context, exportId)])
  await workToEnd(context, exportId)
  expect(idsOf(await openParts(installation, exportId))).toEqual(range(1, 60))
})

test('a slice that ends gives the export back, and the reconciler finds it', async () => {
  await storeRows(installation, feed, strangerRows(1, 25))
  const { exportId } = await askForExport(installation, consumer.consumerId)
  const spent = exportContext(installation, { sliceEndsAt: Date.now() - 1 })
  expect(await workOnExport(spent, exportId)).toEqual({ outcome: 'more', epoch: 1, dueInMs: 0 })
  const idle = await listIdleExports(installation.database.query)
  expect(idle.filter((one) => one.exportId === exportId)).toEqual([{ exportId, epoch: 1 }])
})

describe('an export asks the agreement before each file', () => {
  test('whose version changed: it fails, and says so', async () => {
    await storeRows(installation, feed, strangerRows(1, 25))
    const { exportId } = await askForExport(installation, consumer.consumerId)
    await saveAgreement(installation.database.query, createTerms(consumer.consumerId))
    expect(await workToEnd(exportContext(installation), exportId)).toMatchObject({ outcome: 'EXPORT_OUTDATED' })
    expect(await look(exportId)).toMatchObject({ state: 'failed', reason: 'EXPORT_OUTDATED', parts: 0 })
  })

  test('whose consumer was stopped: nothing more is made', async () => {
    await storeRows(installation, feed, strangerRows(1, 25))
    const { exportId } = await askForExport(installation, consumer.consumerId)
    await installation.asOwner('update gridbridge.consumer set stopped_at = clock_timestamp() where consumer_id = $1', [
      consumer.consumerId,
    ])
    expect(await workToEnd(exportContext(installation), exportId)).toMatchObject({ outcome: 'CONSUMER_STOPPED' })
    expect(await look(exportId)).toMatchObject({ state: 'failed', parts: 0 })
  })

  test('that ends while a file is made: the file is thrown away', async () => {
    await storeRows(installation, feed, strangerRows(1, 25))
    const { exportId } = await askForExport(installation, consumer.consumerId)
    const context = exportContext(installation)
    let isCancelled = false
    const database: Database = {
      ...installation.database,
      transaction: async (work, deadlineMs) => {
        if (!isCancelled) {
          isCancelled = true
          await forgetExport(context, exportId, consumer.consumerId)
        }
        return installation.database.transaction(work, deadlineMs)
      },
    }
    expect(await workOnExport({ ...context, database }, exportId)).toMatchObject({ outcome: 'LEASE_LOST' })
    expect(await openParts(installation, exportId)).toEqual([])
    expect(await look(exportId)).toMatchObject({ state: 'cancelled' })
  })
})
