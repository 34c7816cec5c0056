import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadJurisdiction } from '../../src/feeds/jurisdiction.ts'
import { keepHouse } from '../../src/jobs/housekeeping.ts'
import { residentRows } from '../support/ledger.ts'
import { accept, fix, openCorrections, type CorrectionsStage } from './corrections-stage.ts'

let stage: CorrectionsStage

beforeAll(async () => {
  stage = await openCorrections('corrections-clock')
})
afterAll(() => stage.close())

describe('a source that was fixed', () => {
  test('is synced when the next run brings another version, and not by one that brings the same', async () => {
    const { correctionId } = (await stage.raise({ id: `${stage.feed.code}/R-2` })).body
    expect(await stage.answer(correctionId, accept, fix)).toEqual([
      [200, 'accepted'],
      [200, 'source-fixed'],
    ])
    await stage.runRows(residentRows(2, 2))
    await stage.settle()
    const state = async () =>
      (await stage.platform.get('/api/v1/corrections?limit=500')).body.corrections.find(
        (one: { correctionId: number }) => one.correctionId === correctionId,
      )
    expect(await state()).toMatchObject({ state: 'source-fixed', syncedAt: null })
    await stage.runRows(residentRows(2, 2, { xm: '欧阳测试' }))
    await stage.settle()
    expect(await state()).toMatchObject({ state: 'synced', syncedVersion: 2 })
  })

  test('is synced at once where the department says which version holds the fix', async () => {
    const { correctionId } = (await stage.raise({ id: `${stage.feed.code}/R-3` })).body
    await stage.runRows(residentRows(3, 3, { xm: '欧阳测试' }))
    const say = (version: number) => ({ answer: 'fix', version })
    expect(await stage.answer(correctionId, accept, say(1), say(3), say(2))).toEqual([
      [200, 'accepted'],
      [422, 'CORRECTION_INVALID'],
      [422, 'CORRECTION_INVALID'],
      [200, 'synced'],
    ])
  })

  test('is synced by housekeeping where the record moved without a run', async () => {
    const { correctionId } = (await stage.raise({ id: `${stage.feed.code}/R-4` })).body
    await stage.answer(correctionId, accept, fix)
    await stage.installation.asOwner(
      `update gridbridge.record set version = version + 1 where feed_id = $1 and source_record_id = 'R-4'`,
      [stage.feed.feedId],
    )
    await keepHouse(stage.installation.database, {
      rejectionDays: 90,
      tombstoneDays: 400,
      datasets: stage.installation.datasets,
      clocks: loadJurisdiction('decree-809').clocks,
    })
    const [moved] = (await stage.office.editor.get(`${stage.at()}?cursor=${correctionId - 1}&limit=1`)).body.corrections
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
    const { correctionId } = (await stage.raise()).body
    await keep()
    expect(await alerts(correctionId)).toEqual([])
    await pass(correctionId)
    await keep()
    await keep()
    const late = { kind: 'correction-overdue', department: 'public-security' }
    expect(await alerts(correctionId)).toEqual([{ ...late, open: true }])
    await stage.answer(correctionId, accept)
    expect(await alerts(correctionId)).toEqual([{ ...late, open: true }])
    await stage.answer(correctionId, { answer: 'refuse', reason: '与登记一致' })
    expect(await alerts(correctionId)).toEqual([{ ...late, open: false }])
  })

  test('closes what ended ten working days ago and nobody closed', async () => {
    const { correctionId } = (await stage.raise()).body
    await stage.answer(correctionId, accept, { answer: 'refuse', reason: '与登记一致' })
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
    const moves = await stage.entries('correction.moved', `correction/${correctionId}`)
    expect(moves.find(({ details }) => details['to'] === 'closed')?.actor).toBe('system:scheduler')
  })
})
