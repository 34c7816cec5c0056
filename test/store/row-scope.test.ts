import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { listAlerts, raiseAlert } from '../../src/store/alerts.ts'
import type { Query } from '../../src/store/database.ts'
import { findFeed, type Feed } from '../../src/store/feeds.ts'
import { countOpenRejections, listOpenRejections } from '../../src/store/rejections.ts'
import { readScoped } from '../../src/store/row-scope.ts'
import { listRuns } from '../../src/store/runs.ts'
import { savePage } from '../../src/store/save-page.ts'
import { createManifest } from '../feeds/sample-manifest.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { beginRun, makePage, registerFeed, residentRows, storeRows } from '../support/ledger.ts'

/** Two departments with rows of every kind, and queries whose own filter is left out. */
let installation: TestInstallation
const feeds: Record<string, Feed> = {}

const code = { 'public-security': 'LZ-GA-RK-001', 'civil-affairs': 'LZ-MZ-RK-001' } as const
type Department = keyof typeof code
const departments = Object.keys(code) as readonly Department[]

const row = (department: Department) => (department === 'public-security' ? 1 : 51)

beforeAll(async () => {
  installation = await openTestInstallation('api')
  for (const department of departments) {
    const manifest = { feed: { ...createManifest().feed, department } }
    const registered = await registerFeed(installation, code[department], manifest)
    await storeRows(installation, registered, residentRows(row(department), row(department) + 2))
    const feed = await findFeed(installation.database.query, code[department])
    feeds[department] = feed
    const broken = residentRows(row(department) + 10, row(department) + 11, { zjhm: '510502190301010010' })
    const lease = await beginRun(installation, registered)
    await savePage(installation.database, registered, lease, makePage(installation, registered, broken))
    await installation.database.transaction((transaction) =>
      raiseAlert(transaction, { kind: 'feed-stale', feed, runId: null, details: {} }),
    )
  }
})
afterAll(() => installation.close())

const scoped = <Result>(department: Department, work: (query: Query) => Promise<Result>): Promise<Result> =>
  readScoped(installation.database, department, work)

describe.each(departments)('what is read for %s', (department) => {
  const other = departments.find((one) => one !== department) ?? department

  test('holds nothing of another department, though the query asks for all', async () => {
    const all = { department: null, before: null, limit: 100 }
    const runs = await scoped(department, (query) => listRuns(query, { ...all, feed: null }))
    expect(new Set(runs.map((run) => run.department))).toEqual(new Set([department]))
    const alerts = await scoped(department, (query) => listAlerts(query, { ...all, isOpen: true }))
    expect(alerts.map((alert) => alert.department)).toEqual([department])
    const records = await scoped(department, (query) => query('select distinct feed_id as id from record'))
    expect(records).toEqual([{ id: feeds[department]?.feedId }])
  })

  test('holds nothing of another department, though the query asks for that one', async () => {
    const feedId = feeds[other]?.feedId ?? 0
    const filter = { feedId, department: other, rule: null, after: 0, limit: 100 }
    expect(await scoped(department, (query) => listOpenRejections(query, filter))).toEqual([])
    expect((await scoped(department, (query) => countOpenRejections(query, feedId))).rows).toBe(0)
    expect((await countOpenRejections(installation.database.query, feedId)).rows).toBeGreaterThan(0)
    const own = { ...filter, feedId: feeds[department]?.feedId ?? 0, department }
    expect((await scoped(department, (query) => listOpenRejections(query, own))).length).toBeGreaterThan(0)
  })
})

const REFUSED = 'SQLSTATE 42501'

test('every table that a department can read is limited to it, and every other one is refused', async () => {
  const tables = await installation.asOwner<{ name: string; isLimited: boolean }>(
    `select relname as name, relrowsecurity as "isLimited" from pg_class
      where relnamespace = 'gridbridge'::regnamespace and relkind in ('r', 'p', 'v', 'm') order by 1`,
  )
  const readable: string[] = []
  const refusals = new Set<string>()
  for (const { name, isLimited } of tables) {
    const read = scoped('civil-affairs', (query) => query(`select from gridbridge.${name} limit 1`))
    const outcome = await read.then(
      () => 'read',
      (error: { detail: string }) => error.detail,
    )
    if (outcome === 'read' && !isLimited) readable.push(name)
    if (outcome !== 'read') refusals.add(outcome)
  }
  expect(readable).toEqual(['consumer', 'dataset'])
  expect([...refusals]).toEqual([REFUSED])
})

test('reading is all that it is: nothing is written, and nothing is read without a department', async () => {
  const write = scoped('civil-affairs', (query) => query(`update feed set state = 'retired'`))
  await expect(write).rejects.toMatchObject({ detail: expect.stringMatching(/SQLSTATE (42501|25006)/) })
  const nobody = readScoped(installation.database, '', (query) => query('select from record'))
  expect(await nobody).toEqual([])
})

test('a connection that was limited is whole again afterwards, also after a failure', async () => {
  const all = async (): Promise<number> =>
    (await installation.database.query('select distinct feed_id from record')).length
  for (let time = 0; time < 20; time++)
    await scoped('civil-affairs', (query) => query(time % 2 === 0 ? 'select 1' : 'select 1 / 0')).catch(() => undefined)
  for (let time = 0; time < 20; time++) expect(await all()).toBe(2)
})
