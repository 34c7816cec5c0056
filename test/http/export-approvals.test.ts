import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Role } from '../../src/security/permissions.ts'
import { findExport } from '../../src/store/exports.ts'
import { askForExport, exportContext, openParts, rules, strangerRows, workToEnd } from '../support/exports.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerConsumer, registerFeed, storeRows } from '../support/ledger.ts'
import { become as becomeAs, employ, employAll, type Answer, type Office, type Person } from '../support/office.ts'
import { openDoor } from './door.ts'

const PERSONS = 12

let installation: TestInstallation
let server: FastifyInstance
let office: Office
/** Reviews for a department that does not lead the dataset. */
let neighbour: Person
let owner: Person
let exportId = 0
let consumers = 0

beforeAll(async () => {
  installation = await openTestInstallation('api')
  server = await openDoor(installation)
  office = await employAll(installation, await server.listen({ port: 0, host: '127.0.0.1' }))
  const address = server.listeningOrigin
  neighbour = await employ(installation, address, 'mz-reviewer', 'department-reviewer', 'civil-affairs')
  owner = await employ(installation, address, 'ga-owner', 'data-owner', 'public-security')
  const feed = await registerFeed(installation, 'LZ-GA-RK-001')
  await storeRows(installation, feed, strangerRows(1, PERSONS))
  // What another feed says of the same people makes them no more.
  await storeRows(installation, await registerFeed(installation, 'LZ-GA-RK-002'), strangerRows(1, PERSONS))
})
afterAll(async () => {
  await server.close()
  await installation.close()
})

const work = (id: number, persons: number) =>
  workToEnd(exportContext(installation, { exportRules: { ...rules, persons } }), id)
const look = (id = exportId) => findExport(installation.database.query, id, null)

/** An export of twelve people where eleven need nobody's leave. */
beforeEach(async () => {
  consumers += 1
  const { consumerId } = await registerConsumer(installation, `platform-${consumers}`)
  ;({ exportId } = await askForExport(installation, consumerId))
  await work(exportId, PERSONS - 1)
})

const decide = (person: keyof typeof office, body: object): Promise<Answer> =>
  office[person].post(`/api/v1/exports/${exportId}/approvals`, body)
const data = { duty: 'data', decision: 'approve' }
const security = { duty: 'security', decision: 'approve' }
const brief = ({ status, body }: Answer) => [status, body.code ?? body.state]

test('an export of as many persons as are allowed needs nobody; of one more it waits, and nothing of it is made', async () => {
  expect(await look()).toMatchObject({ state: 'awaiting-approval', persons: PERSONS, about: 2 * PERSONS, read: 0 })
  await work(exportId, 0)
  expect([(await look()).state, await openParts(installation, exportId)]).toEqual(['awaiting-approval', []])
  const { consumerId } = await registerConsumer(installation, `small-${consumers}`)
  const small = await askForExport(installation, consumerId)
  await work(small.exportId, PERSONS)
  expect(await look(small.exportId)).toMatchObject({ state: 'ready', records: 2 * PERSONS })
})

test('what waits is listed for those who decide and for the auditor, with everything that they decide by', async () => {
  for (const person of ['reviewer', 'engineer', 'officer', 'auditor'] as const) {
    const { exports } = (await office[person].get('/api/v1/export-approvals')).body as {
      exports: { exportId: number }[]
    }
    expect(exports.find((one) => one.exportId === exportId)).toMatchObject({
      consumer: `platform-${consumers}`,
      dataset: 'resident',
      purpose: 'LZ-QD-001',
      area: ['5105'],
      persons: PERSONS,
      about: 2 * PERSONS,
      approvals: [],
    })
  }
  expect(brief(await office.editor.get('/api/v1/export-approvals'))).toEqual([403, 'FORBIDDEN'])
  expect((await neighbour.get('/api/v1/export-approvals')).body).toEqual({ exports: [] })
})

test.each([
  ['data first', ['reviewer', data], ['officer', security]],
  ['security first', ['officer', security], ['reviewer', data]],
] as const)('two people agree, and it is made: %s', async (_order, [one, first], [other, second]) => {
  expect(brief(await decide(one, first))).toEqual([200, 'awaiting-approval'])
  await work(exportId, PERSONS - 1)
  expect((await look()).read).toBe(0)
  const answer = await decide(other, second)
  expect(brief(answer)).toEqual([200, 'running'])
  expect(answer.body.approvals).toHaveLength(2)
  await work(exportId, PERSONS - 1)
  expect(await look()).toMatchObject({ state: 'ready', records: 2 * PERSONS })
  const entries = await installation.asOwner(
    `select actor, said->'details' as details from audit.entry cross join lateral (select convert_from(body, 'UTF8')::jsonb as said) as read
      where event_type = 'export.approved' and said->>'object' = $1 order by recorded_at`,
    [`export/${exportId}`],
  )
  expect(entries).toEqual([
    { actor: `account:${office[one].name}`, details: { duty: first.duty, persons: PERSONS, reason: null } },
    { actor: `account:${office[other].name}`, details: { duty: second.duty, persons: PERSONS, reason: null } },
  ])
})

test('one who refuses says why, and that is the end', async () => {
  expect(brief(await decide('officer', { duty: 'security', decision: 'refuse' }))).toEqual([400, 'REQUEST_INVALID'])
  const reason = '范围超出事项需要'
  expect(brief(await decide('officer', { duty: 'security', decision: 'refuse', reason }))).toEqual([200, 'refused'])
  expect(await look()).toMatchObject({ state: 'refused', reason: 'EXPORT_REFUSED', remark: reason })
  expect(brief(await decide('reviewer', data))).toEqual([409, 'EXPORT_STATE'])
  await work(exportId, PERSONS - 1)
  expect(await look()).toMatchObject({ state: 'refused', read: 0 })
})

test.each<readonly [string, keyof Office, object, readonly [number, string]]>([
  ['an engineer for the security administrator', 'engineer', security, [403, 'FORBIDDEN']],
  ['an engineer for the data', 'engineer', data, [403, 'FORBIDDEN']],
  ['the security administrator for the data', 'officer', data, [403, 'FORBIDDEN']],
  ['an auditor', 'auditor', security, [403, 'FORBIDDEN']],
  ['a reviewer for the security administrator', 'reviewer', security, [403, 'FORBIDDEN']],
  ['who writes feeds', 'editor', data, [403, 'FORBIDDEN']],
  ['a duty that is none', 'officer', { duty: 'all', decision: 'approve' }, [400, 'REQUEST_INVALID']],
  ['a decision that is none', 'officer', { duty: 'security', decision: 'maybe' }, [400, 'REQUEST_INVALID']],
  [
    'words that name a person',
    'officer',
    { duty: 'security', decision: 'refuse', reason: '510502190001010017' },
    [400, 'REQUEST_INVALID'],
  ],
])('is refused: %s', async (_what, person, body, wanted) => {
  expect(brief(await decide(person, body))).toEqual(wanted)
  expect((await look()).state).toBe('awaiting-approval')
})

test('the data owner of the department that leads the dataset decides for the data, one of another department does not', async () => {
  const path = `/api/v1/exports/${exportId}/approvals`
  expect(brief(await neighbour.post(path, data))).toEqual([403, 'FORBIDDEN'])
  expect(brief(await owner.post(path, data))).toEqual([200, 'awaiting-approval'])
})

test('nobody decides twice, nor about what does not wait', async () => {
  expect((await decide('reviewer', data)).status).toBe(200)
  expect(brief(await decide('reviewer', data))).toEqual([409, 'EXPORT_STATE'])
  expect((await decide('officer', security)).status).toBe(200)
  expect(brief(await decide('officer', security))).toEqual([409, 'EXPORT_STATE'])
  expect(brief(await office.officer.post('/api/v1/exports/999999/approvals', security))).toEqual([
    404,
    'EXPORT_UNKNOWN',
  ])
})

describe('the tables themselves refuse', () => {
  const insert = (duty: string, accountId: number, decision = 'approve'): Promise<string> =>
    installation.database
      .query('insert into export_approval (export_id, duty, account_id, decision) values ($1, $2, $3, $4)', [
        exportId,
        duty,
        accountId,
        decision,
      ])
      .then(
        () => 'kept',
        (error: { detail: string }) => error.detail,
      )

  test('that one account does both duties, or that a duty is done twice', async () => {
    const { reviewer, officer } = office
    expect(await insert('data', reviewer.accountId)).toBe('kept')
    expect(await insert('security', reviewer.accountId)).toBe('SQLSTATE 23505')
    expect(await insert('data', officer.accountId)).toBe('SQLSTATE 23505')
    expect(await insert('security', officer.accountId)).toBe('kept')
  })

  test('a refusal without a reason', async () => {
    expect(await insert('data', office.reviewer.accountId, 'refuse')).toBe('SQLSTATE 23514')
  })

  test('and an account whose role was changed in between is told that another person has to do it', async () => {
    expect((await decide('reviewer', data)).status).toBe(200)
    const become = (role: Role, department: string | null) => becomeAs(installation, 'ga-reviewer', role, department)
    await become('security-administrator', null)
    expect(brief(await decide('reviewer', security))).toEqual([409, 'SECOND_PERSON'])
    await become('department-reviewer', 'public-security')
    expect((await look()).state).toBe('awaiting-approval')
  })
})
