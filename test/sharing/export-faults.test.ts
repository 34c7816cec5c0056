import { describe, expect, test } from 'vitest'
import { createRandom } from '../../prove/random.ts'
import { AppError } from '../../src/errors.ts'
import { forgetExport } from '../../src/sharing/export-request.ts'
import { workOnExport, type ExportContext } from '../../src/sharing/export.ts'
import { saveAgreement } from '../../src/store/agreements.ts'
import type { Database } from '../../src/store/database.ts'
import { claimExport, listIdleExports } from '../../src/store/export-work.ts'
import { verifyLog } from '../support/audit-log.ts'
import { askForExport, exportContext, openParts, strangerRows, workToEnd } from '../support/exports.ts'
import { idsOf, look, rangeOf, stageExports } from './export-stage.ts'
import { createTerms, registerConsumer, storeRows } from '../support/ledger.ts'

const stage = stageExports()

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
    stage.installation.asOwner(
      'update gridbridge.export set lease_until = null, not_before = null where export_id = $1',
      [exportId],
    )

  test.each(['name', 'class'])('at any place leaves nothing out and nothing double: by %s', async (kind) => {
    const forms = kind === 'name' ? undefined : ({ sex: 'mask', residentKind: 'mask' } as const)
    const { consumerId } = await registerConsumer(
      stage.installation,
      `dying-${stage.consumer.name}`,
      forms === undefined ? {} : { forms },
    )
    await storeRows(stage.installation, stage.feed, strangerRows(1, 95))
    const { exportId } = await askForExport(stage.installation, consumerId)
    const random = createRandom(20_261_128)
    const outcomes = ['before', 'after', null] as const
    let deaths = 0
    const database = failing(stage.installation.database, () => {
      const outcome = outcomes[random(3)] ?? null
      if (outcome !== null) deaths += 1
      return outcome
    })
    while ((await look(stage, exportId)).state !== 'ready') {
      await workOnExport(exportContext(stage.installation, { database }), exportId)
      // The tenth failure in a row would end it, as it should.
      await stage.installation.asOwner('update gridbridge.export set failures = 0 where export_id = $1', [exportId])
      await comeDue(exportId)
    }
    expect(deaths).toBeGreaterThan(5)
    const parts = await openParts(stage.installation, exportId)
    expect(parts.map((part) => part.length)).toEqual([10, 10, 10, 10, 10, 10, 10, 10, 10, 5])
    expect(idsOf(parts)).toEqual(rangeOf(stage, 1, 95))
    const made = await look(stage, exportId)
    expect(made).toMatchObject({ records: 95, parts: 10, read: 95 })
    const use = 'select records from gridbridge.agreement_use where agreement_id = $1'
    expect(await stage.installation.asOwner(use, [made.agreementId])).toEqual([{ records: 95 }])
    expect(await verifyLog(stage.installation.ownerUrl)).toMatchObject({ state: 'whole' })
  })

  test('and wakes up again writes nothing, because another one has the lease', async () => {
    await storeRows(stage.installation, stage.feed, strangerRows(1, 25))
    const { exportId } = await askForExport(stage.installation, stage.consumer.consumerId)
    const context = exportContext(stage.installation)
    let isOvertaken = false
    const database: Database = {
      ...stage.installation.database,
      transaction: async (work, deadlineMs) => {
        if (!isOvertaken) {
          isOvertaken = true
          await comeDue(exportId)
          await claimExport(stage.installation.database.query, exportId)
        }
        return stage.installation.database.transaction(work, deadlineMs)
      },
    }
    const late = await workOnExport({ ...context, database }, exportId)
    expect([late.outcome, late.dueInMs]).toEqual(['LEASE_LOST', null])
    expect([(await look(stage, exportId)).read, await openParts(stage.installation, exportId)]).toEqual([0, []])
    await comeDue(exportId)
    await workToEnd(context, exportId)
    expect(idsOf(await openParts(stage.installation, exportId))).toEqual(rangeOf(stage, 1, 25))
  })

  test('that keeps failing ends the export with the reason', async () => {
    await storeRows(stage.installation, stage.feed, strangerRows(1, 5))
    const { exportId } = await askForExport(stage.installation, stage.consumer.consumerId)
    const dead = failing(stage.installation.database, (turn) => (turn <= 11 ? 'before' : null))
    const context: ExportContext = exportContext(stage.installation, { database: dead })
    for (let turn = 0; turn < 12 && (await look(stage, exportId)).state !== 'failed'; turn++) {
      await workOnExport(context, exportId)
      await comeDue(exportId)
    }
    expect(await look(stage, exportId)).toMatchObject({ state: 'failed', reason: 'DATABASE_UNAVAILABLE' })
  })
})

test('two workers at once make it once', async () => {
  await storeRows(stage.installation, stage.feed, strangerRows(1, 60))
  const { exportId } = await askForExport(stage.installation, stage.consumer.consumerId)
  const context = exportContext(stage.installation)
  await Promise.all([workOnExport(context, exportId), workOnExport(context, exportId), workOnExport(context, exportId)])
  await workToEnd(context, exportId)
  expect(idsOf(await openParts(stage.installation, exportId))).toEqual(rangeOf(stage, 1, 60))
})

test('a slice that ends gives the export back, and the reconciler finds it', async () => {
  await storeRows(stage.installation, stage.feed, strangerRows(1, 25))
  const { exportId } = await askForExport(stage.installation, stage.consumer.consumerId)
  const spent = exportContext(stage.installation, { sliceEndsAt: Date.now() - 1 })
  expect(await workOnExport(spent, exportId)).toEqual({ outcome: 'more', epoch: 1, dueInMs: 0 })
  const idle = await listIdleExports(stage.installation.database.query)
  expect(idle.filter((one) => one.exportId === exportId)).toEqual([{ exportId, epoch: 1 }])
})

describe('an export asks the agreement before each file', () => {
  test('whose version changed: it fails, and says so', async () => {
    await storeRows(stage.installation, stage.feed, strangerRows(1, 25))
    const { exportId } = await askForExport(stage.installation, stage.consumer.consumerId)
    await saveAgreement(stage.installation.database.query, createTerms(stage.consumer.consumerId))
    expect(await workToEnd(exportContext(stage.installation), exportId)).toMatchObject({ outcome: 'EXPORT_OUTDATED' })
    expect(await look(stage, exportId)).toMatchObject({ state: 'failed', reason: 'EXPORT_OUTDATED', parts: 0 })
  })

  test('whose stage.consumer was stopped: nothing more is made', async () => {
    await storeRows(stage.installation, stage.feed, strangerRows(1, 25))
    const { exportId } = await askForExport(stage.installation, stage.consumer.consumerId)
    await stage.installation.asOwner(
      'update gridbridge.consumer set stopped_at = clock_timestamp() where consumer_id = $1',
      [stage.consumer.consumerId],
    )
    expect(await workToEnd(exportContext(stage.installation), exportId)).toMatchObject({ outcome: 'CONSUMER_STOPPED' })
    expect(await look(stage, exportId)).toMatchObject({ state: 'failed', parts: 0 })
  })

  test('that ends while a file is made: the file is thrown away', async () => {
    await storeRows(stage.installation, stage.feed, strangerRows(1, 25))
    const { exportId } = await askForExport(stage.installation, stage.consumer.consumerId)
    const context = exportContext(stage.installation)
    let isCancelled = false
    const database: Database = {
      ...stage.installation.database,
      transaction: async (work, deadlineMs) => {
        if (!isCancelled) {
          isCancelled = true
          await forgetExport(context, exportId, stage.consumer.consumerId)
        }
        return stage.installation.database.transaction(work, deadlineMs)
      },
    }
    expect(await workOnExport({ ...context, database }, exportId)).toMatchObject({ outcome: 'LEASE_LOST' })
    expect(await openParts(stage.installation, exportId)).toEqual([])
    expect(await look(stage, exportId)).toMatchObject({ state: 'cancelled' })
  })
})
