import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { loadJurisdiction } from '../../src/feeds/jurisdiction.ts'
import { recallNext, startRecalls } from '../../src/jobs/recalls.ts'
import type { Feed } from '../../src/store/feeds.ts'
import { finishRun } from '../../src/store/finish-run.ts'
import { readReconciliation } from '../../src/store/reconciliation.ts'
import { insertBatch } from '../../src/store/push-batches.ts'
import { savePage } from '../../src/store/save-page.ts'
import { openWayBack, type System, type WayBackStage } from '../http/way-back-stage.ts'
import { beginRun, makePage, residentRows, storeRows } from '../support/ledger.ts'
import { employ, type Person } from '../support/office.ts'
import { createPerson, numbers, openPeople } from '../support/people.ts'

const { clocks } = loadJurisdiction('decree-809')
const ROWS = 6
const WRONG = '510502190001010018'

let stage: WayBackStage
let feed: Feed
let second: Person
let platform: System

beforeAll(async () => {
  stage = await openWayBack('erasures')
  second = await employ(stage.installation, stage.url, 'ga-second', 'department-reviewer', 'public-security')
  platform = await stage.connect('grid-platform')
})
afterAll(() => stage.close())
beforeEach(async () => {
  feed = await stage.openFeed(ROWS)
})

const work = () => ({ ...stage.installation, clocks })
async function carryOut(): Promise<void> {
  while (await recallNext(work())) continue
}

const at = (rest = '', code = feed.code): string => `/api/v1/feeds/${code}/recalls${rest}`
async function erase(recordIds: readonly string[], code = feed.code): Promise<number> {
  const { body } = await stage.office.reviewer.post(at('', code), { kind: 'erasure', reason: '当事人要求', recordIds })
  await second.post(at(`/${body.recallId}/moves`, code), { action: 'approve' })
  await carryOut()
  return body.recallId
}

/** A run that brings these rows and ends; its certificate. */
async function runRows(rows: readonly unknown[]) {
  const { database } = stage.installation
  const lease = await beginRun(stage.installation, feed)
  await savePage(database, feed, lease, makePage(stage.installation, feed, rows))
  await finishRun(database, feed, lease)
  return readReconciliation(database.query, lease.runId)
}
const alive = async (): Promise<readonly string[]> =>
  (
    await stage.installation.asOwner<{ id: string }>(
      'select source_record_id as id from gridbridge.record where feed_id = $1 and masked is not null order by 1',
      [feed.feedId],
    )
  ).map(({ id }) => id)

describe('an erasure', () => {
  test('keeps the record out of every later run, which counts it and still adds up, until it is lifted', async () => {
    const recallId = await erase(['R-2', 'R-3'])
    expect(await alive()).toEqual(['R-1', 'R-4', 'R-5', 'R-6'])
    const { run, isExplained, checks } = await runRows(residentRows(1, ROWS, { xm: '李样例' }))
    expect(run).toMatchObject({ pulled: ROWS, valid: ROWS, updated: 4, inserted: 0, unchanged: 0, withheld: 2 })
    expect(isExplained).toBe(true)
    expect(checks.find(({ id }) => id === 'valid')).toMatchObject({ left: ROWS, right: ROWS })
    expect(await alive()).toEqual(['R-1', 'R-4', 'R-5', 'R-6'])
    const certificate = (await stage.office.editor.get(`/api/v1/runs/${run.runId}/certificate`)).body
    expect(certificate).toMatchObject({ explained: true, run: { withheld: 2 } })

    const lift = { action: 'lift', reason: '当事人撤回' }
    expect((await stage.office.officer.post(at(`/${recallId}/moves`), lift)).body.code).toBe('FORBIDDEN')
    expect((await stage.office.reviewer.post(at(`/${recallId}/moves`), { action: 'lift' })).body.code).toBe(
      'REQUEST_INVALID',
    )
    expect((await stage.office.reviewer.post(at(`/${recallId}/moves`), lift)).body.liftedAt).not.toBeNull()
    expect((await stage.office.reviewer.post(at(`/${recallId}/moves`), lift)).body.code).toBe('RECALL_STATE')
    expect((await runRows(residentRows(2, 3))).run).toMatchObject({ updated: 2, withheld: 0 })
    expect(await alive()).toHaveLength(ROWS)
  })

  test('reaches consumers as a delete with its reason, also of a record that was gone already', async () => {
    await storeRows(stage.installation, feed, residentRows(5, 5, { scbz: '1' }))
    await erase(['R-4', 'R-5'])
    await stage.settle()
    const { body } = await platform.get('/api/v1/datasets/resident/changes?limit=1000')
    const own = body.changes.filter(({ id }: { id: string }) => id.startsWith(`${feed.code}/`))
    expect(own.slice(-2)).toMatchObject([
      { id: `${feed.code}/R-4`, operation: 'delete', record: null, reason: 'erasure', version: 2 },
      { id: `${feed.code}/R-5`, operation: 'delete', record: null, reason: 'erasure', version: 3 },
    ])
  })

  test('removes refused rows and what was observed of the record, and lets no refused row of it rest again', async () => {
    const { asOwner } = stage.installation
    const refused = residentRows(1, 2, { zjhm: WRONG })
    await runRows(refused)
    await platform.post('/api/v1/corrections', {
      dataset: 'resident',
      id: `${feed.code}/R-1`,
      version: 1,
      kind: 'wrong-value',
      field: 'name',
      observed: '李样例',
      evidenceAt: '2026-11-02T09:00:00+08:00',
      reference: `E-${feed.feedId}`,
    })
    const sealed = async () =>
      asOwner(
        `select (select count(*)::int from gridbridge.rejection where feed_id = $1 and sealed is not null) as rows,
                (select count(*)::int from gridbridge.correction where feed_id = $1 and evidence is not null) as evidence`,
        [feed.feedId],
      )
    expect(await sealed()).toEqual([{ rows: 2, evidence: 1 }])
    await erase(['R-1'])
    expect(await sealed()).toEqual([{ rows: 1, evidence: 0 }])
    const { run, isExplained } = await runRows(refused)
    expect([run.rejected, isExplained]).toEqual([2, true])
    expect(await sealed()).toEqual([{ rows: 1, evidence: 0 }])
  })

  test('keeps its list as tokens, which name no record', async () => {
    await erase(['R-6'])
    const rows = await stage.installation.asOwner<{ text: string; bytes: number }>(
      `select erased_record::text as text, octet_length(token) as bytes from gridbridge.erased_record where feed_id = $1`,
      [feed.feedId],
    )
    expect(rows).toMatchObject([{ bytes: 16 }])
    expect(rows[0]?.text).not.toContain('R-6')
  })

  test('is not overtaken by pages that are being saved while it is carried out', async () => {
    const ids = Array.from({ length: ROWS }, (_, place) => `R-${place + 1}`)
    const { database } = stage.installation
    const lease = await beginRun(stage.installation, feed)
    const pages = Array.from({ length: 20 }, (_, page) =>
      makePage(stage.installation, feed, residentRows(1, ROWS, { xm: page % 2 === 0 ? '李样例' : '欧阳测试' })),
    )
    const saving = (async () => {
      for (const page of pages) await savePage(database, feed, lease, page)
    })()
    await erase(ids)
    await saving
    expect(await alive()).toEqual([])
  })
})

test('a posted batch is withdrawn by its number once it was read, and nothing of the batch beside it', async () => {
  const { installation, office } = stage
  for (const batchNo of ['B-1', 'B-2'])
    await insertBatch(installation.database.query, feed.feedId, {
      batchNo,
      digest: '00',
      rows: 2,
      chunks: [Buffer.from('sealed')],
    })
  const places = await installation.asOwner<{ batchId: number }>(
    'select batch_id::int as "batchId" from gridbridge.push_batch where feed_id = $1 order by 1',
    [feed.feedId],
  )
  const lease = await beginRun(installation, feed)
  const save = async (batch: number, first: number): Promise<void> => {
    const page = makePage(installation, feed, residentRows(first, first + 1))
    const chunk = { batchId: places[batch]?.batchId ?? 0, place: 1 }
    await savePage(installation.database, feed, lease, { ...page, chunk })
  }
  await save(0, 11)
  const { body } = await office.reviewer.post(at(), { kind: 'recall', reason: '错报', batchNo: 'B-1' })
  expect(body).toMatchObject({ batchNo: 'B-1', askedFor: 2, state: 'approved' })
  const waiting = (await office.reviewer.post(at(), { kind: 'recall', reason: '错报', batchNo: 'B-2' })).body
  expect(waiting).toMatchObject({ state: 'asked', needsApproval: true })
  await second.post(at(`/${waiting.recallId}/moves`), { action: 'approve' })
  await carryOut()
  expect((await alive()).filter((id) => /R-1\d/.test(id))).toEqual([])
  await save(1, 13)
  expect((await alive()).filter((id) => /R-1\d/.test(id))).toEqual(['R-13', 'R-14'])
  await carryOut()
  expect((await alive()).filter((id) => /R-1\d/.test(id))).toEqual([])
  expect(await alive()).toHaveLength(ROWS)
})

test('a crash between two pages repeats nothing and skips nothing', async () => {
  const { body } = await stage.office.reviewer.post(at(), {
    kind: 'recall',
    reason: '误报',
    recordIds: ['R-1', 'R-2', 'R-3', 'R-4'],
  })
  await recallNext(work(), 3)
  const { database } = stage.installation
  const broken = { ...work(), database: { ...database, transaction: () => Promise.reject(new Error('crash')) } }
  await expect(recallNext(broken)).rejects.toThrow('crash')
  const stop = startRecalls(work(), () => undefined, 20)
  const shown = async () => (await stage.office.auditor.get(at(`/${body.recallId}`))).body
  await expect.poll(async () => (await shown()).state).toBe('done')
  await stop()
  expect((await shown()).removed).toBe(4)
  expect((await shown()).receipts).toMatchObject([{ records: 4 }])
})

test('a consumer of merged persons is told of a recalled record that a person was merged out of', async () => {
  const { installation, office } = stage
  const people = await openPeople({ ...installation })
  const persons = await stage.connect('person-platform', { dataset: 'person', forms: { name: 'mask' } })
  await people.store(people.police, createPerson({ id: 'X-1', zjhm: numbers[1] }))
  await people.merge()
  const { body } = await office.reviewer.post(at('', people.police.code), {
    kind: 'recall',
    reason: '误报',
    recordIds: ['X-1'],
  })
  await carryOut()
  await people.merge()
  await stage.settle()
  const [notice] = (await persons.get('/api/v1/recalls')).body.recalls
  expect(notice).toMatchObject({ recallId: body.recallId, records: 1 })
})
