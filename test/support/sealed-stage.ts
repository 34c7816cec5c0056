import { randomBytes } from 'node:crypto'
import { protectCursor } from '../../src/ingest/protect.ts'
import { boundOfChunk } from '../../src/ingest/sources/push.ts'
import { createWebhookKey } from '../../src/security/webhook-signature.ts'
import { sealAll } from '../../src/security/seal.ts'
import { giveCredential } from '../../src/sharing/credentials.ts'
import { makeDraft } from '../../src/sharing/export-draft.ts'
import { sealTargetSecret } from '../../src/sharing/push-verifications.ts'
import { insertDraft } from '../../src/store/export-parts.ts'
import { insertBatch } from '../../src/store/push-batches.ts'
import { saveTarget } from '../../src/store/verification-targets.ts'
import { openCorrections, type CorrectionsStage } from '../http/corrections-stage.ts'
import { makeExport } from './exports.ts'
import { registerConsumer, residentRows, subscribeConsumer } from './ledger.ts'

const WRONG = '510502190001010018'

/** Two of what a feed keeps sealed: where it reads, and what was posted to it. */
async function fillFeed({ installation, feed, runRows }: CorrectionsStage): Promise<void> {
  const { database, keys, asOwner } = installation
  await runRows([...residentRows(1, 4), ...residentRows(5, 8, { zjhm: WRONG })])
  const cursors = [1, 2].map((page) => JSON.stringify(protectCursor({ kind: 'page', page }, { feed: feed.code, keys })))
  await asOwner('update gridbridge.feed set cursor = $2, compare_cursor = $3 where feed_id = $1', [
    feed.feedId,
    ...cursors,
  ])
  const chunks = sealAll(
    keys.sealing,
    [1, 2].map((place) => ({ bound: boundOfChunk(feed.code, 'B-1', place), clear: '[{}]' })),
  )
  await insertBatch(database.query, feed.feedId, { batchNo: 'B-1', digest: '00', rows: 2, chunks })
  const secret = sealTargetSecret(keys, feed.code, { appKey: 'key', appSecret: randomBytes(16).toString('hex') })
  await saveTarget(database.query, feed.feedId, 'https://target.example', secret)
}

/** Two of what a consumer has sealed: its secrets and its exports. */
async function fillConsumer({ installation, systems }: CorrectionsStage): Promise<void> {
  const { database, keys } = installation
  for (const name of ['first-platform', 'second-platform']) {
    const consumer = await registerConsumer(installation, name, { forms: { certNumber: 'clear', name: 'clear' } })
    await subscribeConsumer(installation, consumer, 'resident', 'https://hook.example', createWebhookKey('hmac-sm3'))
    await database.transaction((transaction) =>
      giveCredential({ transaction, keys, actor: 'operator:test' }, name, { kind: 'signing', digest: 'sm3' }),
    )
    const { exportId } = await makeExport(installation, consumer.consumerId, { partRecords: 2 })
    const line = { text: '{}', feed: 'LZ-GA-RK-001', namesPerson: false, subject: null, values: '[]' }
    for (const number of [101, 102])
      await insertDraft(database.query, exportId, (await makeDraft(keys, exportId, number, [line])).draft)
  }
  if (systems.size === 0) throw new Error('wanted a consumer that reports')
}

/** An installation in which every column that may hold a sealed value holds at least one, made as the product makes them. */
export async function openSealedStage(name: string): Promise<CorrectionsStage> {
  const stage = await openCorrections(name)
  await stage.raise()
  await stage.raise()
  await fillFeed(stage)
  await stage.openFeed(2)
  await fillConsumer(stage)
  return stage
}
