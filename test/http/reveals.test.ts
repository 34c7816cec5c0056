import { afterAll, beforeAll, expect, test } from 'vitest'
import { followEmergencies } from '../../src/jobs/incident-clock.ts'
import { employ, type Answer, type Office, type Person } from '../support/office.ts'
import { registerAccount } from '../support/ledger.ts'
import { nameOf, namedBy } from '../support/manifests.ts'
import { openDoor } from './door.ts'
import { FEED, openRevealStage, wanted, type RevealStage } from './reveal-stage.ts'

let stage: RevealStage
let office: Office
let owner: Person
let others: RevealStage['others']

const [id, other] = [`${FEED}/R-1`, `${FEED}/R-2`]

beforeAll(async () => {
  stage = await openRevealStage()
  ;({ office, owner, others } = stage)
})
afterAll(() => stage.close())

const brief = ({ status, body }: Answer) => [status, body.code ?? body.state]
const ask: RevealStage['ask'] = (...given) => stage.ask(...given)
const decide: RevealStage['decide'] = (...given) => stage.decide(...given)
const look: RevealStage['look'] = (...given) => stage.look(...given)
const age: RevealStage['age'] = (...given) => stage.age(...given)
const review = (revealId: number, person: Person, finding = 'ok') =>
  person.post(`/api/v1/reveals/${revealId}/review`, { finding, note: '案号与查看范围相符，已核实' })

async function approved(change: object = {}): Promise<number> {
  const { revealId } = (await ask(change)).body
  await decide(revealId, owner, 'data')
  await decide(revealId, office.officer, 'security')
  return revealId
}

const entriesOf = (revealId: number) =>
  stage.installation.asOwner<{ type: string; actor: string; count: number; said: Record<string, unknown> }>(
    `select event_type as type, actor, count, convert_from(body, 'UTF8')::jsonb as said from audit.entry
      where convert_from(body, 'UTF8')::jsonb->>'object' = $1 order by recorded_at`,
    [`reveal/${revealId}`],
  )

async function alertsOf(revealId: number): Promise<readonly string[]> {
  const rows = await stage.installation.asOwner<{ kind: string }>(
    'select kind from gridbridge.alert where object = $1 order by alert_id',
    [`reveal/${revealId}`],
  )
  return rows.map(({ kind }) => kind)
}

test('two others agree, then who asked sees the fields that were asked for, and every step is written down', async () => {
  const asked = await ask({ records: [id, other] })
  expect(brief(asked)).toEqual([200, 'requested'])
  const { revealId } = asked.body
  expect(brief(await look(revealId))).toEqual([409, 'REVEAL_STATE'])
  expect(brief(await decide(revealId, owner, 'data'))).toEqual([200, 'requested'])
  expect(brief(await look(revealId))).toEqual([409, 'REVEAL_STATE'])
  expect(brief(await decide(revealId, office.officer, 'security'))).toEqual([200, 'approved'])
  const seen = await look(revealId)
  expect(seen.status).toBe(200)
  expect(seen.headers.get('cache-control')).toBe('no-store')
  expect(seen.body.records.map(({ id: of }: { id: string }) => of)).toEqual([id, other])
  for (const { fields } of seen.body.records) expect(Object.keys(fields).toSorted()).toEqual(['name', 'phone'])
  await look(revealId)
  const entries = await entriesOf(revealId)
  expect(entries.map(({ type, actor, count }) => [type, actor, count])).toEqual([
    ['reveal.asked', 'account:ga-editor', 2],
    ['reveal.approved', 'account:ga-owner', 2],
    ['reveal.approved', 'account:officer', 2],
    ['reveal.looked', 'account:ga-editor', 2],
    ['reveal.looked', 'account:ga-editor', 2],
  ])
  const details = entries.at(-1)?.said['details'] as { records: string; persons: string }
  const token = stage.installation.keys.token('audit', `record|resident|${FEED}|R-1`)
  expect(details).toMatchObject({ caseNumber: wanted.caseNumber, urgent: false, look: 2, fields: 'name phone' })
  expect(details.records.split(' ')).toContain(token)
  expect(await namedBy(stage.installation, 'reveal.looked')).toEqual([[details.persons], [details.persons]])
  expect(details.persons).toBe(nameOf(stage.installation, '510502190001010017'))
  expect(await alertsOf(revealId)).toEqual(['reveal-opened'])
})

test('clear values are in the answer and nowhere else', async () => {
  const revealId = await approved({ fields: ['name', 'certNumber', 'phone'] })
  const [{ fields }] = (await look(revealId)).body.records
  const values = Object.values(fields as Record<string, string>)
  expect(values).toHaveLength(3)
  const rest = JSON.stringify([
    (await office.editor.get(`/api/v1/reveals/${revealId}`)).body,
    (await office.auditor.get('/api/v1/reveals?review=true')).body,
    (await office.auditor.get('/api/v1/alerts')).body,
    await entriesOf(revealId),
    await stage.installation.asOwner(`select * from gridbridge.reveal_look`),
    await stage.installation.asOwner(
      `select reveal::text, reveal_review::text from gridbridge.reveal left join gridbridge.reveal_review using (reveal_id)`,
    ),
  ])
  for (const value of values) {
    expect(value.length).toBeGreaterThan(1)
    expect(rest).not.toContain(value)
  }
})

test('nobody else looks, whoever they are', async () => {
  const revealId = await approved()
  for (const [name, person] of Object.entries(others).filter(([one]) => one !== 'editor')) {
    expect([name, ...brief(await look(revealId, person))]).toEqual([name, 403, 'FORBIDDEN'])
  }
  expect((await entriesOf(revealId)).filter(({ type }) => type === 'reveal.looked')).toEqual([])
})

const refusals = ['neighbour', 'officer', 'engineer', 'auditor', 'owner', 'stranger', 'consumer'] as const
test.each(refusals)('%s may not ask', async (name) => {
  expect(brief(await ask({}, others[name]))).toEqual(
    name === 'neighbour' ? [404, 'RECORD_UNKNOWN'] : [403, 'FORBIDDEN'],
  )
})

test.each<readonly [string, object, readonly [number, string]]>([
  ['a field that is not hidden', { fields: ['gridCode', 'sex'] }, [400, 'REQUEST_INVALID']],
  ['a record that does not exist', { records: [id, `${FEED}/R-9`] }, [404, 'RECORD_UNKNOWN']],
  ['an item that is not on the list', { purpose: 'LZ-QD-999' }, [404, 'ITEM_UNKNOWN']],
  ['a dataset that does not exist', { dataset: 'nothing' }, [400, 'REQUEST_INVALID']],
  ['a dataset of other records', { dataset: 'housing', fields: ['ownerName'] }, [404, 'RECORD_UNKNOWN']],
  [
    'more than 100 records',
    { records: Array.from({ length: 101 }, (_, at) => `${FEED}/R-${at}`) },
    [400, 'REQUEST_INVALID'],
  ],
  ['no record', { records: [] }, [400, 'REQUEST_INVALID']],
  ['more minutes', { minutes: 31 }, [400, 'REQUEST_INVALID']],
  ['more minutes of break-glass', { urgent: true, minutes: 11 }, [400, 'REQUEST_INVALID']],
  ['a reason that names a person', { reason: '核实510502190001010017' }, [400, 'REQUEST_INVALID']],
  ['no case', { caseNumber: undefined }, [400, 'REQUEST_INVALID']],
])('what may not be asked for: %s', async (_what, change, answer) => {
  expect(brief(await ask(change))).toEqual(answer)
})

test('neither who asks, nor another role, nor another department agrees, and nobody twice', async () => {
  const { revealId } = (await ask({}, office.reviewer)).body
  const own = new Set(['owner data', 'officer security'])
  const tries = Object.keys(others).flatMap((name) => [`${name} data`, `${name} security`])
  for (const one of tries.filter((each) => !own.has(each))) {
    const [name = '', duty = ''] = one.split(' ')
    expect([one, ...brief(await decide(revealId, others[name] ?? owner, duty))]).toEqual([one, 403, 'FORBIDDEN'])
  }
  expect(brief(await decide(revealId, owner, 'data'))).toEqual([200, 'requested'])
  expect(brief(await decide(revealId, owner, 'data'))).toEqual([409, 'SECOND_PERSON'])
})

test('one refusal, with its reason, is the end', async () => {
  const { revealId } = (await ask()).body
  expect(brief(await decide(revealId, office.officer, 'security', { decision: 'refuse' }))).toEqual([
    400,
    'REQUEST_INVALID',
  ])
  const refused = await decide(revealId, office.officer, 'security', { decision: 'refuse', reason: '范围超出办案需要' })
  expect(brief(refused)).toEqual([200, 'refused'])
  expect(brief(await decide(revealId, owner, 'data'))).toEqual([409, 'REVEAL_STATE'])
  expect(brief(await look(revealId))).toEqual([409, 'REVEAL_STATE'])
})

test('the time runs from the first look, and what was not used expires', async () => {
  const revealId = await approved({ minutes: 5 })
  await age(revealId, 60)
  expect((await look(revealId)).status).toBe(200)
  await age(revealId, 4)
  expect((await look(revealId)).status).toBe(200)
  await age(revealId, 2)
  expect(brief(await look(revealId))).toEqual([410, 'REVEAL_EXPIRED'])
  const unused = await approved()
  await age(unused, 24 * 60 + 1)
  expect(brief(await look(unused))).toEqual([410, 'REVEAL_EXPIRED'])
})

test('break-glass: one agrees, it is told at once, and it lasts ten minutes and an hour', async () => {
  const asked = await ask({ urgent: true })
  expect(asked.body).toMatchObject({ state: 'requested', minutes: 10 })
  const { revealId } = asked.body
  expect(await alertsOf(revealId)).toEqual(['reveal-break-glass'])
  expect(brief(await look(revealId))).toEqual([409, 'REVEAL_STATE'])
  expect(brief(await decide(revealId, office.officer, 'security'))).toEqual([200, 'approved'])
  expect((await look(revealId)).status).toBe(200)
  await age(revealId, 11)
  expect(brief(await look(revealId))).toEqual([410, 'REVEAL_EXPIRED'])
  const unused = (await ask({ urgent: true })).body.revealId
  await decide(unused, owner, 'data')
  await age(unused, 61)
  expect(brief(await look(unused))).toEqual([410, 'REVEAL_EXPIRED'])
})

test('what was looked at waits for its review, which the audit administrator alone makes, once; late or bad it is told', async () => {
  const unseen = await approved()
  const revealId = await approved()
  await look(revealId)
  const listed = async () =>
    ((await office.auditor.get('/api/v1/reveals?review=true')).body.reveals as { revealId: number }[]).map(
      (one) => one.revealId,
    )
  expect(await listed()).toContain(revealId)
  expect(await listed()).not.toContain(unseen)
  for (const [name, person] of Object.entries(others).filter(([one]) => one !== 'auditor'))
    expect([name, ...brief(await review(revealId, person))]).toEqual([name, 403, 'FORBIDDEN'])
  expect(brief(await review(unseen, office.auditor))).toEqual([409, 'REVEAL_STATE'])
  await followEmergencies(stage.installation.database, [])
  expect(await alertsOf(revealId)).toEqual(['reveal-opened'])
  await age(revealId, 24 * 60 + 1)
  await followEmergencies(stage.installation.database, [])
  await followEmergencies(stage.installation.database, [])
  expect(await alertsOf(revealId)).toEqual(['reveal-opened', 'reveal-unreviewed'])
  expect((await review(revealId, office.auditor, 'not-ok')).body).toMatchObject({
    finding: 'not-ok',
    reviewedBy: 'auditor',
  })
  expect(await alertsOf(revealId)).toEqual(['reveal-opened', 'reveal-unreviewed', 'reveal-misused'])
  expect(brief(await review(revealId, office.auditor))).toEqual([409, 'REVEAL_STATE'])
  expect(await listed()).not.toContain(revealId)
})

test('a frozen dataset is not revealed', async () => {
  const revealId = await approved()
  const { freezeId } = (await office.officer.post('/api/v1/freezes', { scope: 'feed', name: FEED, reason: '测试' }))
    .body
  expect(brief(await look(revealId))).toEqual([503, 'FROZEN'])
  await registerAccount(stage.installation, 'officer-2', 'security-administrator')
  await stage.installation.asOwner(
    `update gridbridge.freeze_order set lifted_at = now(), lift_reason = '测试',
       lifted_by = (select account_id from gridbridge.account where name = 'officer-2') where freeze_id = $1`,
    [freezeId],
  )
  expect((await look(revealId)).status).toBe(200)
})

test('three requests a day, where it is set so', async () => {
  const small = await openDoor(stage.installation, {
    revealRules: { perDay: 3, minutes: 30, urgentMinutes: 10, hours: 24 },
  })
  const url = await small.listen({ port: 0, host: '127.0.0.1' })
  const busy = await employ(stage.installation, url, 'ga-busy', 'department-editor', 'public-security')
  const answers = []
  for (let time = 1; time <= 4; time++) answers.push(brief(await ask({}, busy)))
  expect(answers).toEqual([...Array.from({ length: 3 }, () => [200, 'requested']), [429, 'REVEALS_SPENT']])
  await small.close()
})
