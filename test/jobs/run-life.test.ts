import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import type { Manifest } from '../../src/feeds/manifest-types.ts'
import type { JobQueues } from '../../src/jobs/queues.ts'
import { makeHandlers, type WorkerEvent } from '../../src/jobs/workers.ts'
import { createEgressGuard } from '../../src/security/egress.ts'
import type { Feed } from '../../src/store/feeds.ts'
import { findRun, requestRun, type Run } from '../../src/store/runs.ts'
import { BREAKER_AFTER, readSourceHealth } from '../../src/store/source-health.ts'
import { requestRunBy, steerRun, type Steering } from '../../src/store/steer-run.ts'
import { codeOf } from '../support/coded-error.ts'
import { startDepartment } from '../support/department.ts'
import { freePort } from '../support/embedded-database.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerFeed } from '../support/ledger.ts'

let installation: TestInstallation
let feeds = 0
let delays: readonly number[] = []
let events: readonly WorkerEvent[] = []

beforeAll(async () => {
  installation = await openTestInstallation('run-life')
})
afterAll(() => installation.close())
beforeEach(() => {
  delays = []
  events = []
})

/** A queue that only remembers after how long the work is due again. */
const queues: Pick<JobQueues, 'enqueueRun'> = {
  enqueueRun: (_run, delayMs = 0) => {
    delays = [...delays, delayMs]
    return Promise.resolve()
  },
}

function work(runId: number): Promise<void> {
  const { database, datasets, keys } = installation
  const handlers = makeHandlers({
    database,
    datasets,
    keys,
    egress: createEgressGuard(['loopback']),
    queues: queues as JobQueues,
    auditDeadlineMs: 2000,
    exportRules: loadConfig({}).exportRules,
    report: (event) => {
      events = [...events, event]
    },
  })
  return handlers.ingest({ runId })
}

/** A feed of a department with so many residents in pages of ten, and a run of it that waits for a worker. */
async function openFeed(rows: number, change: Partial<Manifest> = {}, latencyMs = 0): Promise<[Feed, number]> {
  feeds += 1
  const department = await startDepartment(rows, 10, latencyMs)
  onTestFinished(() => department.close())
  const code = `LZ-GA-RK-${String(feeds).padStart(3, '0')}`
  const feed = await registerFeed(installation, code, { source: department.source, ...change })
  const { runId } = await requestRun(installation.database.query, feed.feedId)
  return [feed, runId]
}

const look = (runId: number): Promise<Run> => findRun(installation.database.query, runId)
const comeDue = (runId: number) =>
  installation.asOwner('update gridbridge.run set not_before = null where run_id = $1', [runId])
const steer = (runId: number, steering: Steering): Promise<Run> =>
  steerRun(installation.database, runId, steering, 'account:engineer')

async function readEvents(runId: number): Promise<readonly string[]> {
  const rows = await installation.asOwner<{ type: string }>(
    `select event_type as type from audit.entry where convert_from(body, 'UTF8')::jsonb->>'object' = $1 order by recorded_at`,
    [`run/${runId}`],
  )
  return rows.map(({ type }) => type)
}

const alertsOf = (feed: Feed) =>
  installation.asOwner('select kind, run_id as "runId" from gridbridge.alert where feed_id = $1', [feed.feedId])

/** Two minutes around now by the wall clock of Shanghai, or two hours that begin in an hour. */
function hoursFromNow(fromMinutes: number, minutes: number): string {
  const clock = (offset: number): string =>
    new Intl.DateTimeFormat('en-GB', { timeZone: 'Asia/Shanghai', hour: '2-digit', minute: '2-digit' }).format(
      new Date(Date.now() + offset * 60_000),
    )
  return `${clock(fromMinutes)}-${clock(fromMinutes + minutes)}`
}

describe('a person', () => {
  test('pauses a run that is being worked on: it ends within a page, and goes on where it was', async () => {
    const [, runId] = await openFeed(200, {}, 30)
    const working = work(runId)
    while ((await look(runId)).pages < 2) await wait(10)
    await steer(runId, 'pause')
    const { pages } = await look(runId)
    await working
    const paused = await look(runId)
    expect(paused).toMatchObject({ state: 'paused', reason: 'RUN_PAUSED', wanted: null })
    expect(paused.pages - pages).toBeLessThanOrEqual(2)
    expect(delays).toEqual([])
    await work(runId)
    expect((await look(runId)).pages).toBe(paused.pages)

    await steer(runId, 'resume')
    await work(runId)
    expect(await look(runId)).toMatchObject({ state: 'done', pages: 20, pulled: 200, inserted: 200, reason: null })
    expect(await readEvents(runId)).toEqual(
      expect.arrayContaining(['run.steered', 'run.paused', 'run.steered', 'run.finished']),
    )
  })

  test('cancels a run that is being worked on; what was saved stays', async () => {
    const [, runId] = await openFeed(200, {}, 30)
    const working = work(runId)
    while ((await look(runId)).pages < 2) await wait(10)
    await steer(runId, 'cancel')
    await working
    const cancelled = await look(runId)
    expect(cancelled).toMatchObject({ state: 'stopped', reason: 'RUN_CANCELLED' })
    expect(cancelled.inserted).toBe(cancelled.pages * 10)
    expect(cancelled.pages).toBeLessThan(8)
  })

  test('pauses, resumes and cancels a run that waits, at once', async () => {
    const [, runId] = await openFeed(10)
    expect(await steer(runId, 'pause')).toMatchObject({ state: 'paused', reason: 'RUN_PAUSED' })
    expect(await steer(runId, 'resume')).toMatchObject({ state: 'pending', reason: null })
    expect(await steer(runId, 'cancel')).toMatchObject({ state: 'stopped', reason: 'RUN_CANCELLED' })
    for (const steering of ['pause', 'resume', 'cancel'] as const)
      expect(await codeOf(() => steer(runId, steering))).toBe('RUN_CONFLICT')
  })

  test('cannot have a second run beside one that is paused', async () => {
    const [feed, runId] = await openFeed(10)
    await steer(runId, 'pause')
    expect(await requestRunBy(installation.database, feed, 'account:engineer')).toBe(runId)
  })
})

describe('a source that may not be called at this hour', () => {
  const schedule = (blackout: string) => ({
    schedule: { cron: '0 2 * * *', timezone: 'Asia/Shanghai', blackout: [blackout] },
  })

  test('is left alone: the run waits with its reason and goes on afterwards', async () => {
    const [feed, runId] = await openFeed(10, schedule(hoursFromNow(-5, 65)))
    await work(runId)
    expect(await look(runId)).toMatchObject({ state: 'pending', reason: 'SOURCE_BLACKOUT', failures: 0, pages: 0 })
    expect(delays[0]).toBeGreaterThan(58 * 60_000)
    expect(delays[0]).toBeLessThan(61 * 60_000)
    await work(runId)
    expect((await look(runId)).pages).toBe(0)
    await installation.asOwner(
      `update gridbridge.feed set manifest = jsonb_set(manifest, '{schedule,blackout}', $2) where feed_id = $1`,
      [feed.feedId, JSON.stringify([hoursFromNow(60, 60)])],
    )
    await comeDue(runId)
    await work(runId)
    expect(await look(runId)).toMatchObject({ state: 'done', pulled: 10 })
  })
})

describe('the calls that a department allows', () => {
  const limits = { pageBytes: 1_000_000, pages: 1000 }

  test('in a second are kept', async () => {
    const [, runId] = await openFeed(50, { limits: { ...limits, requestsPerSecond: 10 } })
    const startedAt = Date.now()
    await work(runId)
    expect(await look(runId)).toMatchObject({ state: 'done', pages: 5 })
    expect(Date.now() - startedAt).toBeGreaterThanOrEqual(395)
  })

  test('in a day are kept: the run waits until the next day, its cursor behind what was saved', async () => {
    const [feed, runId] = await openFeed(50, { limits: { ...limits, requestsPerDay: 3 } })
    await work(runId)
    expect(await look(runId)).toMatchObject({
      state: 'pending',
      reason: 'SOURCE_BUDGET_SPENT',
      pages: 3,
      pulled: 30,
      failures: 0,
    })
    expect(delays[0]).toBeGreaterThan(0)
    expect(delays[0]).toBeLessThan(86_500_000)
    await installation.asOwner('update gridbridge.source_calls set day = day - 1 where feed_id = $1', [feed.feedId])
    await comeDue(runId)
    await work(runId)
    expect(await look(runId)).toMatchObject({ state: 'done', pages: 5, pulled: 50, inserted: 50 })
  })
})

describe('a source that fails again and again', () => {
  test('is left alone for a growing time, over the end of a run, until a page comes', async () => {
    const { database } = installation
    const [feed, runId] = await openFeed(10)
    const { source } = feed.manifest
    const broken = { ...source, baseUrl: `http://127.0.0.1:${await freePort()}` }
    const setSource = (to: unknown) =>
      installation.asOwner(
        `update gridbridge.feed set manifest = jsonb_set(manifest, '{source}', $2) where feed_id = $1`,
        [feed.feedId, JSON.stringify(to)],
      )
    await setSource(broken)
    for (let failure = 0; failure < BREAKER_AFTER; failure++) {
      expect(await readSourceHealth(database.query, feed.feedId)).toMatchObject({ state: 'closed', failures: failure })
      await work(runId)
      await comeDue(runId)
    }
    const open = await readSourceHealth(database.query, feed.feedId)
    expect(open).toMatchObject({ state: 'open', failures: BREAKER_AFTER, fault: 'SOURCE_UNAVAILABLE' })
    expect(open.restsForMs).toBeGreaterThan(55_000)
    expect(await alertsOf(feed)).toEqual([{ kind: 'source-resting', runId }])

    events = []
    await work(runId)
    expect(events).toEqual([])
    expect(await look(runId)).toMatchObject({ state: 'pending', reason: 'SOURCE_RESTING', failures: BREAKER_AFTER })

    await requestRunBy(database, feed, 'account:engineer')
    expect(await readSourceHealth(database.query, feed.feedId)).toMatchObject({ state: 'half-open' })
    await comeDue(runId)
    await work(runId)
    const again = await readSourceHealth(database.query, feed.feedId)
    expect(again.restsForMs).toBeGreaterThan(115_000)

    await setSource(source)
    await requestRunBy(database, feed, 'account:engineer')
    await comeDue(runId)
    await work(runId)
    expect(await look(runId)).toMatchObject({ state: 'done', pulled: 10 })
    expect(await readSourceHealth(database.query, feed.feedId)).toMatchObject({
      state: 'closed',
      failures: 0,
      fault: null,
    })
  })
})

test('a source that drops a required field makes the run wait: nothing of the page is saved and the cursor stays', async () => {
  const [feed, runId] = await openFeed(40, {
    source: (await startDepartmentWithout('zjhm')).source,
  })
  await work(runId)
  expect(await look(runId)).toMatchObject({ state: 'paused', reason: 'SOURCE_DRIFTED', pages: 0, rejected: 0 })
  expect(await alertsOf(feed)).toEqual([{ kind: 'source-drifted', runId }])
  const [row] = await installation.asOwner<{ cursor: unknown; drift: unknown }>(
    'select cursor, drift from gridbridge.feed join gridbridge.run using (feed_id) where run_id = $1',
    [runId],
  )
  expect(row).toEqual({ cursor: null, drift: { rows: 40, 'missing/certNumber': 40 } })
})

async function startDepartmentWithout(name: string) {
  const department = await startDepartment(40, 40, 0, (row) =>
    Object.fromEntries(Object.entries(row).filter(([key]) => key !== name)),
  )
  onTestFinished(() => department.close())
  return department
}
