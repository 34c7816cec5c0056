import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerConsumer, registerFeed, residentRows, storeRows } from '../support/ledger.ts'
import { openDoor } from './door.ts'

let installation: TestInstallation
let server: FastifyInstance
let origin = ''

beforeAll(async () => {
  installation = await openTestInstallation('api')
  await storeRows(installation, await registerFeed(installation, 'LZ-GA-RK-001'), residentRows(1, 3))
  await registerConsumer(installation, 'grid-platform')
  server = await openDoor(installation)
  origin = await server.listen({ port: 0, host: '127.0.0.1' })
})
afterAll(async () => {
  await server.close()
  await installation.close()
})

interface Loaded {
  readonly url: string
  readonly headers: Headers
  readonly text: string
}

async function load(url: string): Promise<Loaded> {
  const response = await fetch(url)
  expect([url, response.status]).toEqual([url, 200])
  return { url, headers: response.headers, text: await response.text() }
}

/** The page as a browser gets it: with its scripts and styles, and the description that its script asks for. */
async function loadPage(address: string): Promise<readonly Loaded[]> {
  const page = await load(origin + address)
  const named = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, reference = '']) => reference)
  return [
    page,
    ...(await Promise.all([...named, '/docs/json'].map((reference) => load(new URL(reference, page.url).href)))),
  ]
}

test.each(['/docs', '/docs/'])('%s needs no token and loads nothing that is not from here', async (address) => {
  const loaded = await loadPage(address)
  expect(loaded.length).toBeGreaterThan(6)
  expect(new Set(loaded.map(({ url }) => new URL(url).origin))).toEqual(new Set([origin]))
  const styles = loaded.filter(({ headers }) => headers.get('content-type')?.startsWith('text/css'))
  expect(styles).toHaveLength(2)
  const named = styles.flatMap(({ text }) => [...text.matchAll(/@import|url\(\s*["']?([^"')]{1,5})/g)])
  expect(named.filter(([, scheme]) => scheme !== 'data:')).toEqual([])
  expect(loaded[0]?.text).toContain('<title>GridBridge 网格数据桥 API</title>')
})

test('what it may load is from here, with no script or style inside the page and no text that becomes a script', async () => {
  for (const { url, headers } of await loadPage('/docs')) {
    const policy = Object.fromEntries(
      (headers.get('content-security-policy') ?? '')
        .split(';')
        .map((directive) => directive.trim().split(' '))
        .map(([name, ...sources]) => [name, sources]),
    ) as Readonly<Record<string, readonly string[]>>
    expect([url, policy['default-src'], policy['script-src'], policy['style-src'], policy['connect-src']]).toEqual([
      url,
      [`'none'`],
      [`'self'`],
      [`'self'`],
      [`'self'`],
    ])
    expect(Object.values(policy).flat()).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/unsafe|https?:|\*/)]),
    )
  }
  const page = await load(`${origin}/docs`)
  expect(page.text).not.toMatch(/<script(?![^>]* src=)|<style|\son\w+=|\sstyle=|javascript:/)
})

test('everywhere else the policy is the one of before', async () => {
  const usual = (await server.inject({ url: '/healthz' })).headers['content-security-policy']
  for (const url of ['/openapi.json', '/api/v1/account', '/docsx'])
    expect((await server.inject({ url })).headers['content-security-policy']).toBe(usual)
  expect(usual).toMatch(/script-src 'self';script-src-attr 'none'/)
})

test('it shows the description, the same for everybody, and nothing of the data', async () => {
  const described = await load(`${origin}/docs/json`)
  expect(JSON.parse(described.text)).toEqual(JSON.parse((await load(`${origin}/openapi.json`)).text))
  const all = (await loadPage('/docs')).map(({ text }) => text).join('\n')
  expect(all).not.toMatch(/LZ-GA-RK-001|grid-platform|R-1\b|1990000\d{4}/)
})

test.each(['/docs/static/../../../../package.json', '/docs/static/%2e%2e/package.json', '/docs/package.json'])(
  'no other file is behind %s',
  async (url) => {
    const response = await server.inject({ url })
    expect(response.statusCode).toBeGreaterThanOrEqual(400)
    expect(response.headers['content-type']).toMatch('application/problem+json')
    expect(response.body).not.toContain('gridbridge"')
  },
)
