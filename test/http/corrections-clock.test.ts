import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadJurisdiction } from '../../src/feeds/jurisdiction.ts'
import { keepHouse } from '../../src/jobs/housekeeping.ts'
import type { Feed } from '../../src/store/feeds.ts'
import { finishRun } from '../../src/store/finish-run.ts'
import { savePage } from '../../src/store/save-page.ts'
import { beginRun, makePage, residentRows } from '../support/ledger.ts'
import type { Answer } from '../support/office.ts'
import { openWayBack, type System, type WayBackStage } from './way-back-stage.ts'

let stage: WayBackStage
let feed: Feed
let platform: System
let numbers = 0

beforeAll(async () => {
  stage = await openWayBack('corrections-clock')
  feed = await stage.openFeed(5)
  platform = await stage.connect('grid-platform', { forms: { name: 'mask', gridCode: 'mask', birthDate: 'omit' } })
})
afterAll(() => stage.close())

const OBSERVED = '李样例'
const evidenceAt = '2026-11-02T09:00:00+08:00'

/** A report about the name of R-1 with a reference of its own; `change` replaces members. */
const report = (change: object = {}) => ({
  dataset: 'resident',
  id: `${feed.code}/R-1`,
  version: 1,
  kind: 'wrong-value',
  field: 'name',
  observed: OBSERVED,
  evidenceAt,
  reference: `JH-${(numbers += 1)}`,
  ...change,
})
const raise = (change: object = {}): Promise<Answer> => platform.post('/api/v1/corrections', report(change))
const at = (rest = ''): string => `/api/v1/feeds/${feed.code}/corrections${rest}`
const brief = ({ status, body }: Answer) => [status, body.code ?? body.state]

/** The people of the department answer, one step after the other. */
async function answer(correctionId: number, ...bodies: readonly object[]): Promise<readonly unknown[]> {
  const answers: unknown[] = []
  for (const body of bodies) answers.push(brief(await stage.office.editor.post(at(`/${correctionId}/answers`), body)))
  return answers
}
const accept = { answer: 'accept' }
const fix = { answer: 'fix' }

/** A run that brings these rows and ends. */
async function runRows(rows: readonly unknown[]): Promise<void> {
  const { installation } = stage
  const lease = await beginRun(installation, feed)
  await savePage(installation.database, feed, lease, makePage(installation, feed, rows))
  await finishRun(installation.database, feed, lease)
}

const entries = (type: string, object: string) =>
  stage.installation.asOwner<{ actor: string; details: Readonly<Record<string, unknown>> }>(
    `select actor, convert_from(body, 'UTF8')::jsonb->'details' as details from audit.entry
      where event_type = $1 and convert_from(body, 'UTF8')::jsonb->>'object' = $2 order by lane_id, lane_seq`,
    [type, object],
  )

describe('a source that was fixed', () => {
  test('is synced when the next run brings another version, and not by one that brings the same', async () => {
    const { correctionId } = (await raise({ id: `${feed.code}/R-2` })).body
    expect(await answer(correctionId, accept, fix)).toEqual([
      [200, 'accepted'],
      [200, 'source-fixed'],
    ])
    await runRows(residentRows(2, 2))
    await stage.settle()
    const state = async () =>
      (await platform.get('/api/v1/corrections?limit=500')).body.corrections.find(
        (one: { correctionId: number }) => one.correctionId === correctionId,
      )
    expect(await state()).toMatchObject({ state: 'source-fixed', syncedAt: null })
    await runRows(residentRows(2, 2, { xm: '欧阳测试' }))
    await stage.settle()
    expect(await state()).toMatchObject({ state: 'synced', syncedVersion: 2 })
  })

  test('is synced at once where the department says which version holds the fix', async () => {
    const { correctionId } = (await raise({ id: `${feed.code}/R-3` })).body
    await runRows(residentRows(3, 3, { xm: '欧阳测试' }))
    const say = (version: number) => ({ answer: 'fix', version })
    expect(await answer(correctionId, accept, say(1), say(3), say(2))).toEqual([
      [200, 'accepted'],
      [422, 'CORRECTION_INVALID'],
      [422, 'CORRECTION_INVALID'],
      [200, 'synced'],
    ])
  })

  test('is synced by housekeeping where the record moved without a run', async () => {
    const { correctionId } = (await raise({ id: `${feed.code}/R-4` })).body
    await answer(correctionId, accept, fix)
    await stage.installation.asOwner(
      `update gridbridge.record set version = version + 1 where feed_id = $1 and source_record_id = 'R-4'`,
      [feed.feedId],
    )
    await keepHouse(stage.installation.database, {
      rejectionDays: 90,
      tombstoneDays: 400,
      datasets: stage.installation.datasets,
      clocks: loadJurisdiction('decree-809').clocks,
    })
    const [moved] = (await stage.office.editor.get(`${at()}?cursor=${correctionId - 1}&limit=1`)).body.corrections
    expect(moved).toMatchObject({ correctionId, state: 'synced' })
  })
})

describe('the clock', () => {
  const { clocks } = loadJurisdiction('decree-809')
  const keep = () =>
    keepHouse(stage.installation.database, {
      rejectionDays: 90,
      tombstoneDays: 400,
      datasets: stage.installation.datasets,
      clocks,
    })
  const alerts = async (correctionId: number) =>
    stage.installation.asOwner(
      'select kind, department, cleared_at is null as open from gridbridge.alert where object = $1',
      [`correction/${correctionId}`],
    )
  const pass = (correctionId: number) =>
    stage.installation.asOwner(
      `update gridbridge.correction set due_at = clock_timestamp() - interval '1 second' where correction_id = $1`,
      [correctionId],
    )

  test('raises one alert for a late answer, which the answer ends', async () => {
    const { correctionId } = (await raise()).body
    await keep()
    expect(await alerts(correctionId)).toEqual([])
    await pass(correctionId)
    await keep()
    await keep()
    const late = { kind: 'correction-overdue', department: 'public-security' }
    expect(await alerts(correctionId)).toEqual([{ ...late, open: true }])
    await answer(correctionId, accept)
    expect(await alerts(correctionId)).toEqual([{ ...late, open: true }])
    await answer(correctionId, { answer: 'refuse', reason: '与登记一致' })
    expect(await alerts(correctionId)).toEqual([{ ...late, open: false }])
  })

  test('closes what ended ten working days ago and nobody closed', async () => {
    const { correctionId } = (await raise()).body
    await answer(correctionId, accept, { answer: 'refuse', reason: '与登记一致' })
    await keep()
    const state = async () =>
      stage.installation.asOwner('select state from gridbridge.correction where correction_id = $1', [correctionId])
    expect(await state()).toEqual([{ state: 'rejected' }])
    await stage.installation.asOwner(
      `update gridbridge.correction set answered_at = answered_at - interval '40 days' where correction_id = $1`,
      [correctionId],
    )
    await keep()
    expect(await state()).toEqual([{ state: 'closed' }])
    const moves = await entries('correction.moved', `correction/${correctionId}`)
    expect(moves.find(({ details }) => details['to'] === 'closed')?.actor).toBe('system:scheduler')
  })
})
