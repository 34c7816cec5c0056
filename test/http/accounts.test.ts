import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { admit } from '../../src/http/accounts.ts'
import { disableAccount } from '../../src/store/accounts.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerAccount, registerConsumer } from '../support/ledger.ts'
import { TEST_PASSWORD } from '../support/sign-in.ts'
import { bearerOf, openDoor, requestToken } from './door.ts'

let installation: TestInstallation
let server: FastifyInstance

beforeAll(async () => {
  installation = await openTestInstallation('api')
  server = await openDoor(installation)
})
afterAll(async () => {
  await server.close()
  await installation.close()
})

const showAccount = (authorization: string) => server.inject({ url: '/api/v1/account', headers: { authorization } })

const lastEntry = async () => {
  const [entry] = await installation.asOwner<{ body: Buffer }>(
    'select body from audit.entry order by recorded_at desc limit 1',
  )
  return JSON.parse(String(entry?.body)) as Record<string, unknown>
}

test('an account is told what it may do', async () => {
  const editor = await registerAccount(installation, 'civil-editor', 'department-editor', 'civil-affairs')
  const authorization = await bearerOf(server, editor)
  expect(await lastEntry()).toMatchObject({ type: 'session.opened', actor: 'account:civil-editor' })
  const response = await showAccount(authorization)
  expect(response.json()).toMatchObject({
    name: 'civil-editor',
    role: 'department-editor',
    department: 'civil-affairs',
    permissions: { 'feed.edit': 'own', 'catalogue.read': 'all' },
  })
  expect(response.json<{ permissions: object }>().permissions).not.toHaveProperty('feed.review')
})

test('an account gets nothing where consumers get their tokens: nobody comes in with one factor', async () => {
  const { name, enrolmentCode } = await registerAccount(installation, 'one-factor', 'audit-administrator')
  for (const clientSecret of [enrolmentCode, TEST_PASSWORD, ''])
    expect((await requestToken(server, { name, clientSecret })).statusCode).toBe(401)
})

test('the token of an account pulls no data, and the token of a consumer manages nothing', async () => {
  const engineer = await registerAccount(installation, 'engineer', 'system-administrator')
  const consumer = await registerConsumer(installation, 'grid-platform')
  const pulled = await server.inject({
    url: '/api/v1/datasets/resident/changes',
    headers: { authorization: await bearerOf(server, engineer) },
  })
  expect([pulled.statusCode, pulled.json<{ code: string }>().code]).toEqual([401, 'TOKEN_INVALID'])
  expect((await showAccount(await bearerOf(server, consumer))).statusCode).toBe(401)
  expect((await showAccount('Bearer none')).statusCode).toBe(401)
})

test('what a role does not allow is refused in both languages and written down', async () => {
  const auditor = await registerAccount(installation, 'auditor-one', 'audit-administrator')
  const authorization = await bearerOf(server, auditor)
  const context = { ...installation, tokenSeconds: 600, auditDeadlineMs: 2000, publicUrl: null }
  const failure: unknown = await admit(context, authorization, 'feed.approve', 'civil-affairs').catch((error) => error)
  expect(failure).toBeInstanceOf(AppError)
  expect(failure).toMatchObject({ code: 'FORBIDDEN', status: 403 })
  expect(await lastEntry()).toMatchObject({
    type: 'access.denied',
    actor: 'account:auditor-one',
    outcome: 'denied',
    details: { reason: 'FORBIDDEN', action: 'feed.approve', department: 'civil-affairs' },
  })
  expect(await admit(context, authorization, 'feed.read', 'civil-affairs')).toMatchObject({ name: 'auditor-one' })
})

test('a disabled account is out at once, with the tokens it holds', async () => {
  const former = await registerAccount(installation, 'former-officer', 'security-administrator')
  const authorization = await bearerOf(server, former)
  expect((await showAccount(authorization)).statusCode).toBe(200)
  await disableAccount(installation.database.query, 'former-officer')
  expect((await showAccount(authorization)).statusCode).toBe(401)
})

test('a name belongs to one client: an account or a consumer', async () => {
  await registerConsumer(installation, 'taken-by-consumer')
  await expect(registerAccount(installation, 'taken-by-consumer', 'audit-administrator')).rejects.toMatchObject({
    code: 'ACCOUNT_EXISTS',
  })
  await registerAccount(installation, 'taken-by-account', 'audit-administrator')
  await expect(registerConsumer(installation, 'taken-by-account')).rejects.toMatchObject({ code: 'CONSUMER_EXISTS' })
})

test('the database itself binds the roles of a department to one, and no other role', async () => {
  const { database } = installation
  for (const [role, department] of [
    ['department-editor', null],
    ['audit-administrator', 'civil-affairs'],
  ]) {
    const inserting = database.query(
      `insert into account (name, role, department, active) values ('made-up', $1, $2, false)`,
      [role, department],
    )
    await expect(inserting).rejects.toMatchObject({ detail: 'SQLSTATE 23514' })
  }
})
