import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { expectedLive, expectedRejections, expectedSecond, sourceCounts } from '../../demo/city/expectations.ts'
import { datasets as datasetNames } from '../../demo/city/options.ts'
import type { Dataset } from '../../demo/city/options.ts'
import { openSource } from '../../src/ingest/sources/open.ts'
import type { Cursor } from '../../src/ingest/sources/source.ts'
import { createEgressGuard } from '../../src/security/egress.ts'
import { signRequest } from '../../src/security/request-signature.ts'
import { openEmbeddedServer } from '../../src/store/embedded-server.ts'
import type { EmbeddedServer } from '../../src/store/embedded-server.ts'
import { collect } from '../ingest/sources/collect.ts'
import { judgeRows, readDemoManifest } from './judge-source.ts'
import type { Verdict } from './judge-source.ts'
import { startDemo } from './process.ts'
import type { DemoProcess } from './process.ts'

const city = { residents: 3000, seed: 11 }
const options = ['--residents', String(city.residents), '--seed', String(city.seed)]
const egress = createEgressGuard(['loopback'])
const feeds: Readonly<Record<Dataset, string>> = {
  resident: 'LZ-GA-RK-001',
  housing: 'LZ-ZR-FW-001',
  entity: 'LZ-SC-DW-001',
  address: 'LZ-MZ-DZ-001',
  grid: 'LZ-MZ-WG-001',
}
const cursors = new Map<Dataset, Cursor>()
const live = new Map<Dataset, Set<string>>()
let directory: string
let server: EmbeddedServer
let departments: readonly DemoProcess[]

interface FeedFacts {
  readonly manifest: string
  readonly secrets: Readonly<Record<string, string>>
  readonly set: Readonly<Record<string, string>>
}

function factsOf(feed: string): FeedFacts {
  const told = departments.map(({ facts }): Readonly<Record<string, FeedFacts>> => Object(facts['feeds']))
  const found = told.find((entry) => feed in entry)?.[feed]
  if (found === undefined) throw new Error(`no department told of ${feed}`)
  return found
}

const urlOf = (department: number): string => departments[department]?.url ?? ''

/** Reads one run of a feed as the middleware does, and judges what came. */
async function runFeed(dataset: Dataset): Promise<Verdict & { readonly pulled: number }> {
  const facts = factsOf(feeds[dataset])
  const manifest = readDemoManifest(facts.manifest, facts.set)
  const source = await openSource(manifest, facts.secrets, egress)
  try {
    const read = await collect(source, cursors.get(dataset) ?? null)
    cursors.set(dataset, read.cursor)
    const { values } = read
    return { ...judgeRows(manifest, values.length, (position) => values[position]), pulled: values.length }
  } finally {
    await source.close()
  }
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gridbridge-departments-'))
  // PostgreSQL runs as another user where the tests run as root, and must be able to walk to its directory.
  await chmod(directory, 0o711)
  server = await openEmbeddedServer(join(directory, 'postgresql'))
  departments = await Promise.all([
    startDemo('departments/public-security.ts', options),
    startDemo('departments/civil-affairs.ts', options),
    startDemo('departments/natural-resources.ts', [...options, '--database-url', server.url]),
    startDemo('departments/market-supervision.ts', [...options, '--directory', join(directory, 'drop')]),
  ])
}, 60_000)

afterAll(async () => {
  await Promise.all(departments.map((department) => department.stop()))
  await server.stop()
  await rm(directory, { recursive: true, force: true })
})

describe('pass one', () => {
  test.for(datasetNames)('hands out every row of %s, good and dirty', async (dataset) => {
    const verdict = await runFeed(dataset)
    expect(verdict.pulled).toBe(sourceCounts(city)[dataset])
    expect(verdict.rejections).toEqual(expectedRejections(city)[dataset])
    expect(verdict.valid.length).toBe(expectedLive(city, 1)[dataset])
    live.set(dataset, new Set(verdict.valid.map(({ recordId }) => recordId)))
  })
})

describe('credentials', () => {
  test('a request with a wrong, an old or a used signature is refused by public security', async () => {
    const { secrets } = factsOf(feeds.resident)
    const query = [
      ['updatedFrom', '2025-01-01T00:00:00Z'],
      ['updatedTo', '2025-01-02T00:00:00Z'],
      ['size', '5'],
    ] as const
    const { appKey = '', appSecret = '' } = secrets
    const ask = async (secret: string, timestamp: number, nonce: string): Promise<number> => {
      const signable = { method: 'GET', path: '/api/residents', query, body: '', appKey, secret, timestamp, nonce }
      const url = `${urlOf(0)}/api/residents?${new URLSearchParams(Object.fromEntries(query)).toString()}`
      return (await fetch(url, { headers: { ...signRequest(signable) } })).status
    }
    expect(await ask(appSecret, Date.now(), 'once')).toBe(200)
    expect(await ask(appSecret, Date.now(), 'once')).toBe(401)
    expect(await ask(`${appSecret}x`, Date.now(), 'twice')).toBe(401)
    expect(await ask(appSecret, Date.now() - 301_000, 'late')).toBe(401)
  })

  test('a request without the token is refused by civil affairs', async () => {
    expect((await fetch(`${urlOf(1)}/api/grids?offset=0&limit=5`)).status).toBe(401)
  })

  test('the reader of the house register cannot write', async () => {
    const facts = factsOf(feeds.housing)
    const { Client } = await import('pg')
    const { host, port, database, user } = Object(departments[2]?.facts['database'])
    const client = new Client({ host, port, database, user, password: facts.secrets['password'] ?? '' })
    await client.connect()
    try {
      await expect(client.query("update fwxx set mj = '0'")).rejects.toThrow(/read-only|permission denied/)
      await client.query('set default_transaction_read_only = off')
      await expect(client.query("update fwxx set mj = '0'")).rejects.toThrow('permission denied')
    } finally {
      await client.end()
    }
  })
})

describe('the dropped files', () => {
  test('have a marker with rows and SM3, and hold rare characters in GB18030', async () => {
    const names = await readdir(join(directory, 'drop'))
    const files = names.filter((name) => name.endsWith('.csv'))
    expect(names.toSorted()).toEqual(files.flatMap((name) => [name, `${name}.ok`]).toSorted())
    const bytes = await readFile(join(directory, 'drop', String(files[0])))
    const text = new TextDecoder('gb18030', { fatal: true }).decode(bytes)
    expect(text).toMatch(/[\u{20000}-\u{2ffff}]/u)
  })
})

describe('pass two', () => {
  beforeAll(async () => {
    for (const { url } of departments) {
      const answer = await fetch(`${url}/_control/pass`, { method: 'POST', body: '{"pass":2}' })
      if (!answer.ok) throw new Error(`pass two was refused with ${answer.status}`)
    }
    // The manifests settle for two seconds, by the clock of the database where there is one.
    await wait(2100)
  })

  test.for(['resident', 'housing', 'entity'] as const)('hands out only the changes of %s', async (dataset) => {
    const { valid, rejections } = await runFeed(dataset)
    const known = live.get(dataset) ?? new Set()
    const upserts = valid.filter(({ operation }) => operation === 'upsert')
    expect(rejections).toEqual({})
    expect({
      inserted: upserts.filter(({ recordId }) => !known.has(recordId)).length,
      updated: upserts.filter(({ recordId }) => known.has(recordId)).length,
      deleted: valid.filter(({ operation, recordId }) => operation === 'delete' && known.has(recordId)).length,
    }).toEqual(expectedSecond(city)[dataset])
  })

  test.for(['address', 'grid'] as const)('hands out all of %s but what is gone', async (dataset) => {
    const { valid, rejections } = await runFeed(dataset)
    const known = live.get(dataset) ?? new Set()
    const now = new Set(valid.map(({ recordId }) => recordId))
    expect(rejections).toEqual(expectedRejections(city)[dataset])
    expect(valid.length).toBe(expectedLive(city, 2)[dataset])
    expect([...known].filter((id) => !now.has(id)).length).toBe(expectedSecond(city)[dataset].deleted)
    expect([...now].filter((id) => !known.has(id)).length).toBe(expectedSecond(city)[dataset].inserted)
  })
})
