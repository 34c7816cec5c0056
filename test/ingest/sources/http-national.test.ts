import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { NationalPlatformAuth } from '../../../src/feeds/manifest-auth.ts'
import { signForNationalPlatform } from '../../../src/security/department-signatures.ts'
import { collect } from './collect.ts'
import { people, sendJson, serveByToken, startEmulatedSource, type Answer } from './emulated-source.ts'

const { open, answerWith, close, origin } = await startEmulatedSource()
afterAll(close)
afterEach(() => vi.useRealTimers())

/** By the names of the secrets of startEmulatedSource: requester and service app-1, refresh service s3cret, app key pass-1. */
let auth: NationalPlatformAuth
let applications = 0
beforeEach(() => {
  applications += 1
  const url = `${origin}/refresh?application=${applications}`
  const refresh = { url, service: 'token', secret: '/data/secret', minutes: 10 }
  auth = { kind: 'national-platform', requester: 'key', service: 'key', secret: 'word', refresh }
})

/** Whether the four headers of a request are those that this secret signs. */
function isSignedBy(headers: IncomingMessage['headers'], service: string, secret: string): boolean {
  const keys = { requester: 'app-1', service, secret }
  const expected = signForNationalPlatform(keys, Number(headers['gjgxjhpt_rtime']))
  return Object.entries(expected).every(([name, value]) => headers[name] === value)
}

/** The platform: lends `lent-1`, `lent-2` … and opens its data to the newest of them that it still accepts. */
function startPlatform(accepts: (secret: string) => boolean = () => true) {
  const page = serveByToken(people(5))
  const state = { refreshes: 0, calls: 0, refused: 0 }
  const refresh = (response: ServerResponse, message: IncomingMessage): void => {
    if (message.method !== 'POST' || !isSignedBy(message.headers, 's3cret', 'pass-1')) {
      response.writeHead(403).end()
      return
    }
    state.refreshes += 1
    sendJson(response, { code: '0', data: { secret: `lent-${state.refreshes}` } })
  }
  answerWith((query, response, message) => {
    if (message.url?.startsWith('/refresh') === true) return refresh(response, message)
    state.calls += 1
    const secret = `lent-${state.refreshes}`
    if (isSignedBy(message.headers, 'app-1', secret) && accepts(secret)) return page(query, response, message)
    state.refused += 1
    response.writeHead(401).end()
  })
  return state
}

describe('a short-lived secret of the national platform', () => {
  test('is asked for with the app key, and signs every page', async () => {
    const state = startPlatform()
    expect((await collect(open({ auth }))).values).toEqual(people(5))
    expect(state).toEqual({ refreshes: 1, calls: 3, refused: 0 })
  })

  test('serves all feeds of the application, those that begin at once as well', async () => {
    const state = startPlatform()
    await Promise.all([1, 2, 3].map(() => collect(open({ auth }))))
    await collect(open({ auth }))
    expect(state).toEqual({ refreshes: 1, calls: 12, refused: 0 })
  })

  test('is asked for anew shortly before its minutes are over', async () => {
    const state = startPlatform()
    const begun = Date.now()
    vi.useFakeTimers({ toFake: ['Date'], now: begun })
    await collect(open({ auth }))
    vi.setSystemTime(begun + 8.9 * 60_000)
    await collect(open({ auth }))
    expect(state.refreshes).toBe(1)
    vi.setSystemTime(begun + 9.1 * 60_000)
    await collect(open({ auth }))
    expect(state).toEqual({ refreshes: 2, calls: 9, refused: 0 })
  })

  test('that the platform no longer takes is asked for once more, and the request is sent once more', async () => {
    const state = startPlatform((secret) => secret !== 'lent-1')
    expect((await collect(open({ auth }))).values).toEqual(people(5))
    expect(state).toEqual({ refreshes: 2, calls: 4, refused: 1 })
  })

  test('that is refused again ends the reading: one refresh, one more try, no more', async () => {
    const state = startPlatform(() => false)
    await expect(collect(open({ auth }))).rejects.toMatchObject({ code: 'SOURCE_REFUSED' })
    expect(state).toEqual({ refreshes: 2, calls: 2, refused: 2 })
  })

  test('is not taken from another feed that has a newer one already', async () => {
    const state = startPlatform((secret) => secret !== 'lent-1')
    await Promise.all([1, 2, 3].map(() => collect(open({ auth }))))
    expect(state).toMatchObject({ refreshes: 2, refused: 3 })
  })
})

test.each<readonly [string, string, Answer]>([
  ['a refusal', 'SOURCE_REFUSED', (_q, r) => r.writeHead(403).end('{"msg":"wrong app key lent-9"}')],
  ['a redirect', 'SOURCE_REFUSED', (_q, r) => r.writeHead(302, { location: `${origin}/other` }).end()],
  ['a broken server', 'SOURCE_UNAVAILABLE', (_q, r) => r.writeHead(503).end()],
  ['no secret', 'SOURCE_BODY_INVALID', (_q, r) => sendJson(r, { code: '9', data: null })],
  ['a number', 'SOURCE_BODY_INVALID', (_q, r) => sendJson(r, { data: { secret: 7 } })],
  ['an empty secret', 'SOURCE_BODY_INVALID', (_q, r) => sendJson(r, { data: { secret: '' } })],
  ['a secret of 1 MB', 'SOURCE_LIMIT_EXCEEDED', (_q, r) => sendJson(r, { data: { secret: 'a'.repeat(1_000_000) } })],
  ['nothing', 'SOURCE_UNAVAILABLE', () => undefined],
])('%s instead of a secret gives %s, and the next reading asks again', async (_name, code, given) => {
  answerWith(given)
  const failure = collect(open({ auth, timeouts: { connectMs: 500, totalMs: 500 } }))
  await expect(failure).rejects.toMatchObject({ code })
  await expect(failure).rejects.not.toThrow(/lent-9|pass-1|application=/)
  const state = startPlatform()
  await collect(open({ auth }))
  expect(state.refreshes).toBe(1)
})

test('a refresh address outside the registered ranges is refused before anything is sent', () => {
  const state = startPlatform()
  for (const url of ['http://10.1.2.3/refresh', 'http://169.254.169.254/refresh']) {
    const refresh = { url, service: 'token', secret: '/secret', minutes: 10 }
    expect(() => open({ auth: { ...auth, refresh } })).toThrow(expect.objectContaining({ code: 'EGRESS_FORBIDDEN' }))
  }
  expect(state.refreshes).toBe(0)
})
