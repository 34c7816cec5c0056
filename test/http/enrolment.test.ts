import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { TestInstallation } from '../support/installation.ts'
import { codeOf, TEST_PASSWORD } from '../support/sign-in.ts'
import { openDoor, postTo } from './door.ts'
import { openSignInStage, showSession, type Given, type SignInStage, type SomePerson } from './sign-in-stage.ts'

let stage: SignInStage
let installation: TestInstallation
let server: FastifyInstance
let person: SomePerson

beforeAll(async () => {
  stage = await openSignInStage()
  ;({ installation, server } = stage)
})
afterAll(() => stage.close())
beforeEach(async () => {
  person = await stage.next()
})

const show = (token: unknown) => showSession(server, token)
const signIn = (given?: Given) => person.signIn(given)

describe('a password', () => {
  const change = (newPassword: string, given?: Given) => person.change(newPassword, given)

  test('is changed with both factors, ends the session, and may not be one of before', async () => {
    const { body } = await signIn()
    expect((await change('kurz')).body['code']).toBe('PASSWORD_WEAK')
    expect((await change(TEST_PASSWORD)).body['code']).toBe('PASSWORD_WEAK')
    expect((await change('Pferd!Batterie7', { code: '000000' })).status).toBe(401)
    expect((await change('Pferd!Batterie7')).status).toBe(200)
    expect(await show(body['token'])).toBe(401)
    await installation.asOwner('update gridbridge.sign_in set totp_step = null')
    const back = await change(TEST_PASSWORD, { password: 'Pferd!Batterie7' })
    expect([back.status, back.body['detail']]).toEqual([400, 'it was used before'])
  })

  test('that is too old lets nobody in until it is changed', async () => {
    await installation.asOwner(
      `update gridbridge.sign_in set password_set_at = now() - interval '91 days' where password is not null`,
    )
    const old = await signIn({ code: codeOf(person.secret, 1) })
    expect([old.status, old.body['code']]).toEqual([403, 'PASSWORD_EXPIRED'])
    expect((await change('Pferd!Batterie7')).status).toBe(200)
    await installation.asOwner('update gridbridge.sign_in set totp_step = null')
    expect((await signIn({ password: 'Pferd!Batterie7' })).status).toBe(200)
  })

  test('never grows old where the installation says so', async () => {
    await installation.asOwner(
      `update gridbridge.sign_in set password_set_at = now() - interval '900 days' where password is not null`,
    )
    const lenient = await openDoor(installation, { signIn: { days: 0 } })
    const given = { name: person.name, password: TEST_PASSWORD, code: codeOf(person.secret) }
    expect(await postTo(lenient)('/api/v1/session', given)).toMatchObject({
      status: 200,
      body: { passwordExpiresAt: null },
    })
    await lenient.close()
  })

  test('is hashed anew at the next sign-in when the parameters have changed', async () => {
    const stronger = await openDoor(installation, { signIn: { memoryKib: 2048 } })
    await postTo(stronger)('/api/v1/session', {
      name: person.name,
      password: TEST_PASSWORD,
      code: codeOf(person.secret),
    })
    await stronger.close()
    const [row] = await installation.asOwner<{ password: string }>(
      'select password from gridbridge.sign_in where account_id = $1',
      [person.accountId],
    )
    expect(row?.password).toMatch(/\$m=2048,/)
  })
})

describe('enrolment', () => {
  test('is possible once, with the whole code, and for 72 hours', async () => {
    const post = postTo(server)
    const next = await stage.register()
    const given = { name: next.name, password: TEST_PASSWORD }
    const [first, second] = next.enrolmentCode.split('.')
    for (const enrolmentCode of [`${first}.${first}`, `${second}.${second}`, `${first}.`.padEnd(12, 'x')])
      expect((await post('/api/v1/enrolment', { ...given, enrolmentCode })).status).toBe(401)
    const weak = await post('/api/v1/enrolment', { ...given, password: 'kurz', enrolmentCode: next.enrolmentCode })
    expect(weak.body['code']).toBe('PASSWORD_WEAK')
    await installation.asOwner(
      `update gridbridge.sign_in set code_expires_at = now() where account_id = $1 and code_expires_at < now() + interval '72 hours'`,
      [next.accountId],
    )
    expect((await post('/api/v1/enrolment', { ...given, enrolmentCode: next.enrolmentCode })).status).toBe(401)
    expect((await post('/api/v1/enrolment', { ...given, enrolmentCode: person.enrolmentCode })).status).toBe(401)
  })

  test('leaves no second factor in clear', async () => {
    const rows = await installation.asOwner<{ totp: Buffer }>(
      'select totp from gridbridge.sign_in where totp is not null',
    )
    expect(rows.every(({ totp }) => !totp.toString('latin1').includes(person.secret))).toBe(true)
    expect(rows.length).toBeGreaterThan(0)
  })
})
