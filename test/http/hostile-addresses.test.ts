import { createServer } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Manifest } from '../../src/feeds/manifest-types.ts'
import { hostileHosts } from '../security/address-forms.ts'
import { registerConsumer } from '../support/ledger.ts'
import { listen } from '../support/listen.ts'
import { bearerOf } from './door.ts'
import { at, openFeedStage, type FeedStage } from './feed-stage.ts'

let stage: FeedStage
let port = 0
let heard = 0
let bearer = ''
const canary = createServer((socket) => {
  heard += 1
  socket.destroy()
})
const code = 'LZ-GA-RK-300'

beforeAll(async () => {
  stage = await openFeedStage()
  await stage.register(code)
  bearer = await bearerOf(stage.server, await registerConsumer(stage.installation, 'grid-platform'))
  port = await listen(canary, '::')
})
afterAll(async () => {
  canary.close()
  await stage.close()
})

const subscribe = (endpoint: string) =>
  stage.server.inject({
    method: 'POST',
    url: '/api/v1/subscriptions',
    headers: { authorization: bearer },
    payload: { dataset: 'resident', endpoint },
  })

/** Loopback is open to this stage, as it is in development; everything else that is hostile is not. */
const isLoopback = (host: string): boolean => {
  const name = URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : ''
  return /^(127\.|localhost|ip6-localhost|\[::1\]|\[::ffff:7f|\[::7f|\[::ffff:0:7f|\[64:ff9b::7f|\[2002:7f)/.test(name)
}

test('a subscription to a forbidden address is refused before it is kept', { timeout: 120_000 }, async () => {
  const kept: string[] = []
  for (const host of hostileHosts.filter((one) => !isLoopback(one))) {
    const { statusCode } = await subscribe(`http://${host}:${port}/hook`)
    if (statusCode < 400) kept.push(host)
  }
  expect([kept, heard]).toEqual([[], 0])
  expect(await stage.installation.asOwner('select from gridbridge.subscription')).toEqual([])
  expect((await subscribe(`http://127.0.0.1:${port}/hook`)).statusCode).toBeLessThan(300)
})

test('an address for verification results is refused unless an endpoint covers it', { timeout: 120_000 }, async () => {
  const kept: string[] = []
  for (const host of hostileHosts) {
    const url = `http://${host}:${port}/results`
    const { status } = await stage.office.editor.put(at(code, '/verification-target'), {
      url,
      appKey: 'key',
      appSecret: 'made-up-secret-of-16',
    })
    if (status < 400) kept.push(host)
  }
  expect([kept, heard]).toEqual([[], 0])
})

test('a preview of a manifest reads no address but the registered one', { timeout: 120_000 }, async () => {
  const reached: string[] = []
  let asked = 0
  for (const host of hostileHosts.filter((_, place) => place % 4 === 0)) {
    const { source } = stage.manifestOf(code)
    const manifest = stage.manifestOf(code, {
      source: { ...source, baseUrl: `http://${host}:${port}` } as Manifest['source'],
    })
    const { status } = await stage.office.editor.put(at(code, '/draft'), stage.draftOf(code, { manifest }))
    if (status !== 200) continue
    asked += 1
    const preview = await stage.office.editor.post(at(code, '/preview'))
    if (preview.status < 400) reached.push(host)
  }
  expect([reached, heard]).toEqual([[], 0])
  expect(asked).toBeGreaterThan(50)
})
