import { createServer } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createManifest } from './feeds/sample-manifest.ts'
import { openTestInstallation, type TestInstallation } from './support/installation.ts'
import { residentRows } from './support/ledger.ts'
import { listen } from './support/listen.ts'
import { catalogueEntry, employAll, legalBasis, serviceItem, type Answer, type Office } from './support/office.ts'
import { startProduct, type Product } from './support/product.ts'

/** The whole life of one feed, by HTTP alone, against the running product and a department system on a socket of its own. */
let installation: TestInstallation
let office: Office
let source = { port: 0, calls: 0, close: () => undefined as void }
let product: Product

const GOOD = 40
const BAD = 10

/** Fifty residents; ten of them carry a number whose last digit is wrong, as a typist writes it. */
const rows = [...residentRows(1, GOOD), ...residentRows(GOOD + 1, GOOD + BAD, { zjhm: '510502190001010018' })]

async function startDepartmentSystem(): Promise<typeof source> {
  const system = { port: 0, calls: 0, close: () => undefined as void }
  const server = createServer((request, response) => {
    system.calls += 1
    const isKnown = request.headers.authorization === 'Bearer word-of-the-department'
    response.writeHead(isKnown ? 200 : 401, { 'content-type': 'application/json' })
    response.end(JSON.stringify(isKnown ? { data: { rows, next: null } } : {}))
  })
  system.port = await listen(server)
  system.close = () => void server.close()
  return system
}

beforeAll(async () => {
  installation = await openTestInstallation('story')
  source = await startDepartmentSystem()
  product = await startProduct(installation)
  office = await employAll(installation, product.url)
})
afterAll(async () => {
  await product.stop()
  source.close()
  await installation.close()
})

const code = 'LZ-GA-RK-001'
const feed = (rest = ''): string => `/api/v1/feeds/${code}${rest}`
const move = (action: string, reason?: string) => ({ action, ...(reason === undefined ? {} : { reason }) })

const manifest = () => {
  const sample = createManifest()
  const baseUrl = `http://127.0.0.1:${source.port}`
  return createManifest({
    source: {
      ...sample.source,
      baseUrl,
      request: { method: 'GET', path: '/residents', query: { page: '{page.token}' } },
    } as never,
    quality: { errorBudget: { records: 20, ratio: 0.3 } },
  })
}

const expectWell = (answer: Answer): Answer => {
  expect([answer.status, answer.body]).toEqual([200, expect.anything()])
  return answer
}

/** Asks again until the run is over. */
async function waitForEnd(runId: number): Promise<Answer['body']> {
  for (;;) {
    const { body } = await office.editor.get(`/api/v1/runs/${runId}`)
    if (body.state === 'done' || body.state === 'stopped') return body
    await wait(100)
  }
}

test(
  'a feed is registered, previewed, approved by others, run, corrected and retired',
  { timeout: 60_000 },
  async () => {
    const { editor, reviewer, officer, engineer, auditor } = office

    // The platform publishes what the data is for; the officer registers where the department's system answers.
    expectWell(await engineer.put('/api/v1/service-items/LZ-QD-001', serviceItem))
    const place = { scheme: 'http', address: '127.0.0.1', firstPort: source.port, lastPort: source.port }
    expectWell(await officer.post('/api/v1/endpoints', { department: 'public-security', ...place }))

    // An engineer of public security registers the feed and is told what it still lacks.
    expectWell(await editor.post('/api/v1/feeds', { manifest: manifest(), note: '首次接入' }))
    expect((await editor.get(feed())).body).toMatchObject({
      state: 'draft',
      missing: ['/legalBasis: wanted all of it', '/catalogue: wanted all of it', '/secrets/residentToken: wanted'],
    })
    expectWell(await editor.put(feed('/draft'), { manifest: manifest(), legalBasis, catalogue: catalogueEntry }))
    expectWell(await editor.put(feed('/secrets/residentToken'), { value: 'word-of-the-department' }))

    // They look at the first rows: as they come, as they are understood, as they will rest.
    const preview = expectWell(await editor.post(feed('/preview'))).body
    expect(preview.rows[0]).toMatchObject({
      raw: { xm: '张测试' },
      mapped: { name: '张测试', sex: '1' },
      masked: { name: '张**' },
    })
    expect(preview.rows).toHaveLength(20)
    expect((await engineer.post(feed('/preview'))).body.rows[0]).toMatchObject({ raw: null, mapped: null })

    // They submit; a colleague reviews; the security administrator approves. Nobody does it alone.
    expectWell(await editor.post(feed('/moves'), move('submit')))
    expect((await editor.post(feed('/moves'), move('review'))).body.code).toBe('FORBIDDEN')
    expectWell(await reviewer.post(feed('/moves'), move('review')))
    expect((await reviewer.post(feed('/moves'), move('approve'))).body.code).toBe('FORBIDDEN')
    expectWell(await officer.post(feed('/moves'), move('approve')))

    // A test batch is judged before anything runs.
    expect((await engineer.post(feed('/moves'), move('activate'))).body.code).toBe('GATE_INCOMPLETE')
    expect(expectWell(await editor.post(feed('/test'))).body).toMatchObject({
      passed: true,
      pulled: GOOD + BAD,
      valid: GOOD,
      rejected: BAD,
      rules: { 'DQ-013': BAD },
    })
    expectWell(await engineer.post(feed('/moves'), move('activate')))
    expect((await auditor.get('/api/v1/catalogue')).body.entries).toHaveLength(1)

    // It runs, and ten rows are refused.
    const asked = expectWell(await editor.post(feed('/runs'))).body
    const run = await waitForEnd(asked.runId)
    expect(run).toMatchObject({ state: 'done', pulled: GOOD + BAD, valid: GOOD, rejected: BAD, inserted: GOOD })

    // The department sees which and why, without a clear value; nobody else sees them.
    expect((await editor.get(feed('/rejections'))).body).toMatchObject({
      rows: BAD,
      rules: [{ rule: 'DQ-013', rows: BAD }],
    })
    const refused = (await editor.get(feed('/rejections/rows?limit=50'))).body.rejections
    expect(refused).toHaveLength(BAD)
    expect(JSON.stringify(refused)).not.toMatch(/510502190001010018|张测试/)
    expect((await officer.get(feed('/rejections/rows'))).body.code).toBe('FORBIDDEN')

    // They correct the ten and send them again; none is left.
    const corrected = refused.map(({ rejectionId, row }: { rejectionId: number; row: number }) => ({
      rejectionId,
      row: { ...rows[row], zjhm: '510502190001010017' },
    }))
    const sent = expectWell(await editor.post(feed('/rejections/resubmissions'), { rows: corrected })).body
    expect(sent.run).toMatchObject({ state: 'done', valid: BAD, rejected: 0, inserted: BAD })
    expect((await editor.get(feed('/rejections'))).body).toMatchObject({ rows: 0 })

    // In the end it is retired, and nothing reads the department's system any more.
    expectWell(await reviewer.post(feed('/moves'), { ...move('retire', '系统下线'), disposition: 'keep' }))
    const calls = source.calls
    expect((await editor.post(feed('/runs'))).status).toBeGreaterThanOrEqual(400)
    expect((await editor.post(feed('/preview'))).body.code).toBe('FEED_STATE')
    expect((await editor.get(feed())).body).toMatchObject({ state: 'retired', live: null, actions: [] })
    expect(source.calls).toBe(calls)
  },
)
