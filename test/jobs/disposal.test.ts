import { setTimeout as wait } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Disposition } from '../../src/feeds/life.ts'
import { openSecrets } from '../../src/ingest/feed-source.ts'
import { projectPersons } from '../../src/ingest/project-persons.ts'
import { disposeNext, startDisposal } from '../../src/jobs/disposal.ts'
import { FIRST_PLACE, readChanges } from '../../src/store/changes.ts'
import { findFeed, type Feed } from '../../src/store/feeds.ts'
import { insertBatch } from '../../src/store/push-batches.ts'
import { openDoor } from '../http/door.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { everythingOf, registerFeed, residentRows, settleChanges, storeRows } from '../support/ledger.ts'
import { employAll, type Answer, type Office } from '../support/office.ts'

const RECORDS = 25
const REFUSED = 3
const WRONG = '510502190001010018'

let installation: TestInstallation
let server: FastifyInstance
let office: Office
let feed: Feed
let feeds = 0

beforeAll(async () => {
  installation = await openTestInstallation('disposal')
  server = await openDoor(installation)
  office = await employAll(installation, await server.listen({ port: 0, host: '127.0.0.1' }))
})
afterAll(async () => {
  await server.close()
  await installation.close()
})

/** A feed of 25 residents, three refused rows and a posted batch that no run has read. */
beforeEach(async () => {
  feeds += 1
  feed = await registerFeed(installation, `LZ-GA-RK-${String(feeds).padStart(3, '0')}`)
  const refused = residentRows(RECORDS + 1, RECORDS + REFUSED, { zjhm: WRONG })
  await storeRows(installation, feed, [...residentRows(1, RECORDS), ...refused])
  const batch = { batchNo: 'B-1', digest: '00', rows: 2, chunks: [Buffer.from('sealed-1'), Buffer.from('sealed-2')] }
  await insertBatch(installation.database.query, feed.feedId, batch)
})

const path = (rest = ''): string => `/api/v1/feeds/${feed.code}${rest}`
const retire = (disposition?: Disposition): Promise<Answer> =>
  office.reviewer.post(path('/moves'), { action: 'retire', reason: '系统下线', disposition })
const shown = async (): Promise<unknown> => (await office.auditor.get(path())).body.disposition

async function disposeAll(most: number): Promise<number> {
  for (let pages = 0; ; pages++) if (!(await disposeNext(installation.database, most))) return pages
}

interface Left {
  readonly records: number
  readonly sealed: number
  readonly waiting: number
  readonly chunks: number
}

async function left(): Promise<Left | undefined> {
  const [row] = await installation.asOwner<Left>(
    `select count(*) filter (where masked is not null) as records,
            count(*) filter (where coalesce(sealed, digest, subject) is not null) as sealed,
            (select count(*) from gridbridge.rejection where feed_id = $1 and sealed is not null) as waiting,
            (select count(*) from gridbridge.push_chunk join gridbridge.push_batch using (batch_id) where feed_id = $1) as chunks
       from gridbridge.record where feed_id = $1`,
    [feed.feedId],
  )
  return row
}

const ALL = { records: RECORDS, sealed: RECORDS, waiting: REFUSED, chunks: 2 }

const entries = (type: string): Promise<readonly unknown[]> =>
  installation.asOwner(
    `select actor, count, convert_from(body, 'UTF8')::jsonb->'details' as details from audit.entry
      where event_type = $1 and feed = $2 order by recorded_at`,
    [type, feed.code],
  )

test('a feed is not retired before it was said what becomes of its data', async () => {
  const answer = await retire()
  expect([answer.status, answer.body.code, answer.body.detail]).toEqual([
    400,
    'REQUEST_INVALID',
    expect.stringContaining('keep, tombstone, erase'),
  ])
  expect(
    (await office.reviewer.post(path('/moves'), { action: 'retire', reason: 'x', disposition: 'burn' })).status,
  ).toBe(400)
  expect(await findFeed(installation.database.query, feed.code)).toMatchObject({ state: 'active' })
})

test('keep leaves everything where it is, and is written down', async () => {
  expect((await retire('keep')).status).toBe(200)
  expect(await disposeAll(10)).toBe(0)
  expect(await left()).toEqual(ALL)
  expect(await shown()).toMatchObject({ choice: 'keep', records: 0, doneAt: expect.any(String) as string })
  const details = { action: 'retire', version: 1, from: 'active', to: 'retired', disposition: 'keep' }
  expect(await entries('feed.moved')).toMatchObject([{ actor: 'account:ga-reviewer', details }])
})

describe('tombstone', () => {
  test('withdraws every record from whoever follows the changes, a bounded page in each transaction', async () => {
    expect((await retire('tombstone')).status).toBe(200)
    expect(await shown()).toMatchObject({ choice: 'tombstone', records: 0, doneAt: null })
    expect(await left()).toEqual(ALL)
    // Three pages of ten, one look that finds no more and ends it.
    expect(await disposeAll(10)).toBe(4)
    expect(await left()).toEqual({ ...ALL, records: 0, sealed: 0 })
    expect(await shown()).toMatchObject({ records: RECORDS, rejections: 0, doneAt: expect.any(String) as string })
    await settleChanges(installation)
    const changes = await readChanges(installation.database.query, everythingOf(feed.datasetId), FIRST_PLACE, 1000)
    const ours = changes.filter((change) => change.feed === feed.code)
    expect(ours.map(({ masked, version }) => [masked, version])).toEqual(
      Array.from({ length: RECORDS }, () => [null, 2]),
    )
    const pages = Map.groupBy(ours, ({ tx }) => tx)
    expect([...pages.values()].map((page) => page.length)).toEqual([10, 10, 5])
    expect(await entries('records.removed')).toMatchObject([10, 10, 5].map((count) => ({ count })))
    const details = { disposition: 'tombstone', records: RECORDS, rejections: 0, batches: 0 }
    expect(await entries('feed.disposed')).toEqual([{ actor: 'system:worker', count: RECORDS, details }])
  })

  test('ends the merged persons that nothing else tells of', async () => {
    const merge = async (): Promise<number> => {
      await settleChanges(installation)
      while ((await projectPersons(installation)) !== 'idle') await wait(10)
      const members = await installation.asOwner('select from gridbridge.person_member where feed_id = $1', [
        feed.feedId,
      ])
      return members.length
    }
    expect(await merge()).toBe(RECORDS)
    await retire('tombstone')
    await disposeAll(1000)
    expect(await merge()).toBe(0)
  })
})

describe('erase', () => {
  test('removes refused and posted rows too, and all that the feed remembered of its source', async () => {
    expect((await retire('erase')).status).toBe(200)
    await disposeAll(10)
    expect(await left()).toEqual({ records: 0, sealed: 0, waiting: 0, chunks: 0 })
    const [row] = await installation.asOwner('select cursor, shape, secrets from gridbridge.feed where feed_id = $1', [
      feed.feedId,
    ])
    expect(row).toMatchObject({ cursor: null, shape: {} })
    const tokens = 'select from gridbridge.rejection where feed_id = $1 and source_token is not null'
    expect(await installation.asOwner(tokens, [feed.feedId])).toEqual([])
    const details = { disposition: 'erase', records: RECORDS, rejections: REFUSED, batches: 2 }
    expect(await entries('feed.disposed')).toMatchObject([{ details }])
    expect(await shown()).toMatchObject({ records: RECORDS, rejections: REFUSED, batches: 2 })
  })

  test('comes to the same when several processes work on it, and one dies', async () => {
    await retire('erase')
    await disposeNext(installation.database, 4)
    const dying = installation.database.transaction(async ({ query }) => {
      await query('update feed set disposed_to = $1 where feed_id = $2', ['zzz', feed.feedId])
      throw new Error('killed')
    })
    await expect(dying).rejects.toMatchObject({ code: 'INTERNAL' })
    const stops = [1, 2, 3].map(() => startDisposal(installation.database, () => undefined, 20))
    while ((await entries('feed.disposed')).length === 0) await wait(20)
    await Promise.all(stops.map((stop) => stop()))
    expect(await left()).toEqual({ records: 0, sealed: 0, waiting: 0, chunks: 0 })
    expect(await shown()).toMatchObject({ records: RECORDS, rejections: REFUSED, batches: 2 })
    expect(await entries('feed.disposed')).toHaveLength(1)
  })
})

test.each(['keep', 'tombstone', 'erase'] as const)(
  'whatever was decided, the secrets are gone and no row is taken: %s',
  async (disposition) => {
    const [waiting] = (await office.editor.get(path('/rejections/rows'))).body.rejections as { rejectionId: number }[]
    await retire(disposition)
    const retired = await findFeed(installation.database.query, feed.code)
    expect(openSecrets(retired, installation.keys)).toEqual({})
    const rows = [{ rejectionId: waiting?.rejectionId, row: residentRows(99, 99)[0] }]
    const sent = await office.editor.post(path('/rejections/resubmissions'), { rows })
    expect([sent.status, sent.body.code]).toEqual([409, 'FEED_STATE'])
  },
)
