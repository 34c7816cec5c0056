import { expect, test } from 'vitest'
import { decodeCursor } from '../../src/sharing/cursors.ts'
import { pullChanges } from '../../src/sharing/pull.ts'
import { describeExport } from '../../src/sharing/export-download.ts'
import { forgetExport } from '../../src/sharing/export-request.ts'
import { findAgreement } from '../../src/store/agreements.ts'
import type { Database } from '../../src/store/database.ts'
import { codeOf } from '../support/coded-error.ts'
import { askForExport, exportContext, makeExport, openParts, strangerRows, workToEnd } from '../support/exports.ts'
import { idOf, idsOf, look, rangeOf, stageExports } from './export-stage.ts'
import { changesIn, registerConsumer, settleChanges, storeRows } from '../support/ledger.ts'

const stage = stageExports()

test('an export is what the agreement grants, in files of a bounded size, in commit order', async () => {
  await storeRows(stage.installation, stage.feed, [
    ...strangerRows(1, 24),
    ...strangerRows(25, 25, () => ({ scbz: '1' })),
  ])
  const made = await makeExport(stage.installation, stage.consumer.consumerId)
  expect(made).toMatchObject({
    state: 'ready',
    about: 24,
    persons: 24,
    read: 24,
    records: 24,
    parts: 3,
    k: null,
    withheld: 0,
    broken: 0,
  })
  const parts = await openParts(stage.installation, made.exportId)
  expect(parts.map((part) => part.length)).toEqual([10, 10, 4])
  expect(idsOf(parts)).toEqual(rangeOf(stage, 1, 24))
  expect(parts[0]?.[0]).toEqual({
    operation: 'upsert',
    id: idOf(stage, 1),
    version: 1,
    changedAt: expect.any(String) as string,
    record: { name: '张**', gridCode: '510502001001001' },
  })
})

test('an empty selection is an export without files', async () => {
  const made = await makeExport(stage.installation, stage.consumer.consumerId)
  expect(made).toMatchObject({ state: 'ready', parts: 0, records: 0 })
  const manifest = await describeExport(exportContext(stage.installation), made.exportId, stage.consumer.consumerId)
  expect(manifest).toMatchObject({ parts: [], totals: { parts: 0, records: 0, bytes: 0 }, errors: [] })
})

test('what moves on while it is made is left out, and comes by the stage.feed from the cursor of the manifest', async () => {
  await storeRows(stage.installation, stage.feed, strangerRows(1, 30))
  const { exportId } = await askForExport(stage.installation, stage.consumer.consumerId)
  let steps = 0
  const database: Database = {
    ...stage.installation.database,
    transaction: async (work, deadlineMs) => {
      const result = await stage.installation.database.transaction(work, deadlineMs)
      steps += 1
      // After the first file: one that is behind changes, one that is ahead changes, one goes, one is new.
      if (steps === 1)
        await storeRows(stage.installation, stage.feed, [
          ...strangerRows(3, 3, () => ({ lxfs: '19900000009' })),
          ...strangerRows(15, 15, () => ({ lxfs: '19900000009' })),
          ...strangerRows(25, 25, () => ({ scbz: '1' })),
          ...strangerRows(31, 31),
        ])
      return result
    },
  }
  await workToEnd(exportContext(stage.installation, { database }), exportId)
  const parts = await openParts(stage.installation, exportId)
  expect(idsOf(parts)).toEqual(rangeOf(stage, 1, 30).filter((id) => id !== idOf(stage, 15) && id !== idOf(stage, 25)))
  const held = new Map(parts.flat().map(({ id, version }) => [id, version]))
  const agreement = await findAgreement(stage.installation.database.query, stage.consumer.consumerId, 'resident')
  const { feedCursor } = await describeExport(exportContext(stage.installation), exportId, stage.consumer.consumerId)
  await settleChanges(stage.installation)
  const after = decodeCursor(agreement.version, feedCursor)
  const page = await pullChanges(exportContext(stage.installation), { agreement, after, limit: 1000 })
  expect(changesIn(page).map(({ id, operation }) => [id, operation])).toEqual([
    [idOf(stage, 3), 'upsert'],
    [idOf(stage, 15), 'upsert'],
    [idOf(stage, 31), 'upsert'],
    [idOf(stage, 25), 'delete'],
  ])
  for (const { id, version, operation } of changesIn(page))
    if (operation === 'upsert') held.set(id, version)
    else held.delete(id)
  const stored = await stage.installation.asOwner<{ id: string; version: number }>(
    `select source_record_id as id, version from gridbridge.record where masked is not null`,
  )
  expect(held).toEqual(new Map(stored.map(({ id, version }) => [`${stage.feed.code}/${id}`, version])))
})

test('each file is one use with one audit entry that holds its digest, and nothing of it rests in clear', async () => {
  await storeRows(stage.installation, stage.feed, strangerRows(1, 15))
  const made = await makeExport(stage.installation, stage.consumer.consumerId)
  const { parts } = await describeExport(exportContext(stage.installation), made.exportId, stage.consumer.consumerId)
  const entries = await stage.installation.asOwner(
    `select event_type as type, count, said->>'object' as object, said->>'agreement' as agreement, said->>'outputDigest' as digest
       from audit.entry cross join lateral (select convert_from(body, 'UTF8')::jsonb as said) as read
      where said->>'object' like $1 order by recorded_at`,
    [`export/${made.exportId}%`],
  )
  const object = `export/${made.exportId}`
  const agreement = `${made.agreementId}@1`
  expect(entries).toEqual([
    { type: 'export.requested', count: null, object, agreement, digest: null },
    ...parts.map(({ number, records, digest }) => ({
      type: 'export.part-made',
      count: records,
      object: `${object}/part/${number}`,
      agreement,
      digest,
    })),
    { type: 'export.ready', count: 15, object, agreement, digest: null },
  ])
  const use = 'select answers, records, persons from gridbridge.agreement_use where agreement_id = $1'
  expect(await stage.installation.asOwner(use, [made.agreementId])).toEqual([{ answers: 2, records: 15, persons: 15 }])
  const [row] = await stage.installation.asOwner<{ sealed: Buffer }>(
    'select sealed from gridbridge.export_part limit 1',
  )
  // Neither gzip nor NDJSON is anywhere in it.
  expect(row?.sealed.includes(Buffer.from([0x1f, 0x8b, 0x08]))).toBe(false)
  expect(row?.sealed.toString('latin1')).not.toContain('operation')
})

test('a masked certificate number shows 4+4 digits in a file, and hides what is no citizen number', async () => {
  const { consumerId } = await registerConsumer(stage.installation, `certificates-${stage.consumer.name}`, {
    forms: { certNumber: 'mask', birthDate: 'mask' },
  })
  await storeRows(stage.installation, stage.feed, [
    ...strangerRows(1, 1),
    ...strangerRows(2, 2, () => ({ zjlx: '414', zjhm: 'E12345678', csrq: '19000312' })),
  ])
  const made = await makeExport(stage.installation, consumerId)
  const shown = (await openParts(stage.installation, made.exportId)).flat().map(({ record }) => record['certNumber'])
  expect(shown).toEqual([expect.stringMatching(/^5105\*{10}\d{3}[\dX]$/) as string, '****'])
})

test('a record whose seal is broken is left out and told of, and the others leave', async () => {
  const { consumerId } = await registerConsumer(stage.installation, `clear-${stage.consumer.name}`, {
    forms: { name: 'clear' },
  })
  await storeRows(stage.installation, stage.feed, strangerRows(1, 12))
  await stage.installation.asOwner(
    `update gridbridge.record set sealed = set_byte(sealed, 30, get_byte(sealed, 30) # 1) where source_record_id = 'R-5'`,
  )
  const made = await makeExport(stage.installation, consumerId)
  expect(made).toMatchObject({ state: 'ready', read: 12, records: 11, broken: 1 })
  expect(idsOf(await openParts(stage.installation, made.exportId))).toEqual(
    rangeOf(stage, 1, 12).filter((id) => id !== idOf(stage, 5)),
  )
  const manifest = await describeExport(exportContext(stage.installation), made.exportId, consumerId)
  expect(manifest.errors).toEqual([{ code: 'SEAL_BROKEN', records: 1 }])
})

test('the records that the agreement allows in a day hold for files too: the export goes on the next day', async () => {
  const { consumerId } = await registerConsumer(stage.installation, `limited-${stage.consumer.name}`, {
    recordsPerDay: 8,
  })
  await storeRows(stage.installation, stage.feed, strangerRows(1, 20))
  const { exportId } = await askForExport(stage.installation, consumerId)
  const context = exportContext(stage.installation)
  for (const [day, parts] of [8, 16].entries()) {
    const slice = await workToEnd(context, exportId)
    expect([slice.outcome, (await look(stage, exportId)).records]).toEqual(['QUOTA_SPENT', parts])
    expect(slice.dueInMs).toBeGreaterThan(0)
    expect(slice.dueInMs).toBeLessThanOrEqual(86_400_050)
    await stage.installation.asOwner(
      'update gridbridge.agreement_use_stripe set day = day - $1::int where agreement_id = (select agreement_id from gridbridge.export where export_id = $2)',
      [day + 1, exportId],
    )
    await stage.installation.asOwner('update gridbridge.export set not_before = null where export_id = $1', [exportId])
  }
  await workToEnd(context, exportId)
  expect(await look(stage, exportId)).toMatchObject({ state: 'ready', records: 20, parts: 3, reason: null })
})

test('one export of an agreement is made or kept at a time; when it is forgotten there may be another', async () => {
  const made = await makeExport(stage.installation, stage.consumer.consumerId)
  expect(await codeOf(() => askForExport(stage.installation, stage.consumer.consumerId))).toBe('EXPORT_EXISTS')
  await forgetExport(exportContext(stage.installation), made.exportId, stage.consumer.consumerId)
  expect((await askForExport(stage.installation, stage.consumer.consumerId)).state).toBe('requested')
})

test('an agreement under which nothing may be copied gives no export', async () => {
  const { consumerId } = await registerConsumer(stage.installation, `query-${stage.consumer.name}`, { method: 'query' })
  expect(await codeOf(() => askForExport(stage.installation, consumerId))).toBe('QUERY_ONLY')
})
