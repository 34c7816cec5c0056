import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { expectedLive, expectedRejections, expectedSecond, sourceCounts } from '../../demo/city/expectations.ts'
import { feedCodes } from '../../demo/city/feeds.ts'
import type { FeedCode } from '../../demo/city/feeds.ts'
import { loadDepartments } from '../../src/feeds/departments.ts'
import type { Manifest } from '../../src/feeds/manifest-types.ts'
import { openSource } from '../../src/ingest/sources/open.ts'
import type { Cursor, Source } from '../../src/ingest/sources/source.ts'
import { createEgressGuard } from '../../src/security/egress.ts'
import { signRequest } from '../../src/security/request-signature.ts'
import { openEmbeddedServer } from '../../src/store/embedded-server.ts'
import type { EmbeddedServer } from '../../src/store/embedded-server.ts'
import { openBatchDoor, type BatchDoor } from './batch-door.ts'
import { judgeRows, readConnectors, readDemoManifest } from './judge-source.ts'
import type { Verdict } from './judge-source.ts'
import { startDemo } from './process.ts'
import type { DemoProcess } from './process.ts'

const city = { residents: 3000, seed: 11 }
const options = ['--residents', String(city.residents), '--seed', String(city.seed)]
const egress = createEgressGuard(['loopback'])
const cursors = new Map<FeedCode, Cursor>()
const live = new Map<FeedCode, Set<string>>()
const connectors = readConnectors()
const readsWhole = (feed: FeedCode): boolean => connectors.get(feed)?.deletes.kind === 'missing'
let directory: string
let server: EmbeddedServer
let departments: ReadonlyMap<string, DemoProcess>
let door: BatchDoor

interface FeedFacts {
  readonly manifest: string
  readonly secrets: Readonly<Record<string, string>>
  readonly set: Readonly<Record<string, string>>
}

function processOf(department: string): DemoProcess {
  const found = departments.get(department)
  if (found === undefined) throw new Error(`no department ${department}`)
  return found
}

function factsOf(feed: FeedCode): FeedFacts {
  const told = [...departments.values()].map(({ facts }): Readonly<Record<string, FeedFacts>> => Object(facts['feeds']))
  const found = told.find((entry) => feed in entry)?.[feed]
  if (found === undefined) throw new Error(`no department told of ${feed}`)
  return found
}

const manifestOf = (feed: FeedCode): Manifest => readDemoManifest(factsOf(feed).manifest, factsOf(feed).set)

/** Reads one run to its end, and says of each page that it is saved. */
async function readRun(source: Source, from: Cursor | null): Promise<{ values: unknown[]; cursor: Cursor }> {
  const values: unknown[] = []
  let cursor = from
  for (;;) {
    const page = await source.readPage(cursor, new Date())
    values.push(...page.rows.map(({ value }) => value))
    await page.saved?.()
    if (page.done) return { values, cursor: page.cursor }
    cursor = page.cursor
  }
}

/** Reads one run of a feed as the middleware does. */
async function readFeed(feed: FeedCode): Promise<readonly unknown[]> {
  const source = await openSource(manifestOf(feed), factsOf(feed).secrets, egress)
  try {
    const { values, cursor } = await readRun(source, cursors.get(feed) ?? null)
    cursors.set(feed, cursor)
    return values
  } finally {
    await source.close()
  }
}

/** Has the department post to a door that takes what it posts. */
async function askToPost(feed: FeedCode): Promise<readonly unknown[]> {
  const { url } = processOf(manifestOf(feed).feed.department)
  const answer = await fetch(`${url}/_control/post`, { method: 'POST', body: JSON.stringify({ api: door.url }) })
  if (!answer.ok) throw new Error(`posting ended with ${answer.status}`)
  return door.take()
}

/** Takes what a feed offers once, and judges it. */
async function runFeed(feed: FeedCode): Promise<Verdict & { readonly pulled: number }> {
  const manifest = manifestOf(feed)
  const values = manifest.source.kind === 'push' ? await askToPost(feed) : await readFeed(feed)
  return { ...judgeRows(manifest, values.length, (position) => values[position]), pulled: values.length }
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gridbridge-departments-'))
  // PostgreSQL runs as another user where the tests run as root, and must be able to walk to its directory.
  await chmod(directory, 0o711)
  server = await openEmbeddedServer(join(directory, 'postgresql'))
  const own = ['--data', directory, '--database-url', server.url]
  const started = [...loadDepartments().keys()].map(async (name) => {
    return [name, await startDemo(`departments/${name}.ts`, [...options, ...own])] as const
  })
  departments = new Map(await Promise.all(started))
  door = await openBatchDoor(factsOf('LZ-ZW-GD-001').secrets['appSecret'] ?? '')
}, 60_000)

afterAll(async () => {
  await Promise.all([...departments.values()].map((department) => department.stop()))
  await door.stop()
  await server.stop()
  await rm(directory, { recursive: true, force: true })
})

test('every feed of the city is handed out by one department', () => {
  const told = [...departments.values()].flatMap(({ facts }) => Object.keys(Object(facts['feeds'])))
  expect(told.toSorted()).toEqual(feedCodes.toSorted())
})

describe('pass one', () => {
  test.for(feedCodes)('hands out every row of %s, good and dirty', async (feed) => {
    const verdict = await runFeed(feed)
    expect(verdict.pulled).toBe(sourceCounts(city)[feed])
    expect(verdict.rejections).toEqual(expectedRejections(city)[feed])
    expect(verdict.valid.length).toBe(expectedLive(city, 1)[feed])
    live.set(feed, new Set(verdict.valid.map(({ recordId }) => recordId)))
  })
})

describe('credentials', () => {
  test('a request with a wrong, an old or a used signature is refused by public security', async () => {
    const { secrets } = factsOf('LZ-GA-RK-001')
    const query = [
      ['updatedFrom', '2025-01-01T00:00:00Z'],
      ['updatedTo', '2025-01-02T00:00:00Z'],
      ['size', '5'],
    ] as const
    const { appKey = '', appSecret = '' } = secrets
    const ask = async (secret: string, timestamp: number, nonce: string): Promise<number> => {
      const signable = { method: 'GET', path: '/api/residents', query, body: '', appKey, secret, timestamp, nonce }
      const url = `${processOf('public-security').url}/api/residents?${new URLSearchParams(Object.fromEntries(query)).toString()}`
      return (await fetch(url, { headers: { ...signRequest(signable) } })).status
    }
    expect(await ask(appSecret, Date.now(), 'once')).toBe(200)
    expect(await ask(appSecret, Date.now(), 'once')).toBe(401)
    expect(await ask(`${appSecret}x`, Date.now(), 'twice')).toBe(401)
    expect(await ask(appSecret, Date.now() - 301_000, 'late')).toBe(401)
  })

  test.for(feedCodes.filter((feed) => connectors.get(feed)?.source.kind === 'http'))(
    'a caller with other secrets is refused by the department of %s',
    async (feed) => {
      const { secrets } = factsOf(feed)
      const others = Object.fromEntries(Object.keys(secrets).map((name) => [name, 'another-secret']))
      const source = await openSource(manifestOf(feed), others, egress)
      try {
        await expect(source.readPage(null, new Date())).rejects.toMatchObject({ code: 'SOURCE_REFUSED' })
      } finally {
        await source.close()
      }
    },
  )

  test('the reader of the house register cannot write', async () => {
    const facts = factsOf('LZ-ZR-FW-001')
    const { Client } = await import('pg')
    const { host, port, database, user } = Object(processOf('natural-resources').facts['database'])
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

test('the hotline posts one batch twice, one again whose answer was lost, and one again that broke off', () => {
  expect(door.seen()).toEqual({ repeated: 2, brokenOff: 1 })
})

test('the exchange table has every change marked that was read', async () => {
  const answer = await fetch(`${processOf('agriculture').url}/_control/ready`)
  expect(await answer.json()).toEqual({ ready: 0 })
})

describe('the dropped files', () => {
  test('have a marker with rows and SM3, and hold rare characters in GB18030', async () => {
    const names = await readdir(join(directory, 'market-supervision'))
    const files = names.filter((name) => name.endsWith('.csv'))
    expect(names.toSorted()).toEqual(files.flatMap((name) => [name, `${name}.ok`]).toSorted())
    const bytes = await readFile(join(directory, 'market-supervision', String(files[0])))
    const text = new TextDecoder('gb18030', { fatal: true }).decode(bytes)
    expect(text).toMatch(/[\u{20000}-\u{2ffff}]/u)
  })
})

describe('pass two', () => {
  beforeAll(async () => {
    for (const { url } of departments.values()) {
      const answer = await fetch(`${url}/_control/pass`, { method: 'POST', body: '{"pass":2}' })
      if (!answer.ok) throw new Error(`pass two was refused with ${answer.status}`)
    }
    // The manifests settle for two seconds, by the clock of the database where there is one; one system counts whole seconds.
    await wait(3200)
  })

  test.for(feedCodes.filter((feed) => !readsWhole(feed)))('hands out only the changes of %s', async (feed) => {
    const { valid, rejections } = await runFeed(feed)
    const known = live.get(feed) ?? new Set()
    const upserts = valid.filter(({ operation }) => operation === 'upsert')
    expect(rejections).toEqual({})
    expect({
      inserted: upserts.filter(({ recordId }) => !known.has(recordId)).length,
      updated: upserts.filter(({ recordId }) => known.has(recordId)).length,
      deleted: valid.filter(({ operation, recordId }) => operation === 'delete' && known.has(recordId)).length,
    }).toEqual(expectedSecond(city)[feed])
  })

  test.for(feedCodes.filter(readsWhole))('hands out all of %s but what is gone', async (feed) => {
    const { valid, rejections } = await runFeed(feed)
    const known = live.get(feed) ?? new Set()
    const now = new Set(valid.map(({ recordId }) => recordId))
    expect(rejections).toEqual(expectedRejections(city)[feed])
    expect(valid.length).toBe(expectedLive(city, 2)[feed])
    expect([...known].filter((id) => !now.has(id)).length).toBe(expectedSecond(city)[feed].deleted)
    expect([...now].filter((id) => !known.has(id)).length).toBe(expectedSecond(city)[feed].inserted)
  })
})
