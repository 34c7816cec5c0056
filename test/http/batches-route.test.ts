import { hash, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { findRun, listIdleRuns } from '../../src/store/runs.ts'
import { createResidentRow } from '../feeds/sample-manifest.ts'
import type { TestInstallation } from '../support/installation.ts'
import { registerFeed, residentRows } from '../support/ledger.ts'
import { openBatchStage, rowsOf, type BatchStage, type Meanwhile, type Post } from './batch-stage.ts'

let stage: BatchStage
let installation: TestInstallation
let post: BatchStage['post']
let ask: BatchStage['ask']
let work: BatchStage['work']
let countRows: BatchStage['countRows']
let feed: ReturnType<BatchStage['feed']>
let feeds = 0

beforeAll(async () => {
  stage = await openBatchStage('push')
  ;({ installation, post, ask, work, countRows } = stage)
})
afterAll(() => stage.close())
beforeEach(async () => {
  await stage.addFeed({ kind: 'csv', encoding: 'utf-8', delimiter: ',' })
  feed = stage.feed()
  feeds += 1
})

/** Ends the run behind so many pages. */
const crashBehind =
  (pages: number): Meanwhile =>
  async (page) => {
    if (page > pages) throw new Error('the worker is gone')
  }

test('a batch rests sealed until a run reads it; then its receipt tells what became of its rows, and the rows are gone', async () => {
  const broken = createResidentRow({ id: 'R-99', zjhm: '1' })
  const body = JSON.stringify([...residentRows(1, 10), broken])
  expect(await post({ body })).toMatchObject({
    status: 200,
    batchNo: 'B-1',
    rows: 11,
    digest: hash('sm3', body),
    state: 'received',
  })
  const [chunk] = await installation.asOwner<{ sealed: Buffer }>('select sealed from gridbridge.push_chunk')
  expect(chunk?.sealed.includes('R-1')).toBe(false)
  expect(await work()).toMatchObject({ state: 'done', pulled: 11, inserted: 10, rejected: 1 })
  expect(await ask('B-1')).toMatchObject({ status: 200, state: 'read', valid: 10, rejected: 1 })
  expect(await countRows('push_chunk')).toBe(0)
})

test('the same batch again gets the first receipt, in any replica; another body under its number is refused', async () => {
  const first = await post({})
  expect(await post({ door: 1 })).toEqual(first)
  expect(await post({ body: rowsOf(1, 3) })).toMatchObject({ status: 409, code: 'BATCH_CONFLICT' })
  expect(await work()).toMatchObject({ pulled: 10 })
  expect(await post({})).toMatchObject({ status: 200, state: 'read', receivedAt: first['receivedAt'] })
  const denials = await installation.asOwner(
    `select from audit.entry where event_type = 'access.denied' and convert_from(body, 'UTF8') like '%BATCH_CONFLICT%'`,
  )
  expect(denials).toHaveLength(1)
})

test('ten posts of one batch at once are one batch', async () => {
  const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => post({ door: n % 2 })))
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
  expect(await work()).toMatchObject({ pulled: 10, inserted: 10 })
})

test('a run that crashed behind a saved page reads on: its rows, and those of the receipt, are counted once', async () => {
  await post({ body: JSON.stringify([createResidentRow({ id: 'R-99', zjhm: '1' }), ...residentRows(1, 10)]) })
  await work(crashBehind(2))
  expect(await ask('B-1')).toMatchObject({ state: 'received', valid: 7, rejected: 1 })
  expect(await work()).toMatchObject({ state: 'done', pulled: 11, inserted: 10, unchanged: 0, rejected: 1 })
  expect(await ask('B-1')).toMatchObject({ state: 'read', valid: 10, rejected: 1 })
})

test('a page that is not saved leaves its rows where they were', async () => {
  await post({})
  await work(async (page) => {
    // The lease is lost before the first page is prepared, so that its save always comes too late.
    if (page === 1) await installation.asOwner('update gridbridge.run set lease_epoch = lease_epoch + 1')
  })
  expect(await countRows('push_chunk')).toBe(3)
  expect(await work()).toMatchObject({ pulled: 10, inserted: 10 })
})

test('rows that cannot be taken away are not saved either', async () => {
  await post({})
  await installation.asOwner('revoke delete on gridbridge.push_chunk from gridbridge_app')
  await work()
  await installation.asOwner('grant delete on gridbridge.push_chunk to gridbridge_app')
  expect(await installation.asOwner('select from gridbridge.record where feed_id = $1', [feed.feedId])).toEqual([])
  expect(await work()).toMatchObject({ pulled: 10, inserted: 10 })
})

test('a batch that comes behind the last page of a run gets a run of its own', async () => {
  await post({})
  const run = await work(async (page) => {
    if (page === Infinity) await post({ batchNo: 'B-2', body: rowsOf(11, 13) })
  })
  expect(run).toMatchObject({ state: 'done', pulled: 10 })
  const waiting = await listIdleRuns(installation.database.query)
  const next = await Promise.all(waiting.map(({ runId }) => findRun(installation.database.query, runId)))
  expect(next.filter((one) => one.feed === feed.code)).toMatchObject([{ state: 'pending' }])
  expect(await work()).toMatchObject({ pulled: 3, inserted: 3 })
  expect(await listIdleRuns(installation.database.query)).toEqual([])
})

test('NDJSON and an uploaded file are read as rows', async () => {
  const lines = residentRows(1, 3).map((row) => JSON.stringify(row))
  expect(await post({ body: lines.join('\n'), type: 'application/x-ndjson' })).toMatchObject({ status: 200, rows: 3 })
  expect(await post({ batchNo: 'B-2', body: 'id,xm\nR-7,样例\n', type: 'text/csv' })).toMatchObject({
    status: 200,
    rows: 1,
  })
})

test('a feed that is being tested takes batches, which wait for its activation; a suspended one takes none', async () => {
  const moveTo = (state: string) =>
    installation.asOwner('update gridbridge.feed set state = $2 where feed_id = $1', [feed.feedId, state])
  await moveTo('testing')
  expect(await post({})).toMatchObject({ status: 200, state: 'received' })
  expect(await installation.asOwner('select from gridbridge.run where feed_id = $1', [feed.feedId])).toEqual([])
  await moveTo('suspended')
  expect(await post({ batchNo: 'B-2' })).toMatchObject({ status: 409, code: 'FEED_STATE' })
  await moveTo('active')
  expect(await work()).toMatchObject({ pulled: 10, inserted: 10 })
})

describe('what is refused, with a code and nothing kept', () => {
  test.each<[string, Post, number, string]>([
    ['a wrong secret', { secret: 'another' }, 401, 'SIGNATURE_INVALID'],
    ['a body that was changed on its way', { sent: rowsOf(1, 2) }, 401, 'SIGNATURE_INVALID'],
    ['a clock ten minutes ahead', { aheadMs: 600_000 }, 401, 'CLOCK_SKEWED'],
    ['a clock ten minutes behind', { aheadMs: -600_000 }, 401, 'CLOCK_SKEWED'],
    ['garbage', { body: '{"rows": [' }, 400, 'REQUEST_INVALID'],
    ['an object', { body: '{"rows": []}' }, 400, 'REQUEST_INVALID'],
    ['a last line that breaks off', { body: '[1', type: 'application/x-ndjson' }, 400, 'REQUEST_INVALID'],
    ['a file of a kind the manifest does not take', { type: 'image/png' }, 400, 'REQUEST_INVALID'],
    ['a broken file', { body: 'id,xm\n"R-7,样例\n', type: 'text/csv' }, 400, 'REQUEST_INVALID'],
    ['more than the manifest allows', { body: rowsOf(1, 100) }, 413, 'TOO_LARGE'],
    ['more than anybody may post', { body: ' '.repeat(17_000_000) }, 413, 'TOO_LARGE'],
    ['a batch number that is none', { batchNo: '../../etc' }, 400, 'REQUEST_INVALID'],
  ])('%s', async (_what, given, status, code) => {
    const before = await countRows('push_batch')
    const answer = await post(given)
    expect(answer).toMatchObject({ status, code })
    expect(JSON.stringify(answer)).not.toMatch(/R-7|样例|张测试/)
    expect(await countRows('push_batch')).toBe(before)
  })

  test('a request that is sent again as it was, in any replica', async () => {
    const nonce = randomUUID()
    expect(await post({ nonce })).toMatchObject({ status: 200 })
    expect(await post({ nonce, door: 1 })).toMatchObject({ status: 409, code: 'REQUEST_REPLAYED' })
  })

  test('a feed that is not posted to looks like one that is not there', async () => {
    const other = await registerFeed(installation, `LZ-GA-RK-${String(feeds).padStart(3, '0')}`)
    const answers = await Promise.all(
      [other.code, 'LZ-XX-YY-001'].map((code) => stage.send('POST', `/api/v1/feeds/${code}/batches`, { body: '[]' })),
    )
    expect(answers.map(({ code }) => code)).toEqual(['SIGNATURE_INVALID', 'SIGNATURE_INVALID'])
  })

  test('a receipt of a batch that nobody posted', async () => {
    expect(await ask('B-404')).toMatchObject({ status: 404, code: 'BATCH_UNKNOWN' })
  })
})
