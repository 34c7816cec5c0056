import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { toEighteen } from '../../src/feeds/formats.ts'
import { indexEntries, indexPersons } from '../../src/jobs/audit-index.ts'
import { growTree } from '../../src/jobs/sequencer.ts'
import { openDatabase, type Database } from '../../src/store/database.ts'
import type { FastifyInstance } from 'fastify'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerAccount, registerConsumer, registerFeed, residentRows, storeRows } from '../support/ledger.ts'
import { nameOf } from '../support/manifests.ts'
import { employAll, type Answer, type Office } from '../support/office.ts'
import { bearerOf, openDoor } from './door.ts'

/** Numbers of people who do not exist, born in 1900, 1901 and 1903. */
const SEEN = '510502190001010017'
const OTHER = toEighteen('510502010101003') ?? ''
const NOBODY = toEighteen('510502030303003') ?? ''

let installation: TestInstallation
let server: FastifyInstance
let sequencer: Database
let office: Office
let tokens: Readonly<Record<'copier' | 'asker', string>>

beforeAll(async () => {
  installation = await openTestInstallation('audit-search')
  server = await openDoor(installation)
  office = await employAll(installation, await server.listen({ port: 0, host: '127.0.0.1' }))
  const { databaseUrl: url } = installation
  sequencer = openDatabase({ url, processName: 'sequencer', connections: 2, role: 'gridbridge_sequencer' })
  const feed = await registerFeed(installation, 'LZ-GA-RK-001')
  await storeRows(installation, feed, [...residentRows(1, 2), ...residentRows(3, 3, { zjhm: OTHER })])
  const copier = await registerConsumer(installation, 'copier')
  const asker = await registerConsumer(installation, 'asker', { method: 'query' })
  tokens = { copier: await bearerOf(server, copier), asker: await bearerOf(server, asker) }
  await disclose()
})
afterAll(async () => {
  await sequencer.close()
  await server.close()
  await installation.close()
})

const get = (path: string) =>
  server.inject({ url: `/api/v1/datasets/resident/${path}`, headers: { authorization: tokens.copier } })

const query = (certNumber: string) =>
  server.inject({
    method: 'POST',
    url: '/api/v1/datasets/resident/queries',
    headers: { authorization: tokens.asker, 'content-type': 'application/json' },
    payload: JSON.stringify({
      subject: { certType: '111', certNumber },
      reason: '走访核实居住情况',
      caseNumber: '泸公信〔2026〕12号',
    }),
  })

/** A page of changes and of the snapshot, one record, and a query about each of two persons. */
async function disclose(): Promise<void> {
  const answers = [
    await get('changes'),
    await get('snapshot'),
    await get('records/LZ-GA-RK-001/R-3'),
    await query(SEEN),
    await query(NOBODY),
  ]
  expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200, 200, 200])
}

async function place(): Promise<void> {
  while ((await growTree(sequencer)) > 0) continue
  await indexEntries(sequencer)
}

const search = (body: object, who: keyof Office = 'auditor'): Promise<Answer> =>
  office[who].post('/api/v1/audit/searches', body)
const whoSaw = (certNumber: string, more: object = {}) => search({ person: { certType: '111', certNumber }, ...more })
const typesOf = ({ body }: Answer): readonly string[] => body.entries.map(({ type }: { type: string }) => type)
/** The places of entries, the newest first. */
const placesOf = ({ entries }: Answer['body']): readonly number[] =>
  entries
    .flatMap(({ leafIndex }: { leafIndex: number | null }) => leafIndex ?? [])
    .toSorted((one: number, other: number) => other - one)
/** Without the looks of the auditor. */
const seenBy = (answer: Answer): readonly string[] => typesOf(answer).filter((type) => type !== 'audit.searched')

describe('who saw a person', () => {
  test.each(['waiting', 'placed', 'indexed'])(
    'is every disclosure that told of the person, the newest first: %s',
    async (state) => {
      if (state !== 'waiting') await place()
      if (state === 'indexed') await indexPersons(sequencer)
      expect(seenBy(await whoSaw(SEEN))).toEqual(['record.queried', 'snapshot.pulled', 'changes.pulled'])
      expect(seenBy(await whoSaw(OTHER))).toEqual(['record.read', 'snapshot.pulled', 'changes.pulled'])
      // Who asked about a person that is not there has learned that.
      expect(seenBy(await whoSaw(NOBODY))).toEqual(['record.queried'])
    },
  )

  test('holds for the number however it is written', async () => {
    expect(seenBy(await whoSaw(' 510502 19000101 0017 '.replaceAll(' ', '')))).toHaveLength(3)
    expect(seenBy(await whoSaw('510502010101003'))).toEqual(seenBy(await whoSaw(OTHER)))
  })

  test('is itself in the log before it is answered, by token, and is found by the next', async () => {
    const [first] = (await whoSaw(SEEN)).body.entries
    expect(first).toMatchObject({ type: 'audit.searched', actor: 'account:auditor', leafIndex: null, proof: null })
    expect(first.object).toBe(`person/${nameOf(installation, SEEN)}`)
    const [log] = await installation.asOwner<{ text: string }>(
      `select string_agg(convert_from(body, 'UTF8'), '') as text from audit.entry`,
    )
    expect(log?.text).not.toContain(SEEN)
  })

  test('comes in pages without a gap, and as filters narrow it', async () => {
    await place()
    const all = (await whoSaw(SEEN)).body
    const times = all.entries.map(({ time }: { time: string }) => time)
    expect(times).toEqual(times.toSorted().toReversed())
    const places = placesOf(all)
    const paged: number[] = []
    let cursor: number | null = (places[0] ?? 0) + 1
    while (cursor !== null) {
      const { body }: Answer = await whoSaw(SEEN, { limit: 2, cursor })
      paged.push(...placesOf(body))
      cursor = body.cursor
    }
    expect(paged).toEqual(places)
    expect(typesOf(await whoSaw(SEEN, { actor: 'consumer:copier' }))).toEqual(['snapshot.pulled', 'changes.pulled'])
    expect(typesOf(await whoSaw(SEEN, { type: 'record.queried' }))).toEqual(['record.queried'])
    expect(typesOf(await whoSaw(SEEN, { to: '2020-01-01T00:00:00Z' }))).toEqual([])
  })

  test('is a file for that person, whose cells are texts', async () => {
    await place()
    const json = await office.auditor.post('/api/v1/audit/person-reports', {
      person: { certType: '111', certNumber: SEEN },
    })
    expect(json.status).toBe(200)
    expect(json.headers.get('content-disposition')).toBe('attachment; filename="who-saw.json"')
    expect(typesOf(json)).toContain('changes.pulled')
    const second = await registerAccount(installation, 'second-auditor', 'audit-administrator')
    const csv = await server.inject({
      method: 'POST',
      url: '/api/v1/audit/person-reports',
      headers: { authorization: await bearerOf(server, second), 'content-type': 'application/json' },
      payload: JSON.stringify({ person: { certType: '111', certNumber: SEEN }, format: 'csv' }),
    })
    expect(csv.headers['content-type']).toBe('text/csv; charset=utf-8')
    const lines = csv.body.replace('\ufeff', '').trim().split('\r\n')
    expect(lines[0]).toContain('时间 time,事件 event')
    expect(lines.filter((line) => line.includes('consumer:copier'))).toHaveLength(2)
    // What begins like a number is text.
    for (const line of lines.slice(1)) expect(line.startsWith("'2")).toBe(true)
  })
})

describe('a search', () => {
  test.each([
    [{ actor: 'consumer:copier' }, ['record.read', 'snapshot.pulled', 'changes.pulled', 'token.issued']],
    [{ type: 'record.queried' }, ['record.queried', 'record.queried']],
    [{ actor: 'consumer:copier', dataset: 'resident', type: 'changes.pulled' }, ['changes.pulled']],
    [{ purpose: 'LZ-QD-001', type: 'snapshot.pulled' }, ['snapshot.pulled']],
    [{ department: 'public-security', type: 'page.saved' }, ['page.saved']],
    [{ department: 'health' }, []],
    [{ type: 'page.saved', from: '2020-01-01T00:00:00Z' }, ['page.saved']],
    [{ to: '2020-01-01T00:00:00Z' }, []],
    [{ outcome: 'failed' }, []],
  ])('by %j finds what fits, the newest first', async (filter, types) => {
    await place()
    expect(typesOf(await search(filter))).toEqual(types)
  })

  test.each(['editor', 'reviewer', 'officer', 'engineer'] as const)(
    'is refused to the %s, and that is written down',
    async (who) => {
      const { status, body } = await search({}, who)
      expect([status, body.code]).toEqual([403, 'FORBIDDEN'])
      expect(
        (await office[who].post('/api/v1/audit/person-reports', { person: { certType: '111', certNumber: SEEN } }))
          .status,
      ).toBe(403)
    },
  )

  test('takes the number of a person in its own place only, because what is looked for is written down', async () => {
    const { status, body } = await search({ object: `person ${SEEN}` })
    expect([status, body.code]).toEqual([400, 'REQUEST_INVALID'])
  })

  test('says what was looked for', async () => {
    await search({ actor: 'consumer:copier', from: '2026-01-01T00:00:00Z' })
    const [entry] = await installation.asOwner<{ said: object }>(
      `select convert_from(body, 'UTF8')::jsonb->'details' as said from audit.entry where event_type = 'audit.searched'
        order by recorded_at desc limit 1`,
    )
    expect(entry?.said).toEqual({ 'of-actor': 'consumer:copier', from: '2026-01-01T00:00:00.000Z' })
  })
})
