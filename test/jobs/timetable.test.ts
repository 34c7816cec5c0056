import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { JobQueues } from '../../src/jobs/queues.ts'
import { fireSlot, startTimetable } from '../../src/jobs/timetable.ts'
import { findFeed, type Feed } from '../../src/store/feeds.ts'
import { finishRun } from '../../src/store/finish-run.ts'
import { claimRun } from '../../src/store/runs.ts'
import { claimFire, forgetOldFires, listSchedules, type LastSlot } from '../../src/store/slots.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerFeed } from '../support/ledger.ts'

const replicaScript = fileURLToPath(new URL('timetable-replica.ts', import.meta.url))

let installation: TestInstallation
let feed: Feed
let enqueued: readonly number[] = []
let tests = 0

beforeAll(async () => {
  installation = await openTestInstallation('timetable')
})
afterAll(() => installation.close())
beforeEach(async () => {
  tests += 1
  enqueued = []
  await installation.asOwner(`update gridbridge.feed set state = 'retired'`)
})

/** A queue that only remembers; what the timetable decides is in the ledger. */
const queues: Pick<JobQueues, 'enqueueRun'> = {
  enqueueRun: ({ runId }) => {
    enqueued = [...enqueued, runId]
    return Promise.resolve()
  },
}

async function scheduleFeed(cron: string): Promise<void> {
  feed = await registerFeed(installation, `LZ-GA-RK-${String(tests).padStart(3, '0')}`, {
    schedule: { cron, timezone: 'Asia/Shanghai' },
  })
}

interface Slot {
  readonly dueAt: Date
  readonly runId: number
}

const readSlots = (): Promise<readonly Slot[]> =>
  installation.asOwner(
    'select due_at as "dueAt", run_id as "runId" from gridbridge.feed_slot where feed_id = $1 order by due_at',
    [feed.feedId],
  )

const readRuns = (): Promise<readonly unknown[]> =>
  installation.asOwner('select run_id from gridbridge.run where feed_id = $1', [feed.feedId])

const fire = (slot: LastSlot, dueAt: Date): Promise<void> =>
  fireSlot(installation.database, queues as JobQueues, slot, dueAt)

async function scheduleOf(): Promise<LastSlot> {
  const schedules = await listSchedules(installation.database.query)
  const found = schedules.find(({ feedId }) => feedId === feed.feedId)
  if (found === undefined) throw new Error('wanted a schedule')
  return found
}

async function endRunOf(runId: number): Promise<void> {
  const lease = await claimRun(installation.database.query, runId)
  if (lease === null) throw new Error('wanted a free run')
  await finishRun(installation.database, await findFeed(installation.database.query, feed.code), lease)
}

/** Lets a timetable of this process begin, gives it time for what was missed, and stops it. */
async function startOnce(): Promise<void> {
  const errors: unknown[] = []
  const timetable = startTimetable(installation.database, queues as JobQueues, (error) => errors.push(error))
  await wait(300)
  await timetable.stop()
  expect(errors).toEqual([])
}

test('three replicas fire each due second once', { timeout: 30_000 }, async () => {
  await scheduleFeed('* * * * * *')
  const replicas = Array.from({ length: 3 }, () =>
    spawn(process.execPath, [replicaScript, installation.databaseUrl], { stdio: ['pipe', 'pipe', 'inherit'] }),
  )
  const outputs = replicas.map((replica) => text(replica.stdout))
  await Promise.all(replicas.map((replica) => once(replica.stdout, 'data')))
  await wait(4500)
  for (const replica of replicas) replica.stdin.end()
  const lines = (await Promise.all(outputs)).flatMap((output) => output.trim().split('\n'))
  expect(lines.filter((line) => line.startsWith('error'))).toEqual([])
  const slots = (await readSlots()).map(({ dueAt }) => dueAt.getTime() / 1000)
  expect(slots.length).toBeGreaterThanOrEqual(4)
  expect(slots).toEqual(slots.map((_, index) => (slots[0] ?? 0) + index))
  expect(lines.filter((line) => line.startsWith('run'))).toHaveLength(slots.length)
  expect(await readRuns()).toHaveLength(1)
})

test('of twenty that ask who fires, one does, and what was fired is remembered for a day', async () => {
  const { database, asOwner } = installation
  const claims = await Promise.all(Array.from({ length: 20 }, () => claimFire(database.query, 'one')))
  expect(claims.filter((claimed) => claimed)).toHaveLength(1)
  await claimFire(database.query, 'other')
  await asOwner(`update gridbridge.cron_fire set fired_at = now() - interval '25 hours' where key = 'one'`)
  await forgetOldFires(database.query)
  expect([await claimFire(database.query, 'one'), await claimFire(database.query, 'other')]).toEqual([true, false])
})

test('a slot fired by twenty at once is one slot, one run and one audit entry', async () => {
  await scheduleFeed('0 2 * * *')
  const slot = await scheduleOf()
  const dueAt = new Date('2026-11-22T18:00:00Z')
  await Promise.all(Array.from({ length: 20 }, () => fire(slot, dueAt)))
  expect(await readSlots()).toEqual([{ dueAt, runId: enqueued[0] }])
  expect(new Set(enqueued).size).toBe(1)
  expect(
    await installation.asOwner(`select from audit.entry where event_type = 'run.requested' and feed = $1`, [feed.code]),
  ).toHaveLength(1)
})

test('a slot that was served is not served again after its run is over', async () => {
  await scheduleFeed('0 2 * * *')
  const slot = await scheduleOf()
  const dueAt = new Date('2026-11-22T18:00:00Z')
  await fire(slot, dueAt)
  await endRunOf(enqueued[0] ?? -1)
  await fire(slot, dueAt)
  expect(await readSlots()).toHaveLength(1)
  expect(await readRuns()).toHaveLength(1)
})

test('a slot that falls due while a run is alive is served by that run', async () => {
  await scheduleFeed('0 * * * *')
  const slot = await scheduleOf()
  await fire(slot, new Date('2026-11-22T18:00:00Z'))
  await fire(slot, new Date('2026-11-22T19:00:00Z'))
  expect((await readSlots()).map(({ runId }) => runId)).toEqual([enqueued[0], enqueued[0]])
  await endRunOf(enqueued[0] ?? -1)
  await fire(slot, new Date('2026-11-22T20:00:00Z'))
  expect(await readRuns()).toHaveLength(2)
})

test('what was missed while everything was down is made up for at the start, once, by its newest slot', async () => {
  await scheduleFeed('*/20 * * * *')
  await installation.asOwner(
    `update gridbridge.feed set activated_at = now() - interval '3 hours' where feed_id = $1`,
    [feed.feedId],
  )
  const before = new Date()
  await startOnce()
  const slots = await readSlots()
  expect(slots).toHaveLength(1)
  const late = before.getTime() - (slots[0]?.dueAt.getTime() ?? 0)
  expect([late < 20 * 60_000 + 1000, slots[0]?.dueAt.getUTCMinutes()]).toEqual([
    true,
    expect.toSatisfy((minute: number) => minute % 20 === 0),
  ])
  await endRunOf(enqueued[0] ?? -1)
  await startOnce()
  expect([await readSlots(), (await readRuns()).length]).toEqual([slots, 1])
})

test('a feed that was never due yet is not run at the start, and a suspended one is not made up for', async () => {
  await scheduleFeed('0 0 29 2 *')
  await startOnce()
  expect(await readSlots()).toEqual([])
  await installation.asOwner(
    `update gridbridge.feed set activated_at = now() - interval '3 hours', state = 'suspended', manifest = jsonb_set(manifest, '{schedule,cron}', '"* * * * *"') where feed_id = $1`,
    [feed.feedId],
  )
  await startOnce()
  expect(await readSlots()).toEqual([])
})

test('a schedule is kept in the time zone of its feed', async () => {
  await scheduleFeed('30 2 * * *')
  await installation.asOwner(`update gridbridge.feed set activated_at = now() - interval '2 days' where feed_id = $1`, [
    feed.feedId,
  ])
  await startOnce()
  const [slot] = await readSlots()
  // 02:30 in Shanghai, which has had no daylight saving time since 1991.
  expect(slot?.dueAt.toISOString()).toMatch(/T18:30:00\.000Z$/)
})
