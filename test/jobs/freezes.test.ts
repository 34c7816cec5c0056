import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import type { JobQueues } from '../../src/jobs/queues.ts'
import { makeHandlers } from '../../src/jobs/workers.ts'
import { createEgressGuard } from '../../src/security/egress.ts'
import type { Account } from '../../src/store/accounts.ts'
import { liftFreeze, setFreeze, type NewFreeze } from '../../src/store/freezes.ts'
import { findRun, requestRun } from '../../src/store/runs.ts'
import { setStage } from '../sharing/push-stage.ts'
import { startDepartment } from '../support/department.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerAccount, registerFeed, residentRows, storeRows } from '../support/ledger.ts'

let installation: TestInstallation
let officers: readonly Account[] = []
let delays: readonly number[] = []

beforeAll(async () => {
  installation = await openTestInstallation('freezes')
  const role = 'security-administrator'
  const hired = [
    await registerAccount(installation, 'officer', role),
    await registerAccount(installation, 'officer-2', role),
  ]
  officers = hired.map(({ accountId, name }) => ({ accountId, name, role, department: null, consumer: null }))
})
afterAll(() => installation.close())

/** Freezes by one officer, and returns how the other one lifts it. */
async function freeze(change: Partial<NewFreeze> = {}): Promise<() => Promise<void>> {
  const everything = {
    scope: 'everything',
    name: null,
    department: null,
    derived: [],
    reason: '测试',
    incidentId: null,
  } as const
  const [one, other] = officers
  if (one === undefined || other === undefined) throw new Error('wanted two officers')
  const { database } = installation
  const freezeId = await database.transaction((transaction) =>
    setFreeze(transaction, { ...everything, ...change }, one),
  )
  return () => database.transaction((transaction) => liftFreeze(transaction, freezeId, other, '测试结束'))
}

/** A queue that only remembers after how long the work is due again. */
const queues: Pick<JobQueues, 'enqueueRun'> = {
  enqueueRun: (_run, delayMs = 0) => {
    delays = [...delays, delayMs]
    return Promise.resolve()
  },
}

function ingest(runId: number): Promise<void> {
  const { database, datasets, keys } = installation
  const handlers = makeHandlers({
    database,
    datasets,
    keys,
    egress: createEgressGuard(['loopback']),
    queues: queues as JobQueues,
    auditDeadlineMs: 2000,
    exportRules: loadConfig({}).exportRules,
    report: () => undefined,
  })
  return handlers.ingest({ runId })
}

const comeDue = (runId: number) =>
  installation.asOwner('update gridbridge.run set not_before = null where run_id = $1', [runId])
const look = (runId: number) => findRun(installation.database.query, runId)

test('a run that is frozen stops before its next page, waits, says so once, and goes on where it was', async () => {
  const department = await startDepartment(100, 10, 50)
  onTestFinished(() => department.close())
  const feed = await registerFeed(installation, 'LZ-GA-RK-091', { source: department.source })
  const { runId } = await requestRun(installation.database.query, feed.feedId)
  const working = ingest(runId)
  while ((await look(runId)).pages < 2) await wait(10)
  const lift = await freeze({ scope: 'feed', name: feed.code, department: feed.department })
  const { pages } = await look(runId)
  await working
  const waiting = await look(runId)
  expect(waiting).toMatchObject({ state: 'pending', reason: 'FROZEN', failures: 0, pages })
  expect(delays.at(-1)).toBeLessThan(6000)
  await comeDue(runId)
  await ingest(runId)
  await comeDue(runId)
  await ingest(runId)
  expect(await look(runId)).toMatchObject({ state: 'pending', reason: 'FROZEN', failures: 0, pages })
  const postponed = await installation.asOwner(
    `select from audit.entry where event_type = 'run.postponed' and feed = $1`,
    [feed.code],
  )
  expect(postponed).toHaveLength(1)
  await lift()
  await comeDue(runId)
  await ingest(runId)
  expect(await look(runId)).toMatchObject({ state: 'done', pages: 10, pulled: 100, inserted: 100 })
})

test('a delivery that was on the wire when everything was frozen is acknowledged once, and nothing follows until it is lifted', async () => {
  const stage = await setStage(installation)
  onTestFinished(() => stage.receiver.close())
  await storeRows(installation, stage.feed, residentRows(1, 1500))
  const { promise: lifting, resolve: tell } = Promise.withResolvers<() => Promise<void>>()
  stage.receiver.reactWith((response) => {
    const answer = async (): Promise<void> => {
      tell(await freeze())
      response.writeHead(200).end('{}')
    }
    void answer()
  })
  expect(await stage.push()).toBe('held')
  expect(await stage.push()).toBe('busy')
  await stage.comeDue()
  expect(await stage.push()).toBe('held')
  expect(stage.receiver.received).toHaveLength(1)
  expect((await stage.readDeliveries()).map(({ state }) => state)).toEqual(['acknowledged'])
  const lift = await lifting
  await lift()
  await stage.comeDue()
  expect(await stage.push()).toBe('idle')
  const ids = stage.receiver.received.flatMap(({ body }) =>
    (JSON.parse(body) as { changes: { id: string }[] }).changes.map(({ id }) => id),
  )
  expect([ids.length, new Set(ids).size]).toEqual([1500, 1500])
})
