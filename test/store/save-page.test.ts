import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { open } from '../../src/security/seal.ts'
import { finishRun } from '../../src/store/finish-run.ts'
import { findFeed, type Feed } from '../../src/store/feeds.ts'
import { claimRun, findRun, type RunLease } from '../../src/store/runs.ts'
import { savePage } from '../../src/store/save-page.ts'
import { codeOf } from '../support/coded-error.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { beginRun, makePage, registerFeed, residentRows } from '../support/ledger.ts'

let installation: TestInstallation
let feed: Feed
let lease: RunLease
let feeds = 0

beforeAll(async () => {
  installation = await openTestInstallation('save')
})
afterAll(() => installation.close())
beforeEach(async () => {
  feeds += 1
  feed = await registerFeed(installation, `LZ-GA-RK-${String(feeds).padStart(3, '0')}`)
  lease = await beginRun(installation, feed)
})

interface StoredRecord {
  readonly id: string
  readonly version: number
  readonly place: string
  readonly masked: Readonly<Record<string, unknown>> | null
  readonly sealed: Buffer | null
  readonly subject: Buffer | null
  readonly digest: Buffer | null
}

const readRecords = (): Promise<readonly StoredRecord[]> =>
  installation.asOwner(
    `select source_record_id as id, version, change_tx || '.' || change_seq as place, masked, sealed, subject, digest
       from gridbridge.record where feed_id = $1 order by source_record_id`,
    [feed.feedId],
  )

/** Everything that a page may change: records, cursor, counts, rejections and the audit log. */
async function readEverything(): Promise<unknown> {
  const [counts] = await installation.asOwner(
    `select (select row(run.*)::text from gridbridge.run where run_id = $1) as run, (select cursor from gridbridge.feed where feed_id = $2) as cursor,
            (select count(*) from gridbridge.rejection where run_id = $1) as rejections, (select count(*) from audit.entry) as entries`,
    [lease.runId, feed.feedId],
  )
  return { counts, records: await readRecords() }
}

const save = (rows: readonly unknown[], cursor = { page: 1 }) =>
  savePage(installation.database, feed, lease, makePage(installation, feed, rows, cursor))

test('a page is saved with its records, its cursor, its counts and one audit entry', async () => {
  const totals = await save([...residentRows(1, 3), 'not an object'], { page: 7 })
  expect(totals).toEqual({ pulled: 4, rejected: 1, wanted: null })
  expect(await findRun(installation.database.query, lease.runId)).toMatchObject({
    pages: 1,
    pulled: 4,
    valid: 3,
    rejected: 1,
    inserted: 3,
  })
  expect((await findFeed(installation.database.query, feed.code)).cursor).toEqual({ page: 7 })
  const entries = await installation.asOwner(
    `select count, dataset, outcome, convert_from(body, 'UTF8')::jsonb->'details' as details from audit.entry where feed = $1`,
    [feed.code],
  )
  expect(entries).toEqual([
    {
      count: 4,
      dataset: 'resident',
      outcome: 'ok',
      details: { inserted: 3, updated: 0, deleted: 0, withheld: 0, unchanged: 0, rejected: 1 },
    },
  ])
})

test('a record at rest is masked, sealed and keyed, and no clear value of it lies in any column', async () => {
  await save(residentRows(1, 1))
  const [record] = await readRecords()
  const clear = open(installation.keys.sealKey, `record|resident|${feed.code}|R-1`, record?.sealed ?? Buffer.alloc(0))
  expect(JSON.parse(clear)).toMatchObject({ name: '张测试', phone: '19900000001', certNumber: '510502190001010017' })
  expect(record?.masked).toMatchObject({ certNumber: '510502********0017', gridCode: '510502001001001' })
  expect(record?.subject).toEqual(
    Buffer.from(installation.keys.token('subject', 'CN:citizen:510502190001010017'), 'hex'),
  )
  const [row] = await installation.asOwner<{ text: string }>(
    'select record::text as text from gridbridge.record where feed_id = $1',
    [feed.feedId],
  )
  for (const value of ['张测试', '19900000001', '510502190001010017', '1900-01-01'])
    expect(row?.text).not.toContain(value)
})

describe('repeating a page', () => {
  test('changes nothing of any record, and counts every row as unchanged', async () => {
    await save(residentRows(1, 5))
    const before = await readRecords()
    await save(residentRows(1, 5))
    expect(await readRecords()).toEqual(before)
    expect(await findRun(installation.database.query, lease.runId)).toMatchObject({
      inserted: 5,
      updated: 0,
      unchanged: 5,
    })
  })

  test('of tombstones changes nothing either', async () => {
    await save(residentRows(1, 2))
    await save(residentRows(1, 1, { scbz: '1' }))
    const before = await readRecords()
    await save(residentRows(1, 1, { scbz: '1' }))
    expect(await readRecords()).toEqual(before)
    expect(await findRun(installation.database.query, lease.runId)).toMatchObject({ deleted: 1, unchanged: 1 })
  })
})

test('a changed record moves to the end of the change feed and the others stay where they are', async () => {
  await save(residentRows(1, 3))
  const before = await readRecords()
  await save([...residentRows(1, 1), ...residentRows(2, 2, { lxfs: '19900000002' })])
  const after = await readRecords()
  expect(after.map(({ id, version }) => [id, version])).toEqual([
    ['R-1', 1],
    ['R-2', 2],
    ['R-3', 1],
  ])
  expect(after.filter(({ version }) => version === 1)).toEqual(before.filter(({ id }) => id !== 'R-2'))
  const order = await installation.asOwner<{ id: string }>(
    'select source_record_id as id from gridbridge.record where feed_id = $1 order by change_tx, change_seq',
    [feed.feedId],
  )
  expect(order.map(({ id }) => id)).toEqual(['R-1', 'R-3', 'R-2'])
})

test('a deleted record leaves a tombstone with nothing of the person, and comes back as its next version', async () => {
  await save(residentRows(1, 1))
  await save(residentRows(1, 1, { scbz: '1' }))
  expect(await readRecords()).toEqual([
    { id: 'R-1', version: 2, place: expect.any(String), masked: null, sealed: null, subject: null, digest: null },
  ])
  await save(residentRows(1, 1))
  expect(await readRecords()).toEqual([
    expect.objectContaining({ version: 3, masked: expect.any(Object), sealed: expect.any(Buffer) }),
  ])
})

test('updates and deletes of one page have places of their own in the change feed', async () => {
  await save(residentRows(1, 40))
  await save([
    ...residentRows(1, 10, { lxfs: '19900000003' }),
    ...residentRows(11, 20, { scbz: '1' }),
    ...residentRows(41, 45),
  ])
  const places = (await readRecords()).map(({ place }) => place)
  expect(new Set(places).size).toBe(45)
})

test('records without a certificate or with long fields keep the bytes that are theirs', async () => {
  const rows = Array.from({ length: 30 }, (_, index): Readonly<Record<string, unknown>> => ({
    ...residentRows(index, index)[0],
    ...(index % 3 === 0 ? { dz: `四川省泸州市江阳区${'测'.repeat(index)}路1号` } : {}),
    ...(index % 4 === 0 ? { lxfs: null } : {}),
  }))
  await save(rows)
  for (const record of await readRecords()) {
    const clear = open(
      installation.keys.sealKey,
      `record|resident|${feed.code}|${record.id}`,
      record.sealed ?? Buffer.alloc(0),
    )
    const row = rows.find((one: Readonly<Record<string, unknown>>) => one['id'] === record.id)
    expect((JSON.parse(clear) as { residenceAddress?: unknown }).residenceAddress).toBe(row?.['dz'])
    expect(record.digest).toHaveLength(16)
  }
})

test('a rejected row rests sealed, with reasons that hold no value', async () => {
  await save([{ ...residentRows(1, 1)[0], zjhm: '510502190001010018', xm: '李测试' }])
  const rows = await installation.asOwner<{ sealed: Buffer; boundTo: string; reasons: unknown; text: string }>(
    `select sealed, encode(source_token, 'hex') as "boundTo", reasons, rejection::text as text
       from gridbridge.rejection where run_id = $1`,
    [lease.runId],
  )
  const [rejection] = rows
  expect(rejection?.reasons).toEqual([{ rule: expect.stringMatching(/^DQ-\d{3}$/), field: 'certNumber' }])
  expect(rejection?.text).not.toMatch(/李测试|510502190001010018/)
  const clear = open(
    installation.keys.sealKey,
    `rejection|${feed.code}|${rejection?.boundTo}`,
    rejection?.sealed ?? Buffer.alloc(0),
  )
  expect(JSON.parse(clear)).toMatchObject({ xm: '李测试' })
})

describe('a worker that lost its lease', () => {
  test('writes nothing at all: not records, not the cursor, not counts, not the audit log', async () => {
    await save(residentRows(1, 2))
    await installation.asOwner(
      `update gridbridge.run set lease_until = clock_timestamp() - interval '1 second' where run_id = $1`,
      [lease.runId],
    )
    expect(await claimRun(installation.database.query, lease.runId)).toEqual({
      runId: lease.runId,
      epoch: lease.epoch + 1,
    })
    const before = await readEverything()
    const work = () =>
      save(
        [
          ...residentRows(1, 1, { lxfs: '19900000009' }),
          ...residentRows(2, 2, { scbz: '1' }),
          ...residentRows(3, 9),
          17,
        ],
        { page: 9 },
      )
    expect(await codeOf(work)).toBe('LEASE_LOST')
    expect(await readEverything()).toEqual(before)
  })

  test('cannot end the run either', async () => {
    await installation.asOwner('update gridbridge.run set lease_epoch = lease_epoch + 1 where run_id = $1', [
      lease.runId,
    ])
    const before = await readEverything()
    expect(await codeOf(() => finishRun(installation.database, feed, lease))).toBe('LEASE_LOST')
    expect(await readEverything()).toEqual(before)
  })

  test('that was only slow is stopped by a run that is over', async () => {
    await finishRun(installation.database, feed, lease)
    const before = await readEverything()
    expect(await codeOf(() => save(residentRows(1, 1)))).toBe('LEASE_LOST')
    expect(await readEverything()).toEqual(before)
  })
})
