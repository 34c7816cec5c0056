import { createServer } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addWorkingDays } from '../src/feeds/working-days.ts'
import { createManifest } from './feeds/sample-manifest.ts'
import { openTestInstallation, type TestInstallation } from './support/installation.ts'
import { registerConsumer, registerFeed, residentRows } from './support/ledger.ts'
import { listen } from './support/listen.ts'
import { employAll, type Answer, type Office } from './support/office.ts'
import { startProduct, type Product } from './support/product.ts'

/**
 * The way of one correction by HTTP alone, against the running product and a department system on a socket of its own: platform →
 * department → fixed at the source → next run → platform, with its clock.
 */
let installation: TestInstallation
let product: Product
let office: Office
let platform: Platform

const CODE = 'LZ-GA-RK-001'
const WRONG = '张测试'
const RIGHT = '欧阳测试'

/** What the department's system holds; the test fixes a row of it as its people would. */
const rows = [...residentRows(1, 20)]
const system = createServer((_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ data: { rows, next: null } }))
})

interface Platform {
  readonly get: (path: string) => Promise<Answer['body']>
  readonly post: (path: string, body?: unknown) => Promise<Answer['body']>
}

async function connectPlatform(url: string): Promise<Platform> {
  const { name, clientSecret } = await registerConsumer(installation, 'grid-platform', { forms: { name: 'mask' } })
  const credentials = Buffer.from(`${name}:${clientSecret}`).toString('base64')
  const issued = await fetch(`${url}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${credentials}` },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  })
  const { access_token: token } = (await issued.json()) as { access_token: string }
  const ask = async (method: string, path: string, body?: unknown): Promise<Answer['body']> => {
    const type = body === undefined ? {} : { 'content-type': 'application/json' }
    const carried = body === undefined ? {} : { body: JSON.stringify(body) }
    const headers = { authorization: `Bearer ${token}`, ...type }
    const response = await fetch(url + path, { method, headers, ...carried })
    const answer = await response.json()
    expect([response.status, answer]).toEqual([200, expect.anything()])
    return answer
  }
  return { get: (path) => ask('GET', path), post: (path, body) => ask('POST', path, body) }
}

beforeAll(async () => {
  installation = await openTestInstallation('correction-story')
  const sample = createManifest()
  const baseUrl = `http://127.0.0.1:${await listen(system)}`
  const request = { method: 'GET', path: '/residents', query: { page: '{page.token}' } }
  // The source shares this process with the test: where it is slow to answer, no run should be put off.
  const timeouts = { connectMs: 20_000, totalMs: 30_000 }
  await registerFeed(installation, CODE, { source: { ...sample.source, baseUrl, request, timeouts } as never })
  product = await startProduct(installation)
  office = await employAll(installation, product.url)
  platform = await connectPlatform(product.url)
})
afterAll(async () => {
  await product.stop()
  system.close()
  await installation.close()
})

/** A run of the feed, asked for by the department and read to its end. */
async function runFeed(): Promise<void> {
  const { body } = await office.editor.post(`/api/v1/feeds/${CODE}/runs`)
  for (;;) {
    const run = (await office.editor.get(`/api/v1/runs/${body.runId}`)).body
    if (run.state === 'done') return
    expect(run.state).not.toBe('stopped')
    await wait(50)
  }
}

/** Everything of a feed after a cursor. What was committed last can be read as soon as no older transaction is open. */
async function readOn(path: string, name: string, cursor: string, wanted: number) {
  const items: Answer['body'][] = []
  let next = cursor
  while (items.length < wanted) {
    const page = await platform.get(`${path}${next === '' ? '' : `?cursor=${next}`}`)
    items.push(...page[name])
    next = page.cursor
    if (page.hasMore === false && items.length < wanted) await wait(50)
  }
  return { items, cursor: next }
}

test('a correction travels to the department and its fix travels back', { timeout: 120_000 }, async () => {
  const changes = '/api/v1/datasets/resident/changes'
  await runFeed()
  const held = await readOn(changes, 'changes', '', rows.length)
  const record = held.items.find(({ id }) => id === `${CODE}/R-7`)
  expect(record).toMatchObject({ version: 1, record: { name: '张**' } })

  // A grid worker meets somebody else than the record says; the platform reports it.
  const ticket = await platform.post('/api/v1/corrections', {
    dataset: 'resident',
    id: record?.id,
    version: record?.version,
    kind: 'wrong-value',
    field: 'name',
    observed: RIGHT,
    note: '登门核实',
    evidenceAt: new Date().toISOString(),
    reference: 'JH-2026-0007',
  })
  expect(ticket).toMatchObject({ state: 'open', overdue: false })
  // The clock: the end of the tenth working day after today.
  expect(ticket.dueAt).toBe(addWorkingDays(new Date(ticket.raisedAt), 10).due.toISOString())

  // The department sees it with what was observed, takes it up, and mends its own system.
  const list = `/api/v1/feeds/${CODE}/corrections`
  const [waiting] = (await office.editor.get(`${list}?state=open`)).body.corrections
  expect(waiting).toMatchObject({ correctionId: ticket.correctionId, recordId: 'R-7', observed: RIGHT })
  const answers = `${list}/${ticket.correctionId}/answers`
  expect((await office.editor.post(answers, { answer: 'accept' })).body.state).toBe('accepted')
  const place = rows.findIndex((row) => row['id'] === 'R-7')
  expect(rows[place]).toMatchObject({ xm: WRONG })
  rows[place] = { ...rows[place], xm: RIGHT, gxsj: '2026-11-05 08:00:00' }
  const answered = (await office.editor.post(answers, { answer: 'fix' })).body
  expect(answered).toMatchObject({ state: 'source-fixed', overdue: false, syncedAt: null })
  expect(Date.parse(answered.answeredAt)).toBeLessThanOrEqual(Date.parse(ticket.dueAt))

  // The next run brings the fix, and the ticket follows it by itself.
  await runFeed()
  const tickets = await readOn('/api/v1/corrections', 'corrections', '', 1)
  expect(tickets.items).toMatchObject([{ correctionId: ticket.correctionId, state: 'synced', syncedVersion: 2 }])
  const fixed = await readOn(changes, 'changes', held.cursor, 1)
  expect(fixed.items).toMatchObject([{ id: record?.id, version: 2, record: { name: '欧阳**' } }])

  // The platform has what it asked for, and closes it.
  const closed = await platform.post(`/api/v1/corrections/${ticket.correctionId}/closure`)
  expect(closed).toMatchObject({ state: 'closed', overdue: false })
  const told = await readOn('/api/v1/notices', 'notices', '', 4)
  expect(told.items.map(({ type }) => type)).toEqual([
    'correction.accepted',
    'correction.answered',
    'correction.synced',
    'correction.closed',
  ])
  expect(told.items[3]?.data).toMatchObject({ reference: 'JH-2026-0007', state: 'closed' })

  // What was observed went to the department and nowhere else.
  const entries = await installation.asOwner<{ text: string }>(
    `select convert_from(body, 'UTF8') as text from audit.entry`,
  )
  expect(JSON.stringify([entries, ticket, tickets, told])).not.toMatch(/欧阳测试|登门/)
})
