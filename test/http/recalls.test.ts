import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { canonicalJson } from '../../src/audit/entry.ts'
import { loadJurisdiction } from '../../src/feeds/jurisdiction.ts'
import { addWorkingDays } from '../../src/feeds/working-days.ts'
import { keepHouse } from '../../src/jobs/housekeeping.ts'
import { recallNext } from '../../src/jobs/recalls.ts'
import type { Feed } from '../../src/store/feeds.ts'
import { createHash } from 'node:crypto'
import { storeRows, residentRows } from '../support/ledger.ts'
import { employ, type Answer, type Person } from '../support/office.ts'
import { openWayBack, type System, type WayBackStage } from './way-back-stage.ts'

const { clocks } = loadJurisdiction('decree-809')
const ROWS = 8

let stage: WayBackStage
let feed: Feed
let second: Person
let platform: System
let town: System

beforeAll(async () => {
  stage = await openWayBack('recalls')
  second = await employ(stage.installation, stage.url, 'ga-second', 'department-reviewer', 'public-security')
  platform = await stage.connect('grid-platform')
  town = await stage.connect('town-platform', { area: ['510503'] })
  await stage.connect('housing-platform', { dataset: 'housing' })
})
afterAll(() => stage.close())
beforeEach(async () => {
  feed = await stage.openFeed(ROWS)
})

const at = (rest = ''): string => `/api/v1/feeds/${feed.code}/recalls${rest}`
const brief = ({ status, body }: Answer) => [status, body.code ?? body.state]
const ask = (change: object, person: Person = stage.office.reviewer): Promise<Answer> =>
  person.post(at(), { kind: 'recall', reason: '误报', ...change })
const move = (recallId: number, action: string, person: Person, reason?: string): Promise<Answer> =>
  person.post(at(`/${recallId}/moves`), { action, ...(reason === undefined ? {} : { reason }) })

/** Carries out what is due; returns how many transactions that took. */
async function carryOut(most = 2000): Promise<number> {
  for (let pages = 0; ; pages++) if (!(await recallNext({ ...stage.installation, clocks }, most))) return pages
}
const show = async (recallId: number) => (await stage.office.auditor.get(at(`/${recallId}`))).body

async function readOn(system: System, path: string, name: string): Promise<readonly Answer['body'][]> {
  await stage.settle()
  const items: Answer['body'][] = []
  for (let cursor = ''; ;) {
    const { body } = await system.get(`${path}?limit=100${cursor === '' ? '' : `&cursor=${cursor}`}`)
    items.push(...body[name])
    cursor = body.cursor
    if (body.hasMore === false) return items
  }
}
/** What the consumer is told of the records of this test's feed. */
const changesOf = async (system: System) =>
  (await readOn(system, '/api/v1/datasets/resident/changes', 'changes'))
    .filter(({ id }) => id.startsWith(`${feed.code}/`))
    .map(({ id, operation, version, reason }) => [id.split('/')[1], operation, version, reason])
const noticesOf = async (system: System, recallId: number) =>
  (await readOn(system, '/api/v1/recalls', 'recalls')).filter((one) => one.recallId === recallId)

async function lastRun(): Promise<number> {
  const [row] = await stage.installation.asOwner<{ runId: number }>(
    'select max(run_id)::int as "runId" from gridbridge.run where feed_id = $1',
    [feed.feedId],
  )
  return row?.runId ?? 0
}

describe('a recall of records', () => {
  test('reaches the consumers that may have them as deletes with the reason, and is acknowledged with a receipt', async () => {
    const asked = await ask({ recordIds: ['R-2', 'R-3', 'R-2'] })
    expect(asked.body).toMatchObject({ state: 'approved', needsApproval: false, askedFor: 2, receipts: [] })
    const { recallId } = asked.body
    expect(await carryOut()).toBe(2)
    const changes = await changesOf(platform)
    expect(changes.slice(-2)).toEqual([
      ['R-2', 'delete', 2, 'recall'],
      ['R-3', 'delete', 2, 'recall'],
    ])
    expect(changes.filter(([, operation]) => operation === 'upsert')).toHaveLength(ROWS - 2)

    const [notice] = await noticesOf(platform, recallId)
    expect(notice).toMatchObject({ kind: 'recall', reason: '误报', records: 2, acknowledgedAt: null, overdue: false })
    expect(notice.dueAt).toBe(addWorkingDays(new Date(notice.issuedAt), 2).due.toISOString())
    const told = (await readOn(platform, '/api/v1/notices', 'notices')).at(-1)
    expect(told).toMatchObject({ type: 'recall.issued', data: { recallId, records: 2, kind: 'recall' } })

    const path = `/api/v1/recalls/${recallId}/acknowledgement`
    const receipt = { removed: 2, receipt: 'QR-2026-001' }
    expect(brief(await platform.post(path, { ...receipt, removed: 3 }))).toEqual([400, 'REQUEST_INVALID'])
    const acknowledged = (await platform.post(path, receipt)).body
    expect(await platform.post(path, receipt)).toMatchObject({ status: 200, body: acknowledged })
    expect(brief(await platform.post(path, { ...receipt, removed: 1 }))).toEqual([409, 'RECALL_CONFLICT'])
    const signed = canonicalJson({ recallId, consumer: 'grid-platform', ...receipt })
    const digest = createHash('sha256').update(signed).digest('hex')
    expect((await show(recallId)).receipts).toMatchObject([
      { consumer: 'grid-platform', records: 2, removed: 2, receipt: 'QR-2026-001', digest, overdue: false },
    ])
    expect(
      await stage.installation.asOwner(
        `select actor, count, convert_from(body, 'UTF8')::jsonb->>'outputDigest' as digest from audit.entry
          where event_type = 'recall.acknowledged' and feed = $1`,
        [feed.code],
      ),
    ).toEqual([{ actor: 'consumer:grid-platform', count: 2, digest }])
  })

  test('is not told to a consumer outside whose area the records lie, nor answered to it', async () => {
    const { recallId } = (await ask({ recordIds: ['R-1'] })).body
    await carryOut()
    expect(await noticesOf(town, recallId)).toEqual([])
    const body = { removed: 0, receipt: 'x' }
    const outside = await town.post(`/api/v1/recalls/${recallId}/acknowledgement`, body)
    expect(brief(outside)).toEqual([404, 'RECALL_UNKNOWN'])
    expect(brief(await town.post('/api/v1/recalls/999999/acknowledgement', body))).toEqual([404, 'RECALL_UNKNOWN'])
  })

  test('reaches a consumer whose agreement has ended or covers less by now: it may still hold them', async () => {
    const past = await stage.connect(`past-${feed.feedId}`)
    await stage.installation.asOwner(
      `update gridbridge.agreement set valid_to = clock_timestamp(), area = '{510503}' where consumer_id = $1`,
      [past.consumerId],
    )
    const { recallId } = (await ask({ recordIds: ['R-1', 'R-2'] })).body
    await carryOut()
    expect((await show(recallId)).receipts.map(({ consumer }: { consumer: string }) => consumer)).toContain(past.name)
  })

  test('lets the records come in again with the next run', async () => {
    await ask({ recordIds: ['R-1'] })
    await carryOut()
    await storeRows(stage.installation, feed, residentRows(1, 1))
    expect((await changesOf(platform)).at(-1)).toEqual(['R-1', 'upsert', 3, undefined])
    await storeRows(stage.installation, feed, residentRows(1, 1, { scbz: '1' }))
    expect((await changesOf(platform)).at(-1)).toEqual(['R-1', 'delete', 4, undefined])
  })

  test.each([
    ['of a record that is not there', { recordIds: ['R-1', 'R-99'] }, [404, 'RECORD_UNKNOWN']],
    ['of a run of another feed', { runId: 1 }, [404, 'RUN_UNKNOWN']],
    ['of a batch that is not there', { batchNo: 'B-9' }, [404, 'BATCH_UNKNOWN']],
    ['of nothing', {}, [400, 'REQUEST_INVALID']],
    ['of two things', { recordIds: ['R-1'], batchNo: 'B-1' }, [400, 'REQUEST_INVALID']],
    [
      'with the number of a person in its reason',
      { recordIds: ['R-1'], reason: '510502190001010017' },
      [400, 'REQUEST_INVALID'],
    ],
  ])('%s is refused', async (_what, change, expected) => {
    expect(brief(await ask(change))).toEqual(expected)
  })

  test('is asked for by a reviewer of the department alone', async () => {
    const { editor, neighbour, officer, engineer, auditor } = stage.office
    for (const person of [editor, neighbour, officer, engineer, auditor])
      expect(brief(await ask({ recordIds: ['R-1'] }, person))).toEqual([403, 'FORBIDDEN'])
  })
})

describe('a recall of a run', () => {
  test('withdraws what the run brought and is as it was, page by page, and nothing that came before or after', async () => {
    await storeRows(stage.installation, feed, residentRows(5, 30, { xm: '李样例' }))
    const runId = await lastRun()
    await storeRows(stage.installation, feed, residentRows(7, 8, { xm: '欧阳测试' }))
    const { body } = await ask({ runId })
    expect(body).toMatchObject({ runId, askedFor: 24, needsApproval: false })
    expect(await carryOut(10)).toBe(4)
    const shown = await show(body.recallId)
    expect(shown).toMatchObject({ state: 'done', removed: 24 })
    expect(shown.receipts.map(({ records }: { records: number }) => records)).toContain(24)
    const alive = (await changesOf(platform)).filter(([, operation]) => operation === 'upsert').map(([id]) => id)
    expect(alive).toEqual(['R-1', 'R-2', 'R-3', 'R-4', 'R-7', 'R-8'])
  })

  test('waits for its end and for a second person', async () => {
    const runId = await lastRun()
    await stage.installation.asOwner(`update gridbridge.run set state = 'paused' where run_id = $1`, [runId])
    const { body } = await ask({ runId })
    expect(body).toMatchObject({ state: 'asked', needsApproval: true })
    expect(brief(await move(body.recallId, 'approve', second))).toEqual([200, 'approved'])
    expect(await carryOut()).toBe(0)
    await stage.installation.asOwner(`update gridbridge.run set state = 'done' where run_id = $1`, [runId])
    await carryOut()
    expect(await show(body.recallId)).toMatchObject({ state: 'done', removed: ROWS })
  })
})

describe('a second person', () => {
  test('approves more than 1,000 records, and is another than who asked, by the tables as well', async () => {
    await storeRows(stage.installation, feed, residentRows(100, 1100))
    const runId = await lastRun()
    const { body } = await ask({ runId })
    expect(body).toMatchObject({ askedFor: 1001, state: 'asked' })
    expect(await carryOut()).toBe(0)
    expect(brief(await move(body.recallId, 'approve', stage.office.reviewer))).toEqual([409, 'SECOND_PERSON'])
    const forge = (set: string) =>
      stage.installation.asOwner(`update gridbridge.recall set ${set} where recall_id = ${body.recallId}`)
    await expect(forge(`state = 'approved', answered_by = asked_by`)).rejects.toThrow('second_person_recalls')
    await expect(forge(`state = 'done'`)).rejects.toThrow('approved_before_removal')
    await expect(forge('needs_approval = false')).rejects.toThrow('recall_check')
    expect(brief(await move(body.recallId, 'approve', stage.office.officer))).toEqual([200, 'approved'])
    expect(brief(await move(body.recallId, 'approve', second))).toEqual([409, 'RECALL_STATE'])
    await carryOut()
    expect(await show(body.recallId)).toMatchObject({ state: 'done', removed: 1001, answeredBy: 'officer' })
  })

  test('refuses with a reason, and nothing is withdrawn', async () => {
    const { recallId } = (await ask({ kind: 'erasure', recordIds: ['R-1'] })).body
    expect(brief(await move(recallId, 'refuse', second))).toEqual([400, 'REQUEST_INVALID'])
    expect(brief(await move(recallId, 'refuse', second, '依据不足'))).toEqual([200, 'refused'])
    expect(await carryOut()).toBe(0)
    expect(await show(recallId)).toMatchObject({ removed: 0, answerReason: '依据不足' })
    expect(brief(await stage.office.neighbour.get(at(`/${recallId}`)))).toEqual([403, 'FORBIDDEN'])
  })
})

test('a consumer that does not acknowledge in its working days raises one alert, which its receipt ends', async () => {
  const { recallId } = (await ask({ recordIds: ['R-1'] })).body
  await carryOut()
  const { asOwner, database } = stage.installation
  const keep = () =>
    keepHouse(database, { rejectionDays: 90, tombstoneDays: 400, datasets: stage.installation.datasets, clocks })
  const alerts = () =>
    asOwner('select kind, department, cleared_at is null as open from gridbridge.alert where object = $1', [
      `recall/${recallId}`,
    ])
  await keep()
  expect(await alerts()).toEqual([])
  await asOwner(`update gridbridge.recall set due_at = clock_timestamp() - interval '1 second' where recall_id = $1`, [
    recallId,
  ])
  await keep()
  await keep()
  const alert = { kind: 'recall-overdue', department: 'public-security' }
  expect(await alerts()).toEqual([{ ...alert, open: true }])
  for (const { consumer } of (await show(recallId)).receipts) {
    const system = stage.systems.get(consumer)
    const body = { removed: 0, receipt: 'late' }
    expect((await system?.post(`/api/v1/recalls/${recallId}/acknowledgement`, body))?.body.overdue).toBe(true)
  }
  expect(await alerts()).toEqual([{ ...alert, open: false }])
})
