import type { IncomingMessage } from 'node:http'
import { afterAll, describe, expect, test, vi } from 'vitest'
import type { HttpAuth, OAuth2Auth, SortedParametersAuth } from '../../../src/feeds/manifest-auth.ts'
import type { HttpRequestBody } from '../../../src/feeds/manifest-types.ts'
import {
  digestBody,
  signForNationalPlatform,
  signForTif,
  signParameters,
} from '../../../src/security/department-signatures.ts'
import { collect } from './collect.ts'
import type { Answer } from './emulated-source.ts'
import { people, sendJson, serveByToken, startEmulatedSource } from './emulated-source.ts'

const { open, answerWith, asked, close, origin } = await startEmulatedSource()
afterAll(close)

const empty = { data: { rows: [] } }

/** What the source got to see of one request. */
async function askWith(auth: HttpAuth, change: Parameters<typeof open>[0] = {}): Promise<Seen> {
  let seen: Seen | null = null
  answerWith((query, response, message) => {
    const chunks: Buffer[] = []
    message.on('data', (chunk: Buffer) => chunks.push(chunk))
    message.on('end', () => {
      seen = { query, headers: message.headers, body: Buffer.concat(chunks).toString() }
      sendJson(response, empty)
    })
  })
  await collect(open({ auth, ...change }))
  if (seen === null) throw new Error('nothing was asked')
  return seen
}

interface Seen {
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

const header = ({ headers }: Seen, name: string): string => String(headers[name])

test('a user and a password go as Basic, in UTF-8', async () => {
  const seen = await askWith({ kind: 'basic', user: 'user', password: 'word' })
  expect(seen.headers.authorization).toBe(`Basic ${Buffer.from('网格:pass-1').toString('base64')}`)
})

test('an API key goes in the header or in the query that the manifest names', async () => {
  expect((await askWith({ kind: 'api-key', in: 'header', name: 'X-Api-Key', key: 'word' })).headers['x-api-key']).toBe(
    'pass-1',
  )
  expect((await askWith({ kind: 'api-key', in: 'query', name: 'apikey', key: 'word' })).query.get('apikey')).toBe(
    'pass-1',
  )
})

const sorted: SortedParametersAuth = {
  kind: 'sorted-parameters',
  appKey: 'key',
  secret: 'word',
  digest: 'md5',
  letters: 'upper',
  in: 'query',
  names: { appKey: 'appid', timestamp: 'ts', nonce: 'nonce_str', signature: 'sign', body: 'bodyMd5' },
  timestamp: 'yyyyMMddHHmmss',
}

describe('sorted parameters', () => {
  test('in the query are those that were signed', async () => {
    const { query } = await askWith(sorted)
    const given = [...query].filter(([name]) => name !== 'sign')
    expect(given.map(([name]) => name)).toEqual(['appid', 'limit', 'nonce_str', 'state', 'ts'])
    expect(query.get('ts')).toMatch(/^20\d{12}$/)
    expect(query.get('sign')).toBe(signParameters(given, 'pass-1', 'md5', 'upper'))
  })

  test('in headers leave the query alone', async () => {
    const seen = await askWith({
      ...sorted,
      in: 'header',
      digest: 'hmac-sm3',
      letters: 'lower',
      timestamp: 'epoch-seconds',
    })
    const own = ['appid', 'ts', 'nonce_str'].map((name) => [name, header(seen, name)] as const)
    expect([...seen.query.keys()]).toEqual(['limit', 'state'])
    expect(header(seen, 'ts')).toMatch(/^\d{10}$/)
    expect(header(seen, 'sign')).toBe(signParameters([...seen.query, ...own], 'pass-1', 'hmac-sm3', 'lower'))
  })

  test('hold the fields of a form, and the digest of the raw bytes of any other body', async () => {
    const request = (body: HttpRequestBody) => ({ request: { method: 'POST', path: '/a', query: {}, body } }) as const
    const form = await askWith(
      sorted,
      request({ kind: 'form', fields: { 名: '张 测试', size: '{page.size}', none: '{page.token}' } }),
    )
    const fields = [...new URLSearchParams(form.body)]
    expect(fields).toEqual([
      ['名', '张 测试'],
      ['size', '2'],
    ])
    const query = [...form.query].filter(([name]) => name !== 'sign')
    expect(form.query.get('sign')).toBe(signParameters([...query, ...fields], 'pass-1', 'md5', 'upper'))
    const json = await askWith(sorted, request({ kind: 'json', fields: { 名: '张' } }))
    const hashed = ['bodyMd5', digestBody(json.body, 'md5', 'upper')] as const
    const pairs = [...[...json.query].filter(([name]) => name !== 'sign'), hashed]
    expect(json.body).toBe('{"名":"张"}')
    expect(json.query.get('sign')).toBe(signParameters(pairs, 'pass-1', 'md5', 'upper'))
  })

  test('of the page before, which a link repeats, are written anew', async () => {
    let nonces: readonly (string | null)[] = []
    answerWith((query, response) => {
      nonces = [...nonces, query.get('nonce_str')]
      const given = [...query].filter(([name]) => name !== 'sign')
      expect(query.getAll('sign')).toEqual([signParameters(given, 'pass-1', 'md5', 'upper')])
      if (nonces.length === 1) response.setHeader('link', `<?${query.toString()}&page=2>; rel="next"`)
      sendJson(response, empty)
    })
    await collect(open({ auth: sorted, paging: { kind: 'link', size: 2 } }))
    expect(new Set(nonces).size).toBe(2)
  })
})

test('the headers of the national platform and of TIF gateways are those of their signers, at this time', async () => {
  const keys = { requester: 'app-1', service: 's3cret', secret: 'pass-1' }
  const national = await askWith({ kind: 'national-platform', requester: 'key', service: 'token', secret: 'word' })
  const at = Number(header(national, 'gjgxjhpt_rtime'))
  expect(Math.abs(Date.now() - at)).toBeLessThan(5000)
  expect(national.headers).toMatchObject(signForNationalPlatform(keys, at))
  const tif = await askWith({ kind: 'tif', paasId: 'key', token: 'word', letters: 'upper' })
  const seconds = Number(header(tif, 'x-tif-timestamp'))
  const tifKeys = { paasId: 'app-1', token: 'pass-1', letters: 'upper' } as const
  expect(tif.headers).toMatchObject(signForTif(tifKeys, seconds * 1000, header(tif, 'x-tif-nonce')))
  expect(Math.abs(Date.now() / 1000 - seconds)).toBeLessThan(5)
})

describe('OAuth2 client credentials', () => {
  const auth: OAuth2Auth = {
    kind: 'oauth2',
    tokenUrl: `${origin}/token`,
    clientId: 'key',
    clientSecret: 'word',
    scope: 'read all',
  }
  const page = serveByToken(people(5))

  /** A token server in front of the pages; `grant` answers the nth request for a token. */
  function serveTokens(
    grant: (count: number) => object,
    refuse: (token: string) => boolean = () => false,
  ): readonly string[] {
    const grants: string[] = []
    answerWith((query, response, message) => {
      const bearer = message.headers.authorization ?? ''
      if (message.url !== '/token') {
        if (refuse(bearer)) response.writeHead(401).end()
        else page(query, response, message)
        return
      }
      const chunks: Buffer[] = []
      message.on('data', (chunk: Buffer) => chunks.push(chunk))
      message.on('end', () => {
        grants.push(`${bearer} ${Buffer.concat(chunks).toString()}`)
        sendJson(response, grant(grants.length))
      })
    })
    return grants
  }

  test('one token serves all pages, and the client is told in the header', async () => {
    const grants = serveTokens((count) => ({ access_token: `t-${count}`, token_type: 'Bearer', expires_in: 3600 }))
    expect((await collect(open({ auth }))).values).toEqual(people(5))
    const client = Buffer.from('app-1:pass-1').toString('base64')
    expect(grants).toEqual([`Basic ${client} grant_type=client_credentials&scope=read%20all`])
  })

  test('the client is told in the body where the manifest says so', async () => {
    const grants = serveTokens(() => ({ access_token: 't' }))
    await collect(open({ auth: { ...auth, clientIn: 'body' } }))
    expect(grants).toEqual([' client_id=app-1&client_secret=pass-1&grant_type=client_credentials&scope=read%20all'])
  })

  test('a token is renewed shortly before it ends', async () => {
    const grants = serveTokens((count) => ({ access_token: `t-${count}`, expires_in: count === 1 ? '100' : 3600 }))
    const source = open({ auth })
    const first = await source.readPage(null, new Date())
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 89_000 })
    const second = await source.readPage(first.cursor, new Date())
    expect(grants).toHaveLength(1)
    vi.setSystemTime(Date.now() + 2000)
    await source.readPage(second.cursor, new Date())
    vi.useRealTimers()
    expect(grants).toHaveLength(2)
  })

  test('a token that the source no longer knows is renewed once, and then the source refuses', async () => {
    const grants = serveTokens(
      (count) => ({ access_token: `t-${count}` }),
      (bearer) => bearer === 'Bearer t-1',
    )
    expect((await collect(open({ auth }))).values).toEqual(people(5))
    expect(grants).toHaveLength(2)
    const more = serveTokens(
      (count) => ({ access_token: `t-${count}` }),
      () => true,
    )
    await expect(collect(open({ auth }))).rejects.toMatchObject({ code: 'SOURCE_REFUSED' })
    expect(more).toHaveLength(2)
  })

  test.each<readonly [string, string, Answer]>([
    ['a redirect', 'SOURCE_REFUSED', (_q, r) => r.writeHead(302, { location: `${origin}/other` }).end()],
    ['a refusal', 'SOURCE_REFUSED', (_q, r) => r.writeHead(401).end('{"error":"invalid_client"}')],
    ['a broken server', 'SOURCE_UNAVAILABLE', (_q, r) => r.writeHead(503).end()],
    ['a web page', 'SOURCE_BODY_INVALID', (_q, r) => r.setHeader('content-type', 'text/html').end('<html>')],
    ['half an answer', 'SOURCE_BODY_INVALID', (_q, r) => r.end('{"access_token":"s3cret-to')],
    ['no token', 'SOURCE_BODY_INVALID', (_q, r) => sendJson(r, { code: 0 })],
    ['a list', 'SOURCE_BODY_INVALID', (_q, r) => sendJson(r, [1])],
    ['a token with a line break', 'SOURCE_BODY_INVALID', (_q, r) => sendJson(r, { access_token: 's3cret-to\r\nx: y' })],
    ['a token of 1 MB', 'SOURCE_LIMIT_EXCEEDED', (_q, r) => sendJson(r, { access_token: 'a'.repeat(1_000_000) })],
    [
      'another kind of token',
      'SOURCE_BODY_INVALID',
      (_q, r) => sendJson(r, { access_token: 's3cret-to', token_type: 'mac' }),
    ],
    ['nothing', 'SOURCE_UNAVAILABLE', () => undefined],
  ])('%s instead of a token gives %s', async (_name, code, given) => {
    answerWith(given)
    const begun = performance.now()
    const failure = collect(open({ auth, timeouts: { connectMs: 500, totalMs: 500 } }))
    await expect(failure).rejects.toMatchObject({ code })
    await expect(failure).rejects.not.toThrow(/s3cret-to|pass-1/)
    expect(performance.now() - begun).toBeLessThan(2000)
    expect(asked()).toHaveLength(1)
  })

  test('a token address outside the registered ranges is refused before anything is sent', () => {
    answerWith((_query, response) => sendJson(response, empty))
    for (const tokenUrl of ['http://10.1.2.3/token', 'https://u:p@127.0.0.1/token', 'http://169.254.169.254/token']) {
      expect(() => open({ auth: { ...auth, tokenUrl } })).toThrow(expect.objectContaining({ code: 'EGRESS_FORBIDDEN' }))
    }
    expect(asked()).toEqual([])
  })
})
