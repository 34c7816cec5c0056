import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadJurisdiction } from '../../src/feeds/jurisdiction.ts'
import { followEmergencies } from '../../src/jobs/incident-clock.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerConsumer, registerFeed, residentRows, storeRows } from '../support/ledger.ts'
import { employ, employAll, type Answer, type Office, type Person } from '../support/office.ts'
import { bearerOf, openDoor } from './door.ts'

let installation: TestInstallation
let server: FastifyInstance
let office: Office
let second: Person
let others: Readonly<Record<string, Person>>
let bearer = ''

beforeAll(async () => {
  installation = await openTestInstallation('api')
  server = await openDoor(installation)
  const url = await server.listen({ port: 0, host: '127.0.0.1' })
  office = await employAll(installation, url)
  second = await employ(installation, url, 'officer-2', 'security-administrator')
  const owner = await employ(installation, url, 'ga-owner', 'data-owner', 'public-security')
  const consumer = await registerConsumer(installation, 'platform')
  const engineer = await employ(installation, url, 'wg-engineer', 'consumer-engineer', 'platform')
  others = { ...office, owner, consumer: engineer }
  await storeRows(installation, await registerFeed(installation, 'LZ-GA-RK-001'), residentRows(1, 3))
  bearer = await bearerOf(server, { name: 'platform', clientSecret: consumer.clientSecret })
})
afterAll(async () => {
  await server.close()
  await installation.close()
})

const HOUR_MS = 3_600_000
const hoursAgo = (hours: number): string => new Date(Date.now() - hours * HOUR_MS).toISOString()
const brief = ({ status, body }: Answer) => [status, body.code ?? body.state]
const open = (change: object = {}, person = office.officer): Promise<Answer> =>
  person.post('/api/v1/incidents', { title: '使用方凭证泄露', level: 'larger', ...change })
const change = (incidentId: number, body: object, person = office.officer) =>
  person.post(`/api/v1/incidents/${incidentId}/contents`, body)
const tell = (incidentId: number, duty: string, body: object = {}, person = office.officer) =>
  person.post(`/api/v1/incidents/${incidentId}/notices`, {
    duty,
    decision: 'sent',
    recipient: '四川省互联网信息办公室',
    evidence: '川网信收〔2026〕7号',
    ...body,
  })
const close = (incidentId: number, person: Person) =>
  person.post(`/api/v1/incidents/${incidentId}/closure`, { review: '凭证改为专人保管并定期轮换' })

const contents = {
  endedAt: hoursAgo(0.1),
  categories: '姓名、居民身份证号码、联系电话',
  causes: '使用方运维人员误将凭证提交至外部代码仓库',
  harm: '可能被用于电信网络诈骗',
  measures: '已冻结使用方并更换凭证',
  advice: '警惕陌生来电，及时修改相关账户密码',
  contact: '市网格化服务管理中心 0830-0000000',
  persons: 3,
  records: 3,
}

const states = ({ body }: Answer) =>
  Object.fromEntries(body.deadlines.map(({ duty, state }: { duty: string; state: string }) => [duty, state]))

const alertsOf = async (incidentId: number) =>
  installation.asOwner<{ kind: string; object: string; open: boolean }>(
    `select kind, object, cleared_at is null as open from gridbridge.alert where object like $1 order by alert_id`,
    [`incident/${incidentId}/%`],
  )

test('the deadlines of the jurisdiction run from when it was known, for the level that it has', async () => {
  const opened = await open({ knownAt: hoursAgo(3.5), level: 'ordinary' })
  expect(opened.status).toBe(200)
  const { incidentId } = opened.body
  expect(states(opened)).toEqual({ authority: 'running', persons: 'running' })
  const graver = await change(incidentId, { level: 'major' })
  expect(states(graver)).toEqual({ regulator: 'due-soon', authority: 'running', persons: 'running' })
  expect(states(await open({ knownAt: hoursAgo(100) }))).toEqual({
    regulator: 'overdue',
    authority: 'overdue',
    persons: 'overdue',
  })
})

test('a deadline is told of before and when it is over, once each, and no more when somebody was told', async () => {
  const { incidentId } = (await open()).body
  const duties = loadJurisdiction('decree-809').incidentDuties
  const follow = (hours: number) =>
    followEmergencies(installation.database, duties, new Date(Date.now() + hours * HOUR_MS))
  const object = `incident/${incidentId}/regulator`
  await follow(2.9)
  expect(await alertsOf(incidentId)).toEqual([])
  await follow(3.1)
  await follow(3.2)
  expect(await alertsOf(incidentId)).toEqual([{ kind: 'incident-due', object, open: true }])
  await follow(4.1)
  expect((await alertsOf(incidentId)).map(({ kind }) => kind)).toEqual(['incident-due', 'incident-overdue'])
  expect(states(await tell(incidentId, 'regulator'))).toMatchObject({ regulator: 'done' })
  expect((await alertsOf(incidentId)).map(({ open: isOpen }) => isOpen)).toEqual([false, false])
  await follow(5)
  expect(await alertsOf(incidentId)).toHaveLength(2)
})

test('it is closed by another person, whole, with everybody told and every freeze lifted, and then stays as it is', async () => {
  const frozen = await office.officer.post('/api/v1/freezes', {
    scope: 'consumer',
    name: 'platform',
    reason: '凭证泄露',
    incident: 'new',
  })
  const { freezeId, incidentId } = frozen.body
  expect(incidentId).toBeTypeOf('number')
  const missing = await close(incidentId, second)
  expect(brief(missing)).toEqual([409, 'INCIDENT_INCOMPLETE'])
  for (const place of [...Object.keys(contents), 'notice to authority', `lift of freeze ${freezeId}`])
    expect(missing.body.detail).toContain(place)
  expect((await change(incidentId, { ...contents, beganAt: hoursAgo(1), state: 'contained' })).body).toMatchObject({
    ...contents,
    state: 'contained',
  })
  await tell(incidentId, 'authority')
  await tell(incidentId, 'persons', {
    decision: 'waived',
    recipient: '涉及个人',
    evidence: '已采取措施，能够有效避免危害',
  })
  expect(brief(await close(incidentId, second))).toEqual([409, 'INCIDENT_INCOMPLETE'])
  await second.post(`/api/v1/freezes/${freezeId}/lift`, { reason: '凭证已更换' })
  expect(brief(await close(incidentId, office.officer))).toEqual([409, 'SECOND_PERSON'])
  expect(brief(await close(incidentId, second))).toEqual([200, 'closed'])
  expect(brief(await change(incidentId, { harm: '无' }))).toEqual([409, 'INCIDENT_STATE'])
  expect(brief(await tell(incidentId, 'authority'))).toEqual([409, 'INCIDENT_STATE'])
  expect(brief(await close(incidentId, second))).toEqual([409, 'INCIDENT_STATE'])
})

test('its report says what left to whom in its time, by the audit log', async () => {
  const pull = () => server.inject({ url: '/api/v1/datasets/resident/changes', headers: { authorization: bearer } })
  const { incidentId } = (
    await open({ scope: 'consumer', name: 'platform', beganAt: hoursAgo(0.01), knownAt: hoursAgo(0.01) })
  ).body
  await pull()
  await pull()
  const report = await office.auditor.get(`/api/v1/incidents/${incidentId}/report`)
  const pulls = await installation.asOwner<{ answers: string; records: string }>(
    `select count(*) as answers, sum(count) as records from audit.entry where event_type = 'changes.pulled' and actor = 'consumer:platform' and recorded_at >= $1`,
    [report.body.incident.beganAt],
  )
  expect(Number(pulls[0]?.answers)).toBeGreaterThanOrEqual(2)
  expect(report.body.disclosed).toMatchObject([
    {
      receiver: 'consumer:platform',
      dataset: 'resident',
      answers: Number(pulls[0]?.answers),
      records: Number(pulls[0]?.records),
    },
  ])
  expect(report.body.text).toContain('个人信息保护法第五十七条')
  expect(report.body.text).toContain('consumer:platform resident')
  expect(report.body.text).toContain('（待补充）')
  const elsewhere = (
    await open({ scope: 'dataset', name: 'housing', beganAt: hoursAgo(0.01), knownAt: hoursAgo(0.01) })
  ).body
  expect((await office.auditor.get(`/api/v1/incidents/${elsewhere.incidentId}/report`)).body.disclosed).toEqual([])
})

const managers = new Set(['officer'])
const readers = new Set(['officer', 'engineer', 'auditor'])
test('who may read and who may manage', async () => {
  const { incidentId } = (await open()).body
  for (const [name, person] of Object.entries(others)) {
    const manages = [
      open({}, person),
      change(incidentId, { harm: '无' }, person),
      tell(incidentId, 'persons', {}, person),
    ]
    for (const answer of await Promise.all(manages))
      expect([name, answer.status]).toEqual([name, managers.has(name) ? 200 : 403])
    expect([name, (await close(incidentId, person)).status]).toEqual([name, managers.has(name) ? 409 : 403])
    for (const path of ['', `/${incidentId}`, `/${incidentId}/report`])
      expect([name, (await person.get(`/api/v1/incidents${path}`)).status]).toEqual([
        name,
        readers.has(name) ? 200 : 403,
      ])
  }
})

test.each<readonly [string, () => Promise<Answer>, readonly [number, string]]>([
  ['a title that names a person', () => open({ title: '510502190001010017' }), [400, 'REQUEST_INVALID']],
  ['a time to come', () => open({ knownAt: hoursAgo(-1) }), [400, 'REQUEST_INVALID']],
  ['a level that is none', () => open({ level: 'huge' }), [400, 'REQUEST_INVALID']],
  ['an incident that is none', () => change(1_000_000, { harm: '无' }), [404, 'INCIDENT_UNKNOWN']],
  ['a duty that is none', async () => tell((await open()).body.incidentId, 'nobody'), [400, 'REQUEST_INVALID']],
  [
    'an end before the beginning',
    async () => change((await open()).body.incidentId, { endedAt: hoursAgo(5) }),
    [400, 'REQUEST_INVALID'],
  ],
  [
    'a harm that names a person',
    async () => change((await open()).body.incidentId, { harm: '510502190001010017' }),
    [400, 'REQUEST_INVALID'],
  ],
])('is refused: %s', async (_what, act, wanted) => {
  expect(brief(await act())).toEqual(wanted)
})

test('the database refuses the wrong account, closing by whoever opened, an incomplete record, and what is closed', async () => {
  const sql = (text: string, values: readonly unknown[]) =>
    installation.database.query(text, values).then(
      () => 'kept',
      ({ detail }: { detail: string }) => detail,
    )
  const { incidentId } = (await open()).body
  const insert = (by: Person, state = 'open') =>
    sql(
      `insert into incident (title, level, state, known_at, began_at, opened_by) values ('测试', 'ordinary', $2, now(), now(), $1)`,
      [by.accountId, state],
    )
  for (const person of [office.editor, office.engineer, office.auditor])
    expect(await insert(person)).toBe('SQLSTATE GB403')
  expect(await insert(office.officer, 'contained')).toBe('SQLSTATE GB409')
  const end = (by: Person) =>
    sql(
      `update incident set state = 'closed', closed_by = $2, closed_at = now(), review = '测试' where incident_id = $1`,
      [incidentId, by.accountId],
    )
  expect(await end(second)).toBe('SQLSTATE 23514')
  await change(incidentId, { ...contents, beganAt: hoursAgo(1) })
  expect(await end(office.officer)).toBe('SQLSTATE 23514')
  expect(await end(office.auditor)).toBe('SQLSTATE GB403')
  expect(await sql('update incident set known_at = now() where incident_id = $1', [incidentId])).toBe('SQLSTATE 42501')
  expect(await end(second)).toBe('kept')
  expect(await sql(`update incident set harm = '无' where incident_id = $1`, [incidentId])).toBe('SQLSTATE GB409')
  const notice = (by: Person) =>
    sql(
      `insert into incident_notice (incident_id, duty, decision, recipient, evidence, noticed_at, account_id) values ($1, 'persons', 'sent', '测试', '测试', now(), $2)`,
      [incidentId, by.accountId],
    )
  expect(await notice(office.auditor)).toBe('SQLSTATE GB403')
  expect(await notice(office.officer)).toBe('SQLSTATE GB409')
  expect(await sql('delete from incident where incident_id = $1', [incidentId])).toBe('SQLSTATE 42501')
  expect(await sql(`update incident_notice set evidence = '无'`, [])).toBe('SQLSTATE 42501')
})
