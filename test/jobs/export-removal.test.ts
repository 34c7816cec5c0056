import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { removeExports, startExportRemoval } from '../../src/jobs/export-removal.ts'
import { saveAgreement } from '../../src/store/agreements.ts'
import { findExport, type Export } from '../../src/store/exports.ts'
import { askForExport, exportContext, makeExport, strangerRows, workToEnd } from '../support/exports.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import {
  createTerms,
  registerAccount,
  registerConsumer,
  registerFeed,
  storeRows,
  type RegisteredConsumer,
} from '../support/ledger.ts'

let installation: TestInstallation
let consumer: RegisteredConsumer
let tests = 0

beforeAll(async () => {
  installation = await openTestInstallation('export-removal')
  await storeRows(installation, await registerFeed(installation, 'LZ-GA-RK-001'), strangerRows(1, 25))
})
afterAll(() => installation.close())
beforeEach(async () => {
  tests += 1
  consumer = await registerConsumer(installation, `platform-${tests}`)
})

const look = (exportId: number): Promise<Export> => findExport(installation.database.query, exportId, null)

/** What of an export rests: files, drafts, classes. */
async function countRest(exportId: number): Promise<readonly number[]> {
  const [row] = await installation.asOwner<{ counts: readonly number[] }>(
    `select array[(select count(*) from gridbridge.export_part where export_id = $1),
                  (select count(*) from gridbridge.export_draft where export_id = $1),
                  (select count(*) from gridbridge.export_class where export_id = $1)]::int[] as counts`,
    [exportId],
  )
  return row?.counts ?? []
}

const endings = (exportId: number) =>
  installation.asOwner(
    `select actor, said->'details'->>'reason' as reason from audit.entry cross join lateral (select convert_from(body, 'UTF8')::jsonb as said) as read
      where event_type = 'export.ended' and said->>'object' = $1`,
    [`export/${exportId}`],
  )

test('files are kept as long as they were promised, and go when their time is up', async () => {
  const { exportId } = await makeExport(installation, consumer.consumerId)
  await removeExports(installation.database)
  expect([(await look(exportId)).state, await countRest(exportId)]).toEqual(['ready', [3, 0, 0]])
  const [row] = await installation.asOwner(
    'select extract(epoch from expires_at - ready_at)::int as seconds from gridbridge.export where export_id = $1',
    [exportId],
  )
  expect(row).toEqual({ seconds: 24 * 3600 })
  await installation.asOwner(`update gridbridge.export set expires_at = now() where export_id = $1`, [exportId])
  await removeExports(installation.database)
  await removeExports(installation.database)
  expect([(await look(exportId)).state, await countRest(exportId)]).toEqual(['expired', [0, 0, 0]])
  expect(await endings(exportId)).toEqual([{ actor: 'system:scheduler', reason: 'EXPORT_EXPIRED' }])
})

test.each<readonly [string, () => Promise<unknown>]>([
  [
    'the consumer is stopped',
    () =>
      installation.asOwner('update gridbridge.consumer set stopped_at = clock_timestamp() where consumer_id = $1', [
        consumer.consumerId,
      ]),
  ],
  [
    'the agreement has another version',
    () => saveAgreement(installation.database.query, createTerms(consumer.consumerId)),
  ],
  [
    'the agreement is over',
    () =>
      installation.asOwner('update gridbridge.agreement set valid_to = clock_timestamp() where consumer_id = $1', [
        consumer.consumerId,
      ]),
  ],
  [
    'a department withdrew records of the dataset',
    async () => {
      const { accountId } = await registerAccount(
        installation,
        `editor-${tests}`,
        'department-editor',
        'public-security',
      )
      await installation.asOwner(
        `insert into gridbridge.recall (feed_id, kind, reason, state, asked_for, needs_approval, asked_by, done_at)
           select feed_id, 'recall', '数据有误', 'done', 1, false, $1, clock_timestamp() from gridbridge.feed where code = 'LZ-GA-RK-001'`,
        [accountId],
      )
    },
  ],
])('within seconds everything is gone where %s', async (_what, change) => {
  const { exportId } = await makeExport(installation, consumer.consumerId)
  const stop = startExportRemoval(installation.database, () => undefined, 20)
  await change()
  await expect.poll(() => countRest(exportId)).toEqual([0, 0, 0])
  await stop()
  expect(await look(exportId)).toMatchObject({ state: 'expired', reason: 'EXPORT_EXPIRED' })
})

test('classes go as soon as the files are there, and drafts with an export that ends before', async () => {
  const forms = { sex: 'mask' } as const
  const judged = await registerConsumer(installation, `judged-${tests}`, { forms })
  const made = await makeExport(installation, judged.consumerId)
  expect(await countRest(made.exportId)).toEqual([3, 0, 2])
  await removeExports(installation.database)
  expect(await countRest(made.exportId)).toEqual([3, 0, 0])

  const other = await registerConsumer(installation, `ending-${tests}`, { forms })
  const { exportId } = await askForExport(installation, other.consumerId)
  const { database } = installation
  let drafts = 0
  const stopping = {
    ...database,
    transaction: (work: Parameters<typeof database.transaction>[0]) => {
      drafts += 1
      return drafts > 2 ? Promise.reject(new Error('stopped')) : database.transaction(work)
    },
  } as typeof database
  await workToEnd(exportContext(installation, { database: stopping }), exportId)
  expect(await countRest(exportId)).toEqual([0, 2, 2])
  await installation.asOwner('update gridbridge.consumer set stopped_at = clock_timestamp() where consumer_id = $1', [
    other.consumerId,
  ])
  await removeExports(database)
  expect([(await look(exportId)).state, await countRest(exportId)]).toEqual(['expired', [0, 0, 0]])
})

test('more files than one statement removes are removed all the same', async () => {
  const { exportId } = await askForExport(installation, consumer.consumerId)
  await workToEnd(exportContext(installation, { partRecords: 1 }), exportId)
  expect(await countRest(exportId)).toEqual([25, 0, 0])
  await installation.asOwner(`update gridbridge.export set expires_at = now() where export_id = $1`, [exportId])
  await removeExports(installation.database)
  expect(await countRest(exportId)).toEqual([0, 0, 0])
})
