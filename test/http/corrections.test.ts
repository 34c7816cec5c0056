import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addWorkingDays } from '../../src/feeds/working-days.ts'
import type { Feed } from '../../src/store/feeds.ts'
import { finishRun } from '../../src/store/finish-run.ts'
import { savePage } from '../../src/store/save-page.ts'
import { beginRun, makePage, residentRows } from '../support/ledger.ts'
import type { Answer } from '../support/office.ts'
import { openWayBack, type System, type WayBackStage } from './way-back-stage.ts'

let stage: WayBackStage
let feed: Feed
let platform: System
let stranger: System
let numbers = 0

beforeAll(async () => {
  stage = await openWayBack('corrections')
  feed = await stage.openFeed(5)
  platform = await stage.connect('grid-platform', { forms: { name: 'mask', gridCode: 'mask', birthDate: 'omit' } })
  stranger = await stage.connect('housing-platform', { dataset: 'housing' })
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

describe('a report', () => {
  test('becomes a ticket that the department has ten working days to answer', async () => {
    const { status, body } = await raise()
    expect(status).toBe(200)
    expect(body).toMatchObject({ state: 'open', field: 'name', version: 1, overdue: false, id: `${feed.code}/R-1` })
    const { due } = addWorkingDays(new Date(body.raisedAt), 10)
    expect(body.dueAt).toBe(due.toISOString())
    expect(await entries('correction.raised', `correction/${body.correctionId}`)).toMatchObject([
      { actor: 'consumer:grid-platform', details: { kind: 'wrong-value', field: 'name' } },
    ])
  })

  test('is answered with the first ticket when it comes again, even after its record is gone, and 409 with other content', async () => {
    const first = report({ id: `${feed.code}/R-5`, kind: 'gone', field: null, observed: null })
    const { body } = await platform.post('/api/v1/corrections', first)
    await runRows(residentRows(5, 5, { scbz: '1' }))
    expect((await platform.post('/api/v1/corrections', first)).body).toEqual(body)
    expect(brief(await raise({ id: `${feed.code}/R-5` }))).toEqual([404, 'RECORD_UNKNOWN'])
    expect(brief(await platform.post('/api/v1/corrections', { ...first, kind: 'duplicate' }))).toEqual([
      409,
      'CORRECTION_CONFLICT',
    ])
    expect(brief(await platform.post('/api/v1/corrections', { ...first, observed: OBSERVED }))).toEqual([
      409,
      'CORRECTION_CONFLICT',
    ])
  })

  test('comes twenty times at once and is one ticket', async () => {
    const same = report()
    const answers = await Promise.all(Array.from({ length: 20 }, () => platform.post('/api/v1/corrections', same)))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    expect(new Set(answers.map(({ body }) => body.correctionId)).size).toBe(1)
  })

  test('is refused for a field that is not granted, and for one that does not exist, in the same words', async () => {
    const [omitted, unnamed, unknown, inherited] = await Promise.all(
      ['birthDate', 'certNumber', 'nothing', 'constructor'].map((field) => raise({ field })),
    )
    expect(omitted?.status).toBe(422)
    for (const other of [unnamed, unknown, inherited]) expect(other).toEqual(omitted)
  })

  test('is refused in the same words for a record that is unknown, of another dataset, or without a feed', async () => {
    const housing = await stage.connect('all-round', { dataset: 'grid', forms: { gridName: 'mask' } })
    const none = await raise({ id: `${feed.code}/R-999` })
    expect(brief(none)).toEqual([404, 'RECORD_UNKNOWN'])
    for (const id of ['NO-FEED-001/R-1', 'no-slash', `${feed.code}/`, 'GB-PERSON-001/zz'])
      expect(await raise({ id })).toEqual(none)
    const other = report({ dataset: 'grid', field: 'gridName' })
    expect(await housing.post('/api/v1/corrections', other)).toEqual(none)
  })

  test('is refused in the same words for a record outside the area, and taken inside it', async () => {
    const [elsewhere, inside] = await Promise.all(
      ['510503', '510502001'].map((area) => stage.connect(`town-${area}`, { area: [area] })),
    )
    const none = await raise({ id: `${feed.code}/R-999` })
    expect(await elsewhere?.post('/api/v1/corrections', report())).toEqual(none)
    expect((await inside?.post('/api/v1/corrections', report()))?.body.state).toBe('open')
  })

  test('needs an agreement, and the refusal is audited', async () => {
    expect(brief(await stranger.post('/api/v1/corrections', report()))).toEqual([403, 'AGREEMENT_MISSING'])
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
    expect(brief(await raise(change))).toEqual(expected)
  })

  test('keeps what was observed sealed, and shows it to the department of the record alone', async () => {
    const { body } = await raise({ note: '登门核实' })
    const [row] = await stage.installation.asOwner<{ text: string }>(
      'select correction::text as text from gridbridge.correction where correction_id = $1',
      [body.correctionId],
    )
    expect(row?.text).not.toMatch(/李样例|登门/)
    expect(row?.text).not.toContain(Buffer.from(OBSERVED).toString('hex'))
    expect(JSON.stringify(body)).not.toMatch(/李样例|登门/)
    const page = (query: string) => `${at()}?cursor=${body.correctionId - 1}&${query}`
    const own = await stage.office.editor.get(page('limit=1'))
    expect(own.body.corrections).toMatchObject([{ observed: OBSERVED, note: '登门核实', recordId: 'R-1' }])
    const officer = await stage.office.officer.get(page('limit=1'))
    expect(officer.body.corrections).toMatchObject([{ observed: null, note: null, recordId: null }])
    expect((await stage.office.neighbour.get(at())).body.code).toBe('FORBIDDEN')
    const viewed = await stage.installation.asOwner<{ actor: string; clear: boolean }>(
      `select actor, (convert_from(body, 'UTF8')::jsonb->'details'->>'clear')::boolean as clear from audit.entry
        where event_type = 'corrections.viewed' and feed = $1 order by recorded_at`,
      [feed.code],
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
    const { body: ticket } = await raise()
    const { correctionId } = ticket
    const { reason: _reason, ...silent } = body
    expect(await answer(correctionId, accept, silent, body, body)).toEqual([
      [200, 'accepted'],
      [400, 'REQUEST_INVALID'],
      [200, state],
      [409, 'CORRECTION_STATE'],
    ])
    await stage.settle()
    const { corrections } = (await platform.get('/api/v1/corrections?limit=500')).body
    expect(corrections.at(-1)).toMatchObject({ correctionId, state, reason: body.reason })
    const { notices } = (await platform.get('/api/v1/notices?limit=500')).body
    expect(notices.slice(-2)).toMatchObject([
      { type: 'correction.accepted', data: { correctionId, state: 'accepted' } },
      { type: 'correction.answered', data: { correctionId, state, reason: body.reason, reference: ticket.reference } },
    ])
    expect(brief(await stranger.post(`/api/v1/corrections/${correctionId}/closure`))).toEqual([
      404,
      'CORRECTION_UNKNOWN',
    ])
    expect(brief(await platform.post(`/api/v1/corrections/${correctionId}/closure`))).toEqual([200, 'closed'])
    expect(brief(await platform.post(`/api/v1/corrections/${correctionId}/closure`))).toEqual([409, 'CORRECTION_STATE'])
  })

  test('begins with accepting, and is given by the department of the record alone', async () => {
    const { correctionId } = (await raise()).body
    expect(await answer(correctionId, fix)).toEqual([[409, 'CORRECTION_STATE']])
    for (const person of [stage.office.neighbour, stage.office.officer, stage.office.engineer, stage.office.auditor])
      expect(brief(await person.post(at(`/${correctionId}/answers`), accept))).toEqual([403, 'FORBIDDEN'])
    const other = await stage.openFeed(1)
    const elsewhere = `/api/v1/feeds/${other.code}/corrections/${correctionId}/answers`
    expect(brief(await stage.office.editor.post(elsewhere, accept))).toEqual([404, 'CORRECTION_UNKNOWN'])
  })

  test('holds no number of a person in its reason', async () => {
    const { correctionId } = (await raise()).body
    const reason = '应为510502190001010017'
    expect(await answer(correctionId, accept, { answer: 'refuse', reason })).toEqual([
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
    const { body } = await platform.get(`/api/v1/corrections?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`)
    seen.push(...body.corrections.map((one: { correctionId: number }) => one.correctionId))
    cursor = body.cursor
    if (body.hasMore === false) break
  }
  const [row] = await stage.installation.asOwner<{ tickets: number }>(
    'select count(*)::int as tickets from gridbridge.correction where consumer_id = $1',
    [platform.consumerId],
  )
  expect(new Set(seen).size).toBe(seen.length)
  expect(seen.length).toBe(row?.tickets)
  expect((await platform.get(`/api/v1/corrections?cursor=${cursor}`)).body).toMatchObject({ corrections: [], cursor })
  expect((await stranger.get('/api/v1/corrections')).body.corrections).toEqual([])
  expect((await stranger.get('/api/v1/notices')).body.notices).toEqual([])
})
