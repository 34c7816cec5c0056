import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../../prove/free-port.ts'
import { isRedisInstalled, startRedisServer, type RedisServer } from '../../prove/redis-server.ts'
import { loadConfig } from '../../src/config.ts'
import { assertRedisKeepsJobs, openQueues, type JobHandlers, type JobQueues } from '../../src/jobs/queues.ts'
import { reconcile, startReconciler } from '../../src/jobs/reconciler.ts'
import { makeHandlers, type WorkerEvent } from '../../src/jobs/workers.ts'
import { createEgressGuard } from '../../src/security/egress.ts'
import { requestRun } from '../../src/store/runs.ts'
import { verifyLog } from '../support/audit-log.ts'
import { codeOf } from '../support/coded-error.ts'
import { startDepartment, type Department } from '../support/department.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerConsumer, registerFeed, residentRows, type RegisteredConsumer } from '../support/ledger.ts'
import { startReceiver, type Receiver } from '../support/receiver.ts'
import { needService } from '../support/services.ts'

const FEEDS = 5
const ROWS = 60
const hasRedis = await needService('redis-server', isRedisInstalled)

let redis: RedisServer | null = null
beforeAll(async () => {
  redis = hasRedis ? await startRedisServer() : null
})
afterAll(() => redis?.stop())

interface Backend {
  readonly name: string
  readonly url: () => string | null
  /** Everything the queue holds, as text. */
  readonly read: (installation: TestInstallation) => Promise<string>
  readonly wipe: (installation: TestInstallation) => Promise<unknown>
}

async function readRedis(): Promise<string> {
  const client = redis?.client
  if (client === undefined) return ''
  const keys = await client.keys('*')
  const values = await Promise.all(
    keys.map(async (key) => {
      const type = await client.type(key)
      if (type === 'hash') return client.hgetall(key)
      if (type === 'stream') return client.xrange(key, '-', '+')
      if (type === 'list') return client.lrange(key, 0, -1)
      return type === 'zset' ? client.zrange(key, '0', '-1') : client.get(key)
    }),
  )
  return JSON.stringify(keys.map((key, index) => [key, values[index]]))
}

async function tablesOfQueue({ asOwner }: TestInstallation): Promise<readonly string[]> {
  const rows = await asOwner<{ name: string }>(
    `select table_name as name from information_schema.tables where table_schema = 'bullmq'`,
  )
  return rows.map(({ name }) => `bullmq."${name}"`)
}

const backends: readonly Backend[] = [
  {
    name: 'PostgreSQL',
    url: () => null,
    read: async (installation) => {
      const tables = await tablesOfQueue(installation)
      const rows = await Promise.all(
        tables.map((table) => installation.asOwner(`select row_to_json(held)::text as row from ${table} as held`)),
      )
      return JSON.stringify(tables.map((table, index) => [table, rows[index]]))
    },
    wipe: ({ asOwner }) => asOwner('truncate bullmq.job cascade'),
  },
  { name: 'Redis', url: () => redis?.url ?? '', read: readRedis, wipe: async () => redis?.client.flushall() },
]

/** What a queue may never hold: anything of a row, of a person, of a secret or of an error's text. */
const forbidden = /张|测试|1990000|5105\d{4}|R-\d|made-up-token|secret|127\.0\.0\.1|"stacktrace":"?\[?.*at /

describe.each(backends)('the queues on $name', ({ name, url, read, wipe }) => {
  let installation: TestInstallation
  let department: Department
  let receiver: Receiver
  let consumer: RegisteredConsumer
  let queues: JobQueues
  let runs: readonly number[] = []
  const events: WorkerEvent[] = []
  const isThere = name === 'PostgreSQL' || hasRedis

  const handlersInside = (range: string): JobHandlers => {
    const { database, datasets, keys } = installation
    const report = (event: WorkerEvent): number => events.push(event)
    const egress = createEgressGuard([range])
    return makeHandlers({
      database,
      datasets,
      keys,
      egress,
      queues,
      auditDeadlineMs: 2000,
      exportRules: loadConfig({}).exportRules,
      report,
    })
  }

  beforeAll(async () => {
    if (!isThere) return
    installation = await openTestInstallation('jobs', 12)
    department = await startDepartment(ROWS, 20, 120)
    receiver = await startReceiver()
    queues = openQueues(installation.databaseUrl, url(), () => undefined)
    for (let number = 1; number <= FEEDS; number++)
      await registerFeed(installation, `LZ-GA-RK-00${number}`, { source: department.source })
    consumer = await registerConsumer(installation, 'grid-platform', { webhookUrl: receiver.url })
  })
  afterAll(async () => {
    if (!isThere) return
    await queues.close()
    receiver.close()
    department.close()
    await installation.close()
  })

  test.runIf(isThere)('hold ids and nothing else, each slice once however often it is enqueued', async () => {
    const feeds = await installation.asOwner<{ id: number }>('select feed_id as id from gridbridge.feed')
    const requested = await Promise.all(feeds.map(({ id }) => requestRun(installation.database.query, id)))
    runs = requested.map(({ runId }) => runId)
    for (let turn = 0; turn < 3; turn++) await reconcile(installation.database, queues)
    const held = (await read(installation)).replaceAll('\\', '')
    for (const runId of runs)
      expect([runId, held.match(new RegExp(`\\{"runId": ?${runId}\\}`, 'g'))?.length]).toEqual([runId, 1])
    expect(held).not.toMatch(forbidden)
  })

  test.runIf(isThere)(
    'may be wiped at any time: every run ends, and everything is delivered once',
    { timeout: 40_000 },
    async () => {
      const { asOwner } = installation
      const handlers = handlersInside('loopback')
      const workers = queues.openWorkers(handlers)
      const stopReconciler = startReconciler(installation.database, queues, () => undefined, 200)
      for (let turn = 0; turn < 4; turn++) {
        await wait(180)
        await wipe(installation)
      }
      const isOver = async (): Promise<boolean> => {
        const open = await asOwner(`select from gridbridge.run where state in ('pending', 'running')`)
        const [count] = await asOwner<{ delivered: number }>(
          `select coalesce(sum(records), 0)::int as delivered from gridbridge.delivery where state = 'acknowledged'`,
        )
        return open.length === 0 && (count?.delivered ?? 0) >= FEEDS * ROWS
      }
      const startedAt = Date.now()
      while (!(await isOver()) && Date.now() - startedAt < 30_000) await wait(100)
      const after = await read(installation)
      await stopReconciler()
      await workers.close()
      const states = await asOwner('select state, pulled, inserted from gridbridge.run order by run_id')
      expect(states).toEqual(runs.map(() => ({ state: 'done', pulled: ROWS, inserted: ROWS })))
      const delivered = receiver.received.flatMap(({ body }) =>
        (JSON.parse(body) as { changes: readonly { id: string }[] }).changes.map(({ id }) => id),
      )
      const wanted = Array.from({ length: FEEDS }, (_, index) =>
        residentRows(1, ROWS).map(({ id }) => `LZ-GA-RK-00${index + 1}/${String(id)}`),
      ).flat()
      expect(delivered.toSorted()).toEqual(wanted.toSorted())
      expect(after).not.toMatch(forbidden)
      expect(await verifyLog(installation.ownerUrl)).toMatchObject({ state: 'whole' })
    },
  )

  test.runIf(isThere)('tell a failed job by its code only, and leave the retry to the ledger', async () => {
    const { asOwner } = installation
    const handlers = handlersInside('10.20.0.0/16')
    const [feed] = await asOwner<{ id: number }>('select feed_id as id from gridbridge.feed limit 1')
    const { runId } = await requestRun(installation.database.query, feed?.id ?? -1)
    await handlers.ingest({ runId })
    expect(events.at(-1)).toEqual({ event: 'run.failed', object: `run/${runId}`, outcome: 'EGRESS_FORBIDDEN' })
    expect(await asOwner('select state, reason from gridbridge.run where run_id = $1', [runId])).toEqual([
      { state: 'stopped', reason: 'EGRESS_FORBIDDEN' },
    ])
    await asOwner('alter table gridbridge.subscription rename to away')
    const failure = await handlers
      .deliver({ subscriptionId: consumer.subscriptionId ?? -1 })
      .catch((error: unknown) => error as Error)
    expect(failure).toMatchObject({ name: 'UnrecoverableError', message: 'DATABASE_OUTDATED', stack: '' })
    await asOwner('alter table gridbridge.away rename to subscription')
  })
})

describe('a run whose source fails', () => {
  test('waits, is not due before its time, and goes on when the source is back', async () => {
    const installation = await openTestInstallation('retry')
    const { database, datasets, keys, asOwner } = installation
    const port = await freePort()
    const department = await startDepartment(10, 20, 0)
    const source = { ...department.source, baseUrl: `http://127.0.0.1:${port}` } as typeof department.source
    const feed = await registerFeed(installation, 'LZ-GA-RK-001', { source })
    const delays: number[] = []
    const enqueueRun: JobQueues['enqueueRun'] = (_run, delayMs = 0) => {
      delays.push(delayMs)
      return Promise.resolve()
    }
    const queues: Pick<JobQueues, 'enqueueRun'> = { enqueueRun }
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
    const { runId } = await requestRun(installation.database.query, feed.feedId)
    const comeDue = () => asOwner('update gridbridge.run set not_before = null where run_id = $1', [runId])
    for (let failure = 0; failure < 4; failure++) {
      await handlers.ingest({ runId })
      await comeDue()
    }
    expect(await asOwner('select state, reason, failures from gridbridge.run')).toEqual([
      { state: 'pending', reason: 'SOURCE_UNAVAILABLE', failures: 4 },
    ])
    for (const [failure, delay] of delays.entries()) {
      expect(delay).toBeGreaterThan(1000 * 2 ** failure)
      expect(delay).toBeLessThanOrEqual(2000 * 2 ** failure + 50)
    }
    await asOwner(`update gridbridge.feed set manifest = jsonb_set(manifest, '{source}', $1)`, [
      JSON.stringify(department.source),
    ])
    await handlers.ingest({ runId })
    expect(await asOwner('select state, reason, failures, pulled from gridbridge.run')).toEqual([
      { state: 'done', reason: null, failures: 0, pulled: 10 },
    ])
    department.close()
    await installation.close()
  })
})

describe.skipIf(!hasRedis)('a Redis that may drop jobs', () => {
  test.each(['allkeys-lru', 'allkeys-random', 'volatile-lru', 'volatile-ttl'])('is refused: %s', async (policy) => {
    await redis?.client.config('SET', 'maxmemory-policy', policy)
    expect(await codeOf(() => assertRedisKeepsJobs(redis?.url ?? ''))).toBe('QUEUE_UNSAFE')
  })

  test('is taken when it keeps everything, and one that does not answer is not', async () => {
    await redis?.client.config('SET', 'maxmemory-policy', 'noeviction')
    expect(await codeOf(() => assertRedisKeepsJobs(redis?.url ?? ''))).toBe('none')
    expect(await codeOf(async () => assertRedisKeepsJobs(`redis://127.0.0.1:${await freePort()}`))).toBe('QUEUE_UNSAFE')
  })
})
