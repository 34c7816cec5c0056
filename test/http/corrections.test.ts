import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addWorkingDays } from '../../src/feeds/working-days.ts'
import { residentRows } from '../support/ledger.ts'
import { accept, brief, fix, OBSERVED, openCorrections, type CorrectionsStage } from './corrections-stage.ts'
import type { System } from './way-back-stage.ts'

let stage: CorrectionsStage
let stranger: System

beforeAll(async () => {
  stage = await openCorrections('corrections')
  stranger = await stage.connect('housing-platform', { dataset: 'housing' })
})
afterAll(() => stage.close())

describe('a report', () => {
  test('becomes a ticket that the department has ten working days to answer', async () => {
    const { status, body } = await stage.raise()
    expect(status).toBe(200)
    expect(body).toMatchObject({
      state: 'open',
      field: 'name',
      version: 1,
      overdue: false,
      id: `${stage.feed.code}/R-1`,
    })
    const { due } = addWorkingDays(new Date(body.raisedAt), 10)
    expect(body.dueAt).toBe(due.toISOString())
    expect(await stage.entries('correction.raised', `correction/${body.correctionId}`)).toMatchObject([
      { actor: 'consumer:grid-platform', details: { kind: 'wrong-value', field: 'name' } },
    ])
  })

  test('is answered with the first ticket when it comes again, even after its record is gone, and 409 with other content', async () => {
    const first = stage.report({ id: `${stage.feed.code}/R-5`, kind: 'gone', field: null, observed: null })
    const { body } = await stage.platform.post('/api/v1/corrections', first)
    await stage.runRows(residentRows(5, 5, { scbz: '1' }))
    expect((await stage.platform.post('/api/v1/corrections', first)).body).toEqual(body)
    expect(brief(await stage.raise({ id: `${stage.feed.code}/R-5` }))).toEqual([404, 'RECORD_UNKNOWN'])
    expect(brief(await stage.platform.post('/api/v1/corrections', { ...first, kind: 'duplicate' }))).toEqual([
      409,
      'CORRECTION_CONFLICT',
    ])
    expect(brief(await stage.platform.post('/api/v1/corrections', { ...first, observed: OBSERVED }))).toEqual([
      409,
      'CORRECTION_CONFLICT',
    ])
  })

  test('comes twenty times at once and is one ticket', async () => {
    const same = stage.report()
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => stage.platform.post('/api/v1/corrections', same)),
    )
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    expect(new Set(answers.map(({ body }) => body.correctionId)).size).toBe(1)
  })

  test('is refused for a field that is not granted, and for one that does not exist, in the same words', async () => {
    const [omitted, unnamed, unknown, inherited] = await Promise.all(
      ['birthDate', 'certNumber', 'nothing', 'constructor'].map((field) => stage.raise({ field })),
    )
    expect(omitted?.status).toBe(422)
    for (const other of [unnamed, unknown, inherited]) expect(other).toEqual(omitted)
  })

  test('is refused in the same words for a record that is unknown, of another dataset, or without a feed', async () => {
    const housing = await stage.connect('all-round', { dataset: 'grid', forms: { gridName: 'mask' } })
    const none = await stage.raise({ id: `${stage.feed.code}/R-999` })
    expect(brief(none)).toEqual([404, 'RECORD_UNKNOWN'])
    for (const id of ['NO-FEED-001/R-1', 'no-slash', `${stage.feed.code}/`, 'GB-PERSON-001/zz'])
      expect(await stage.raise({ id })).toEqual(none)
    const other = stage.report({ dataset: 'grid', field: 'gridName' })
    expect(await housing.post('/api/v1/corrections', other)).toEqual(none)
  })

  test('is refused in the same words for a record outside the area, and taken inside it', async () => {
    const [elsewhere, inside] = await Promise.all(
      ['510503', '510502001'].map((area) => stage.connect(`town-${area}`, { area: [area] })),
    )
    const none = await stage.raise({ id: `${stage.feed.code}/R-999` })
    expect(await elsewhere?.post('/api/v1/corrections', stage.report())).toEqual(none)
    expect((await inside?.post('/api/v1/corrections', stage.report()))?.body.state).toBe('open')
  })

  test('needs an agreement, and the refusal is audited', async () => {
    expect(brief(await stranger.post('/api/v1/corrections', stage.report()))).toEqual([403, 'AGREEMENT_MISSING'])
    expect(
      await stage.installation.asOwner(
        `select dataset from audit.entry where event_type = 'access.denied' and actor = 'consumer:housing-platform'`,
      ),
    ).toEqual([{ dataset: 'resident' }])
  })

  test.each([
    ['a version that is not there yet', { version: 9 }, [422, 'CORRECTION_INVALID']],
    ['no field where one is wanted', { field: null }, [422, 'CORRECTION_INVALID']],
    ['evidence of tomorrow', { evidenceAt: '2999-01-01T00:00:00Z' }, [400, 'REQUEST_INVALID']],
    ['a time without an offset', { evidenceAt: '2026-11-02T09:00:00' }, [400, 'REQUEST_INVALID']],
    ['a kind that does not exist', { kind: 'wrong' }, [400, 'REQUEST_INVALID']],
    ['a member that does not exist', { phone: '1' }, [400, 'REQUEST_INVALID']],
    ['a reference with a space', { reference: 'JH 1' }, [400, 'REQUEST_INVALID']],
  ])('with %s is refused', async (_what, change, expected) => {
    expect(brief(await stage.raise(change))).toEqual(expected)
  })

  test('keeps what was observed sealed, and shows it to the department of the record alone', async () => {
    const { body } = await stage.raise({ note: '登门核实' })
    const [row] = await stage.installation.asOwner<{ text: string }>(
      'select correction::text as text from gridbridge.correction where correction_id = $1',
      [body.correctionId],
    )
    expect(row?.text).not.toMatch(/李样例|登门/)
    expect(row?.text).not.toContain(Buffer.from(OBSERVED).toString('hex'))
    expect(JSON.stringify(body)).not.toMatch(/李样例|登门/)
    const page = (query: string) => `${stage.at()}?cursor=${body.correctionId - 1}&${query}`
    const own = await stage.office.editor.get(page('limit=1'))
    expect(own.body.corrections).toMatchObject([{ observed: OBSERVED, note: '登门核实', recordId: 'R-1' }])
    const officer = await stage.office.officer.get(page('limit=1'))
    expect(officer.body.corrections).toMatchObject([{ observed: null, note: null, recordId: null }])
    expect((await stage.office.neighbour.get(stage.at())).body.code).toBe('FORBIDDEN')
    const viewed = await stage.installation.asOwner<{ actor: string; clear: boolean }>(
      `select actor, (convert_from(body, 'UTF8')::jsonb->'details'->>'clear')::boolean as clear from audit.entry
        where event_type = 'corrections.viewed' and feed = $1 order by recorded_at`,
      [stage.feed.code],
    )
    expect(viewed).toEqual([
      { actor: 'account:ga-editor', clear: true },
      { actor: 'account:officer', clear: false },
    ])
  })
})

describe('the answer of the department', () => {
  test.each([
    ['refused', { answer: 'refuse', reason: '与登记一致' }, 'rejected'],
    ['not found', { answer: 'cannot-find', reason: '查无此人' }, 'cannot-find'],
  ])('is %s with a reason, reaches the consumer, and is closed by it', async (_what, body, state) => {
    const { body: ticket } = await stage.raise()
    const { correctionId } = ticket
    const { reason: _reason, ...silent } = body
    expect(await stage.answer(correctionId, accept, silent, body, body)).toEqual([
      [200, 'accepted'],
      [400, 'REQUEST_INVALID'],
      [200, state],
      [409, 'CORRECTION_STATE'],
    ])
    await stage.settle()
    const { corrections } = (await stage.platform.get('/api/v1/corrections?limit=500')).body
    expect(corrections.at(-1)).toMatchObject({ correctionId, state, reason: body.reason })
    const { notices } = (await stage.platform.get('/api/v1/notices?limit=500')).body
    expect(notices.slice(-2)).toMatchObject([
      { type: 'correction.accepted', data: { correctionId, state: 'accepted' } },
      { type: 'correction.answered', data: { correctionId, state, reason: body.reason, reference: ticket.reference } },
    ])
    expect(brief(await stranger.post(`/api/v1/corrections/${correctionId}/closure`))).toEqual([
      404,
      'CORRECTION_UNKNOWN',
    ])
    expect(brief(await stage.platform.post(`/api/v1/corrections/${correctionId}/closure`))).toEqual([200, 'closed'])
    expect(brief(await stage.platform.post(`/api/v1/corrections/${correctionId}/closure`))).toEqual([
      409,
      'CORRECTION_STATE',
    ])
  })

  test('begins with accepting, and is given by the department of the record alone', async () => {
    const { correctionId } = (await stage.raise()).body
    expect(await stage.answer(correctionId, fix)).toEqual([[409, 'CORRECTION_STATE']])
    for (const person of [stage.office.neighbour, stage.office.officer, stage.office.engineer, stage.office.auditor])
      expect(brief(await person.post(stage.at(`/${correctionId}/answers`), accept))).toEqual([403, 'FORBIDDEN'])
    const other = await stage.openFeed(1)
    const elsewhere = `/api/v1/feeds/${other.code}/corrections/${correctionId}/answers`
    expect(brief(await stage.office.editor.post(elsewhere, accept))).toEqual([404, 'CORRECTION_UNKNOWN'])
  })

  test('holds no number of a person in its reason', async () => {
    const { correctionId } = (await stage.raise()).body
    const reason = '应为510502190001010017'
    expect(await stage.answer(correctionId, accept, { answer: 'refuse', reason })).toEqual([
      [200, 'accepted'],
      [400, 'REQUEST_INVALID'],
    ])
  })
})

test('a consumer reads its tickets page by page, each as it is now, and nobody else’s', async () => {
  await stage.settle()
  const seen: number[] = []
  let cursor = ''
  for (;;) {
    const { body } = await stage.platform.get(`/api/v1/corrections?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`)
    seen.push(...body.corrections.map((one: { correctionId: number }) => one.correctionId))
    cursor = body.cursor
    if (body.hasMore === false) break
  }
  const [row] = await stage.installation.asOwner<{ tickets: number }>(
    'select count(*)::int as tickets from gridbridge.correction where consumer_id = $1',
    [stage.platform.consumerId],
  )
  expect(new Set(seen).size).toBe(seen.length)
  expect(seen.length).toBe(row?.tickets)
  expect((await stage.platform.get(`/api/v1/corrections?cursor=${cursor}`)).body).toMatchObject({
    corrections: [],
    cursor,
  })
  expect((await stranger.get('/api/v1/corrections')).body.corrections).toEqual([])
  expect((await stranger.get('/api/v1/notices')).body.notices).toEqual([])
})
