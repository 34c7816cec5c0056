import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { hashPassword } from '../../src/security/passwords.ts'
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

const refusals = async (): Promise<readonly unknown[]> => {
  const rows = await installation.asOwner<{ body: Buffer }>(
    `select body from audit.entry where event_type = 'session.refused' order by recorded_at, lane_seq`,
  )
  return rows.map(({ body }) => JSON.parse(String(body)) as unknown)
}

const wait = (name: string) =>
  installation.asOwner(
    `update gridbridge.sign_in_failure set locked_until = clock_timestamp() where locked_until is not null and $1 <> ''`,
    [name],
  )

describe('both factors', () => {
  test('let a person in, and the answer tells of the sign-in before', async () => {
    const first = await signIn()
    expect(first).toMatchObject({ status: 200, body: { idleSeconds: 900, lastSignIn: { at: null, failures: 0 } } })
    await signIn({ password: 'wrong', code: codeOf(person.secret, 1) })
    const second = await signIn({ code: codeOf(person.secret, 1) })
    expect(second.body['lastSignIn']).toEqual({ at: expect.any(String), failures: 1 })
    const expires = Date.parse(String(second.body['expiresAt'])) - Date.now()
    expect(expires).toBeGreaterThan(11.9 * 3_600_000)
    expect(expires).toBeLessThanOrEqual(12 * 3_600_000)
  })

  test('are needed both, and the answer does not tell which one failed or whether there is such a name', async () => {
    const answers = [
      await signIn({ password: 'Wrong!Horse7Battery' }),
      await signIn({ code: codeOf(person.secret, 5) }),
      await signIn({ name: 'nobody-at-all' }),
    ]
    for (const { status, body } of answers)
      expect([status, body]).toEqual([401, { ...answers[0]?.body, code: 'SIGN_IN_REFUSED', detail: '' }])
    expect((await refusals()).slice(-3)).toMatchObject([
      { actor: `account:${person.name}`, outcome: 'denied', details: { reason: 'password' } },
      { actor: `account:${person.name}`, details: { reason: 'code' } },
      { actor: 'unknown', details: { reason: 'unknown' } },
    ])
  })

  test('an unknown name takes about as long as a wrong password', async () => {
    const slow = await openDoor(installation, { signIn: { memoryKib: 32_768 } })
    const took = async (name: string): Promise<number> => {
      const begun = performance.now()
      await postTo(slow)('/api/v1/session', { name, password: 'Wrong!Horse7Battery', code: '000000' })
      return performance.now() - begun
    }
    await installation.asOwner('update gridbridge.sign_in set password = $1 where account_id = $2', [
      await hashPassword(TEST_PASSWORD, 32_768),
      person.accountId,
    ])
    await took('warm-up')
    const [known, unknown] = [await took(person.name), await took('nobody-here')]
    await slow.close()
    // An answer without argon2id comes in a twentieth of the time.
    expect(unknown).toBeGreaterThan(known / 4)
  })

  test('a code is good once', async () => {
    const code = codeOf(person.secret)
    expect((await signIn({ code })).status).toBe(200)
    expect((await signIn({ code })).status).toBe(401)
    expect((await refusals()).at(-1)).toMatchObject({ details: { reason: 'used' } })
  })

  test('one code let in once of many at the same moment', async () => {
    const code = codeOf(person.secret)
    const answers = await Promise.all(Array.from({ length: 4 }, () => signIn({ code })))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
  })
})

describe('lock-out', () => {
  test('begins with the fifth failure, holds for the right password too, and grows', async () => {
    for (let time = 0; time < 5; time++) expect((await signIn({ password: 'wrong' })).status).toBe(401)
    const locked = await signIn()
    expect([locked.status, locked.body['code']]).toEqual([429, 'SIGN_IN_LOCKED'])
    await wait(person.name)
    expect((await signIn({ password: 'wrong' })).status).toBe(401)
    const longer = await signIn()
    expect(longer.status).toBe(429)
    const seconds = ({ body }: Awaited<ReturnType<typeof signIn>>) => Number.parseInt(String(body['detail']), 10)
    expect(seconds(longer)).toBeGreaterThan(1.5 * seconds(locked))
    await wait(person.name)
    expect((await signIn()).status).toBe(200)
  })

  test('is the same for a name that nobody has', async () => {
    const statuses: number[] = []
    for (let time = 0; time < 6; time++) statuses.push((await signIn({ name: 'nobody-at-all' })).status)
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429])
  })

  test('counts attempts of one moment as many', async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, () => signIn({ password: 'wrong' })))
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(5)
  })

  test('stops an address that tries many names', async () => {
    const statuses = new Set<number>()
    for (let time = 0; time < 55; time++) statuses.add((await signIn({ name: `made-up-${time}` })).status)
    expect([...statuses]).toEqual([401, 429])
    expect((await signIn()).status).toBe(429)
  })
})

describe('a session', () => {
  test('is one for each account: a new one ends the old one', async () => {
    const first = await signIn()
    const second = await signIn({ code: codeOf(person.secret, 1) })
    expect([await show(first.body['token']), await show(second.body['token'])]).toEqual([401, 200])
  })

  test('ends when it is not used, and in any case after its hours', async () => {
    const { body } = await signIn()
    const age = (column: string, seconds: number) =>
      installation.asOwner(
        `update gridbridge.access_token set ${column} = ${column} - make_interval(secs => $1) where account_id = $2`,
        [seconds, person.accountId],
      )
    await age('seen_at', 890)
    expect(await show(body['token'])).toBe(200)
    await age('seen_at', 890)
    expect(await show(body['token'])).toBe(200)
    await age('seen_at', 901)
    expect(await show(body['token'])).toBe(401)
    const next = await signIn({ code: codeOf(person.secret, 1) })
    await age('expires_at', 43_201)
    expect(await show(next.body['token'])).toBe(401)
  })

  test('ends when its person signs out', async () => {
    const { body } = await signIn()
    const headers = { authorization: `Bearer ${String(body['token'])}` }
    expect((await server.inject({ method: 'DELETE', url: '/api/v1/session', headers })).statusCode).toBe(200)
    expect(await show(body['token'])).toBe(401)
  })

  test('is kept as a keyed hash alone', async () => {
    const { body } = await signIn()
    const rows = await installation.asOwner('select to_jsonb(t)::text as text from gridbridge.access_token t')
    expect(JSON.stringify(rows)).not.toContain(String(body['token']))
  })
})

describe('the cookie', () => {
  const cookieOf = async (): Promise<{ readonly cookie: string; readonly attributes: string }> => {
    const payload = { name: person.name, password: TEST_PASSWORD, code: codeOf(person.secret), cookie: true }
    const answer = await server.inject({ method: 'POST', url: '/api/v1/session', payload })
    expect(answer.json()).toMatchObject({ token: null })
    const [cookie = '', ...attributes] = String(answer.headers['set-cookie']).split('; ')
    return { cookie, attributes: attributes.join('; ') }
  }

  test('is out of reach for scripts and other sites', async () => {
    const { cookie, attributes } = await cookieOf()
    expect(cookie).toMatch(/^__Host-gridbridge=[\w-]{43}$/)
    expect(attributes).toMatch(/^Max-Age=4319\d; Path=\/; Secure; HttpOnly; SameSite=Strict$/)
  })

  test('is a session for reading; what changes something has to come from a page of this installation', async () => {
    const { cookie } = await cookieOf()
    const end = (origin?: string) => {
      const headers = { cookie: `other=1; ${cookie}`, ...(origin === undefined ? {} : { origin }) }
      return server.inject({ method: 'DELETE', url: '/api/v1/session', headers })
    }
    expect((await server.inject({ url: '/api/v1/session', headers: { cookie } })).statusCode).toBe(200)
    for (const origin of [undefined, 'null', 'https://elsewhere.example', 'http://localhost:8080'])
      expect((await end(origin)).json()).toMatchObject({ status: 403, code: 'ORIGIN_FOREIGN' })
    const ended = await end('http://localhost:80')
    expect([ended.statusCode, String(ended.headers['set-cookie'])]).toEqual([200, expect.stringMatching(/Max-Age=0/)])
  })
})
