import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Role } from '../../src/security/permissions.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { employ, type Person } from '../support/office.ts'
import { codeOf, enrolBy, TEST_PASSWORD } from '../support/sign-in.ts'
import { openDoor, postTo } from './door.ts'

let installation: TestInstallation
let server: FastifyInstance
let system: Person
let security: Person
let auditor: Person
let url = ''

beforeAll(async () => {
  installation = await openTestInstallation('api')
  server = await openDoor(installation)
  url = await server.listen({ host: '127.0.0.1', port: 0 })
  system = await employ(installation, url, 'engineer', 'system-administrator')
  security = await employ(installation, url, 'officer', 'security-administrator')
  auditor = await employ(installation, url, 'auditor', 'audit-administrator')
})
afterAll(async () => {
  await server.close()
  await installation.close()
})

const decide = (who: Person, requestId: number, body: object = { action: 'approve' }) =>
  who.post(`/api/v1/account-requests/${requestId}/decision`, body)

const health = { role: 'department-editor', department: 'health' }

const lastEntries = async (many: number): Promise<readonly Readonly<Record<string, unknown>>[]> => {
  const rows = await installation.asOwner<{ body: Buffer }>(
    'select body from audit.entry order by recorded_at desc, lane_seq desc limit $1',
    [many],
  )
  return rows.map(({ body }) => JSON.parse(String(body)) as Readonly<Record<string, unknown>>)
}

test('two administrators make an account, each holds half of its code, and both are in the audit log', async () => {
  const asked = await system.post('/api/v1/accounts', { name: 'first-editor', staffNumber: 'WJ-001', ...health })
  expect(asked.status).toBe(200)
  expect((await lastEntries(1))[0]).toMatchObject({ type: 'account.requested', actor: 'account:engineer' })
  const decided = await decide(security, asked.body.requestId)
  expect((await lastEntries(1))[0]).toMatchObject({
    type: 'account.added',
    actor: 'account:officer',
    object: 'account/first-editor',
    details: { request: asked.body.requestId, role: 'department-editor', bootstrap: false },
  })
  const enrolmentCode = `${asked.body.firstHalf}.${decided.body.secondHalf}`
  const secret = await enrolBy(postTo(server), { name: 'first-editor', accountId: 0, enrolmentCode })
  const given = { name: 'first-editor', password: TEST_PASSWORD, code: codeOf(secret) }
  expect((await postTo(server)('/api/v1/session', given)).status).toBe(200)
  const { body } = await auditor.get('/api/v1/account-requests')
  expect(body.requests[0]).toMatchObject({
    requestedBy: 'account:engineer',
    decidedBy: 'account:officer',
    state: 'approved',
  })
  expect(JSON.stringify(body)).not.toContain(asked.body.firstHalf)
})

test('whoever asked does not decide, nor one of the same administration, nor an auditor', async () => {
  const colleague = await employ(installation, url, 'colleague', 'system-administrator')
  const asked = await system.post('/api/v1/accounts', { name: 'second-editor', staffNumber: 'WJ-002', ...health })
  for (const who of [system, colleague])
    expect((await decide(who, asked.body.requestId)).body.code).toBe('SECOND_PERSON')
  expect((await decide(auditor, asked.body.requestId)).body.code).toBe('FORBIDDEN')
  const refused = await decide(security, asked.body.requestId, { action: 'refuse', reason: '岗位不符' })
  expect(refused.body).toEqual({ name: 'second-editor', secondHalf: null })
  expect((await decide(security, asked.body.requestId)).body.code).toBe('ACCOUNT_REQUEST_STATE')
  expect((await decide(security, 999)).body.code).toBe('ACCOUNT_REQUEST_UNKNOWN')
})

test('nobody asks or decides for himself', async () => {
  const own = await security.post('/api/v1/accounts/officer/enrolment', {})
  expect(own.body.code).toBe('SECOND_PERSON')
  const asked = await system.post('/api/v1/accounts/officer/enrolment', {})
  expect((await decide(security, asked.body.requestId)).body.code).toBe('SECOND_PERSON')
})

test('a person has one account, and one administration for good, also after another role', async () => {
  const again = await system.post('/api/v1/accounts', { name: 'twice', staffNumber: ' wj-001 ', ...health })
  expect(again.body.code).toBe('PERSON_HAS_ACCOUNT')
  const change = async (name: string, body: object, who = system, other = security): Promise<string> => {
    const asked = await who.post(`/api/v1/accounts/${name}/role`, body)
    return asked.status === 200 ? String((await decide(other, asked.body.requestId)).status) : asked.body.code
  }
  await employ(installation, url, 'mover', 'audit-administrator')
  expect(await change('mover', { role: 'security-administrator' })).toBe('ADMINISTRATION_HELD')
  expect(await change('mover', health)).toBe('200')
  expect(await change('mover', { role: 'system-administrator' })).toBe('ADMINISTRATION_HELD')
  await system.remove('/api/v1/accounts/mover')
  const anew = { name: 'mover-again', staffNumber: 'STAFF-mover', role: 'security-administrator' }
  expect((await system.post('/api/v1/accounts', anew)).body.code).toBe('ADMINISTRATION_HELD')
  expect(await change('first-editor', { role: 'audit-administrator' })).toBe('200')
})

test('another role ends the session at once', async () => {
  const moved = await employ(installation, url, 'moved', 'department-editor', 'health')
  const asked = await security.post('/api/v1/accounts/moved/role', { role: 'data-owner', department: 'health' })
  expect((await moved.get('/api/v1/account')).status).toBe(200)
  await decide(system, asked.body.requestId)
  expect((await moved.get('/api/v1/account')).status).toBe(401)
})

test('one administrator ends an account, with its session, at once', async () => {
  const leaver = await employ(installation, url, 'leaver', 'department-editor', 'health')
  expect((await security.remove('/api/v1/accounts/leaver')).status).toBe(200)
  expect((await leaver.get('/api/v1/account')).status).toBe(401)
  expect((await lastEntries(8)).map(({ type }) => type)).toContain('account.disabled')
  const { body } = await auditor.get('/api/v1/accounts')
  const shown = body.accounts.find(({ name }: { name: string }) => name === 'leaver')
  expect(shown).toMatchObject({ active: false, role: 'department-editor', department: 'health' })
})

test('whoever lost the second factor enrols anew by two administrators; until then nobody comes in', async () => {
  const lost = await employ(installation, url, 'lost', 'department-editor', 'health')
  const asked = await security.post('/api/v1/accounts/lost/enrolment', {})
  expect((await lost.get('/api/v1/account')).status).toBe(200)
  const decided = await decide(system, asked.body.requestId)
  expect((await lost.get('/api/v1/account')).status).toBe(401)
  const enrolmentCode = `${asked.body.firstHalf}.${decided.body.secondHalf}`
  const given = { name: 'lost', enrolmentCode, password: TEST_PASSWORD }
  expect((await postTo(server)('/api/v1/enrolment', given)).body['detail']).toBe('it was used before')
  expect((await postTo(server)('/api/v1/enrolment', { ...given, password: 'Pferd!Batterie7' })).status).toBe(200)
})

test.each<readonly [string, Role, object]>([
  ['a role of a department without one', 'department-editor', {}],
  ['a department that is none', 'department-editor', { department: 'weather' }],
  ['an administration of a department', 'audit-administrator', { department: 'health' }],
  ['an engineer of no consumer', 'consumer-engineer', {}],
])('%s is refused', async (_what, role, bond) => {
  const asked = await system.post('/api/v1/accounts', { name: 'odd', staffNumber: 'WJ-777', role, ...bond })
  expect([asked.status, asked.body.code]).toEqual([400, 'REQUEST_INVALID'])
})
