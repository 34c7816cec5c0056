import { createServer, type Server } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { Provider } from 'oidc-provider'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { openCityIdentity } from '../../src/security/city-identity.ts'
import { createEgressGuard } from '../../src/security/egress.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { freePort } from '../support/embedded-database.ts'
import { grantAccount } from '../support/sign-in.ts'
import { openDoor } from './door.ts'

/** The product's server and a real provider beside it, each on a port of its own. */
let installation: TestInstallation
let server: FastifyInstance
let provider: Server
let here = ''
let there = ''
/** Whom the provider recognises, and how it says that they proved themselves. */
let person = { staffNumber: 'WJ-001', amr: ['pwd', 'otp'] as readonly string[] }

const CALLBACK = '/api/v1/session/oidc/callback'

/** A provider whose people sign in without being asked. */
function openProvider(issuer: string, redirectUri: string): Provider {
  const city = new Provider(issuer, {
    clients: [
      {
        client_id: 'gridbridge',
        client_secret: 'a-secret-of-the-city-for-tests',
        redirect_uris: [redirectUri],
        grant_types: ['authorization_code'],
        response_types: ['code'],
      },
    ],
    cookies: { keys: ['made-up-key'] },
    claims: { openid: ['sub', 'staff_number', 'amr'] },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
    findAccount: (_context, sub) => ({
      accountId: sub,
      claims: async () => ({ sub, staff_number: person.staffNumber }),
    }),
    loadExistingGrant: async ({ oidc: { client, session, provider: own } }) => {
      const grant = new own.Grant({ clientId: client?.clientId ?? '', accountId: session?.accountId ?? '' })
      grant.addOIDCScope('openid')
      await grant.save()
      return grant
    },
  })
  return city
}

beforeAll(async () => {
  installation = await openTestInstallation('api')
  const [own, other] = [await freePort(), await freePort()]
  here = `http://127.0.0.1:${own}`
  there = `http://127.0.0.1:${other}`
  const city = openProvider(there, here + CALLBACK)
  const answer = city.callback()
  provider = createServer((request, response) => {
    const login = { accountId: 'somebody', amr: [...person.amr] }
    if (request.url?.startsWith('/interaction/')) void city.interactionFinished(request, response, { login })
    else void answer(request, response)
  }).listen(other, '127.0.0.1')
  const options = {
    issuer: there,
    clientId: 'gridbridge',
    clientSecret: 'a-secret-of-the-city-for-tests',
    claim: 'staff_number',
    acr: [],
    amr: ['mfa', 'otp'],
    redirectUri: here + CALLBACK,
  }
  const cityIdentity = openCityIdentity(options, createEgressGuard(['loopback']))
  server = await openDoor(installation, { cityIdentity, publicUrl: here })
  await server.listen({ host: '127.0.0.1', port: own })
  const wanted = { name: 'city-auditor', role: 'audit-administrator', department: null, consumer: null } as const
  await grantAccount(installation, { ...wanted, staffNumber: 'WJ-001' })
})
afterAll(async () => {
  await server.close()
  provider.close()
  await installation.close()
})
beforeEach(() => {
  person = { staffNumber: 'WJ-001', amr: ['pwd', 'otp'] }
})

/** What a browser keeps and sends back, of both sites. */
class Browser {
  readonly #cookies = new Map<string, string>()

  /** One request; a redirect is not followed. */
  async ask(url: string): Promise<Response> {
    const { port } = new URL(url)
    const own = [...this.#cookies]
      .filter(([key]) => key.startsWith(port))
      .map(([key, value]) => [key.slice(port.length), value])
    const cookie = own.map((pair) => pair.join('=')).join('; ')
    const response = await fetch(url, { redirect: 'manual', headers: { cookie } })
    for (const set of response.headers.getSetCookie()) {
      const [name = '', value = ''] = (set.split(';')[0] ?? '').split(/=(.*)/)
      if (value === '') this.#cookies.delete(port + name)
      else this.#cookies.set(port + name, value)
    }
    return response
  }

  /** Follows redirects up to the address that begins with `end`, which is not asked for. */
  async follow(url: string, end: string): Promise<string> {
    for (let at = url, hop = 0; hop < 12; hop++) {
      const location = (await this.ask(at)).headers.get('location')
      if (location === null) throw new Error(`${at} leads nowhere`)
      at = new URL(location, at).href
      if (at.startsWith(end)) return at
    }
    throw new Error('too many redirects')
  }
}

/** The way of a browser to the provider and back, up to the address it is sent back to. */
const goThere = (browser: Browser): Promise<string> => browser.follow(`${here}/api/v1/session/oidc`, here + CALLBACK)

const codeOf = async (response: Response): Promise<readonly unknown[]> => {
  const { code } = (await response.json()) as { readonly code?: string }
  return [response.status, code]
}

const lastReason = async (): Promise<unknown> => {
  const [entry] = await installation.asOwner<{ body: Buffer }>(
    `select body from audit.entry where event_type = 'session.refused' order by recorded_at desc limit 1`,
  )
  return (JSON.parse(String(entry?.body)) as { readonly details: { readonly reason: string } }).details.reason
}

test('a person whom the city recognises by two factors gets the session of the account that is there', async () => {
  const browser = new Browser()
  const answer = await browser.ask(await goThere(browser))
  expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('content="0;url=/"')])
  const shown = await browser.ask(`${here}/api/v1/session`)
  expect(await shown.json()).toMatchObject({ name: 'city-auditor', role: 'audit-administrator' })
  const entries = await installation.asOwner<{ body: Buffer }>(
    `select body from audit.entry where event_type = 'session.opened' and actor = 'account:city-auditor'`,
  )
  expect(JSON.parse(String(entries[0]?.body))).toMatchObject({ details: { by: 'city-identity' } })
})

test('an answer is good for the browser that asked, and once', async () => {
  const [browser, thief] = [new Browser(), new Browser()]
  const back = await goThere(browser)
  expect(await codeOf(await thief.ask(back))).toEqual([401, 'IDENTITY_REFUSED'])
  expect(await lastReason()).toBe('another-browser')
  await goThere(thief)
  expect(await codeOf(await thief.ask(back))).toEqual([401, 'IDENTITY_REFUSED'])
  expect((await browser.ask(back)).status).toBe(200)
  expect(await codeOf(await browser.ask(back))).toEqual([401, 'IDENTITY_REFUSED'])
})

test('one factor is not enough', async () => {
  person = { ...person, amr: ['pwd'] }
  const browser = new Browser()
  expect(await codeOf(await browser.ask(await goThere(browser)))).toEqual([401, 'IDENTITY_REFUSED'])
  expect(await lastReason()).toBe('one-factor')
})

test('whom the city recognises and who has no account here gets none', async () => {
  person = { ...person, staffNumber: 'WJ-404' }
  const browser = new Browser()
  expect(await codeOf(await browser.ask(await goThere(browser)))).toEqual([401, 'IDENTITY_REFUSED'])
  expect(await lastReason()).toBe('unknown')
})

test('a service that may not be called is not called', async () => {
  const options = {
    issuer: there,
    clientId: 'gridbridge',
    clientSecret: 'x',
    claim: 'sub',
    acr: [],
    amr: ['otp'],
    redirectUri: here + CALLBACK,
  }
  const closed = openCityIdentity(options, createEgressGuard([]))
  await expect(closed.begin()).rejects.toMatchObject({ code: 'IDENTITY_UNAVAILABLE' })
})

test('an installation without one says so', async () => {
  const alone = await openDoor(installation)
  expect((await alone.inject('/api/v1/session/oidc')).json()).toMatchObject({ status: 404, code: 'IDENTITY_UNSET' })
  await alone.close()
})
