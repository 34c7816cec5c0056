import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import {
  announceSealingKey,
  stepRotation,
  type RotationContext,
  type RotationStep,
} from '../../src/jobs/key-rotation.ts'
import { openLiveKeyRing, type LiveKeyRing } from '../../src/security/live-key-ring.ts'
import { pullChanges } from '../../src/sharing/pull.ts'
import { findAgreement } from '../../src/store/agreements.ts'
import { FIRST_PLACE } from '../../src/store/changes.ts'
import { readDataKeys } from '../../src/store/data-keys.ts'
import type { Feed } from '../../src/store/feeds.ts'
import { countSealedBy } from '../../src/store/sealed-values.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { changesIn, registerConsumer, registerFeed, residentRows, storeRows } from '../support/ledger.ts'

const NEW = 8
const forms = { name: 'clear', certNumber: 'clear', gridCode: 'mask' } as const
const kek = Buffer.from(inject('keyEncryptionKey'), 'base64')

let installation: TestInstallation
let feed: Feed
let keys: LiveKeyRing
let context: RotationContext

beforeEach(async () => {
  installation = await openTestInstallation('key-suites')
  const wrapped = await readDataKeys(installation.database.query)
  keys = await openLiveKeyRing({ name: 'test', load: () => Promise.resolve([kek]) }, wrapped)
  context = { database: installation.database, keys, actor: 'operator:test', drainMs: 0 }
  feed = await registerFeed(installation, 'LZ-GA-RK-001')
  await storeRows(installation, feed, residentRows(1, 3))
})
afterEach(() => installation.close())

async function step(): Promise<RotationStep> {
  await keys.refresh(await readDataKeys(installation.database.query))
  return stepRotation(context)
}

test('under gm, rows are taken in, pulled and opened; with those from before, and after the change back', async () => {
  const platform = await registerConsumer(installation, 'clear-platform', { forms })
  const agreement = await findAgreement(installation.database.query, platform.consumerId, 'resident')
  const pulled = async (): Promise<readonly unknown[]> => {
    const page = await pullChanges(
      { ...installation, keys, auditDeadlineMs: 2000 },
      { agreement, after: FIRST_PLACE, limit: 1000 },
    )
    return changesIn(page)
      .filter(({ id }) => id.startsWith(feed.code))
      .map(({ id, record }) => [id.split('/')[1], record?.['name'], record?.['certNumber']])
  }
  const row = (number: number) => residentRows(number, number, { xm: `张第${'零一二三四五六七八九'[number % 10]}` })
  for (const [suite, id, number] of [
    ['gm', NEW, 71],
    ['standard', NEW + 1, 72],
  ] as const) {
    await announceSealingKey(context, { keyEncryptionKey: kek, suite })
    await step()
    await step()
    await storeRows({ ...installation, keys }, feed, row(number))
    const seen = await pulled()
    expect(seen).toContainEqual([`R-${number}`, `张第${number === 71 ? '一' : '二'}`, '510502190001010017'])
    expect(seen).toContainEqual(['R-1', '张测试', '510502190001010017'])
    expect([...(await countSealedBy(installation.database.query)).keys()]).toContain(id)
    expect(keys.sealing).toMatchObject({ id, suite: { name: suite } })
    while ((await step()).state !== 'none') continue
    expect(await pulled()).toEqual(seen)
  }
})
