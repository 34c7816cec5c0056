import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerConsumer, registerFeed, residentRows, storeRows } from '../support/ledger.ts'
import { bearerOf, openDoor } from './door.ts'

let installation: TestInstallation
let server: FastifyInstance
let tokens: Readonly<Record<'copier' | 'district' | 'asker', string>>

beforeAll(async () => {
  installation = await openTestInstallation('granted')
  server = await openDoor(installation)
  const feed = await registerFeed(installation, 'LZ-GA-RK-001')
  await storeRows(installation, feed, residentRows(1, 40))
  tokens = {
    copier: await bearerOf(server, await registerConsumer(installation, 'grid-platform')),
    district: await bearerOf(server, await registerConsumer(installation, 'district', { area: ['510502'] })),
    asker: await bearerOf(server, await registerConsumer(installation, 'asker', { method: 'query' })),
  }
})
afterAll(async () => {
  await server.close()
  await installation.close()
})

type Who = keyof typeof tokens

const get = (who: Who, path: string, headers: Readonly<Record<string, string>> = {}) =>
  server.inject({ url: `/api/v1/datasets/${path}`, headers: { authorization: tokens[who], ...headers } })

async function lastEventOf(actor: string): Promise<string | undefined> {
  const [entry] = await installation.asOwner<{ type: string }>(
    'select event_type as type from audit.entry where actor = $1 order by recorded_at desc limit 1',
    [`consumer:${actor}`],
  )
  return entry?.type
}

describe('an answer that the caller holds already', () => {
  test.each(['resident/changes?limit=2', 'resident/snapshot?limit=9', 'resident/records/LZ-GA-RK-001/R-2'])(
    'is not sent again, which is written down as such and uses nothing up: %s',
    async (path) => {
      // A snapshot's first page names its own end, so only a page with a cursor can be the same twice.
      const first = await get('copier', path)
      const cursor = first.json<{ cursor?: string }>().cursor
      const again = path.includes('snapshot') ? `${path}&cursor=${cursor ?? ''}` : path
      const tag = (await get('copier', again)).headers.etag ?? ''
      expect(tag).toMatch(/^W\/"[\da-f]{32}"$/)
      const used = async () =>
        installation.asOwner('select sum(records) as records, sum(answers) as answers from gridbridge.agreement_use')
      const before = await used()
      const held = await get('copier', again, { 'if-none-match': `"other", ${tag}` })
      expect([held.statusCode, held.body, held.headers.etag]).toEqual([304, '', tag])
      expect(await lastEventOf('grid-platform')).toBe('answer.unchanged')
      expect(await used()).toEqual(before)
      expect((await get('copier', again, { 'if-none-match': '"other"' })).statusCode).toBe(200)
    },
  )

  test('has another tag under another agreement', async () => {
    const path = 'resident/records/LZ-GA-RK-001/R-1'
    const tagOf = async (who: Who) => (await get(who, path)).headers.etag
    expect(await tagOf('district')).not.toBe(await tagOf('copier'))
  })
})

describe('compression', () => {
  test('is gzip alone, from a kilobyte on, and says by what the answer varies', async () => {
    const encodingOf = async (path: string, accept: string) => {
      const { headers } = await get('copier', path, { 'accept-encoding': accept })
      return [headers['content-encoding'], headers.vary]
    }
    expect(await encodingOf('resident/changes', 'br, gzip, deflate')).toEqual(['gzip', 'accept-encoding'])
    expect(await encodingOf('resident/changes', 'br')).toEqual([undefined, 'accept-encoding'])
    expect((await encodingOf('resident/changes?limit=1', 'gzip'))[0]).toBeUndefined()
  })

  test('a body that comes compressed is not opened', async () => {
    const response = await server.inject({
      method: 'POST',
      url: '/api/v1/datasets/resident/queries',
      headers: { authorization: tokens.asker, 'content-type': 'application/json', 'content-encoding': 'gzip' },
      payload: Buffer.from('1f8b0800000000000003', 'hex'),
    })
    expect(response.statusCode).toBe(400)
  })
})
