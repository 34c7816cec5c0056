import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDatabase, type Database } from '../../src/store/database.ts'
import { verifyLog } from '../support/audit-log.ts'
import { codeOf } from '../support/coded-error.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { startSilentProxy } from '../support/silent-proxy.ts'

let installation: TestInstallation
beforeAll(async () => {
  installation = await openTestInstallation('database')
})
afterAll(() => installation.close())

async function withConnections<Result>(
  connections: number,
  work: (database: Database) => Promise<Result>,
): Promise<Result> {
  const database = openDatabase({ url: installation.databaseUrl, processName: 'few', connections })
  try {
    return await work(database)
  } finally {
    await database.close()
  }
}

const requested = { type: 'run.requested', actor: 'system:timetable', outcome: 'ok' } as const

async function count(table: string): Promise<number> {
  const [row] = await installation.asOwner<{ rows: number }>(`select count(*) as rows from ${table}`)
  return row?.rows ?? -1
}

test('an entry and what it tells of stand or fall together', async () => {
  const insert = (key: string, isBroken: boolean) =>
    installation.database.transaction(async ({ query, audit }) => {
      await query('insert into cron_fire (key) values ($1)', [key])
      await audit(requested)
      if (isBroken) throw new Error('broken')
    })
  const before = [await count('gridbridge.cron_fire'), await count('audit.entry')]
  await expect(insert('first', true)).rejects.toThrow('Something broke inside')
  expect([await count('gridbridge.cron_fire'), await count('audit.entry')]).toEqual(before)
  await insert('second', false)
  expect([await count('gridbridge.cron_fire'), await count('audit.entry')]).toEqual(before.map((rows) => rows + 1))
})

test('an error tells the SQLSTATE and never the row that PostgreSQL names', async () => {
  const work = installation.database.query(
    'insert into agreement (consumer_id, dataset_id, forms, area, purpose, valid_to) values (-1, -1, $1, $3, $2, now())',
    ['{}', '张测试', ['5105']],
  )
  const error = await work.catch((caught: unknown) => caught as Error)
  expect(error).toMatchObject({ code: 'INTERNAL', detail: 'SQLSTATE 23503' })
  expect(`${JSON.stringify(error)} ${(error as Error).message}`).not.toContain('张测试')
})

test.each([
  ['a table that is not there', 'select * from gridbridge.nothing', 'DATABASE_OUTDATED'],
  ['a cancelled statement', `set statement_timeout = 50; select pg_sleep(1)`, 'DATABASE_UNAVAILABLE'],
  ['a wrong statement', 'select wrong', 'INTERNAL'],
])('%s is coded, and the next statement works', async (_what, statement, code) => {
  await withConnections(1, async (database) => {
    expect(await codeOf(() => database.transaction(({ query }) => query(statement)))).toBe(code)
    expect(await database.query('select 1 as one')).toEqual([{ one: 1 }])
  })
})

test('a connection that breaks in a transaction is told as that, and replaced', async () => {
  await withConnections(1, async (database) => {
    const work = database.transaction(async ({ query }) => {
      const [backend] = await query<{ pid: number }>('select pg_backend_pid() as pid')
      await installation.asOwner('select pg_terminate_backend($1, 2000)', [backend?.pid])
      await query('select 1')
    })
    expect(await codeOf(() => work)).toBe('DATABASE_UNAVAILABLE')
    expect(await database.query('select 1 as one')).toEqual([{ one: 1 }])
  })
})

test('a database that is not there is unavailable', async () => {
  const nowhere = openDatabase({ url: 'postgresql://nobody@127.0.0.1:1/none', processName: 'nowhere' })
  expect(await codeOf(() => nowhere.query('select 1'))).toBe('DATABASE_UNAVAILABLE')
  expect(await codeOf(() => nowhere.transaction(({ audit }) => audit(requested)))).toBe('DATABASE_UNAVAILABLE')
  await nowhere.close()
})

test('work that passes its deadline is given up with its connection, and commits nothing', async () => {
  await withConnections(1, async (database) => {
    const work = () =>
      database.transaction(async ({ query }) => {
        await query(`insert into cron_fire (key) values ('too-late')`)
        await query('select pg_sleep(0.6)')
      }, 150)
    const startedAt = Date.now()
    expect(await codeOf(work)).toBe('DATABASE_UNAVAILABLE')
    expect(Date.now() - startedAt).toBeLessThan(500)
    expect(await database.query('select 1 as one')).toEqual([{ one: 1 }])
    await wait(700)
    expect(await installation.asOwner(`select from gridbridge.cron_fire where key = 'too-late'`)).toEqual([])
  })
})

test('a connection that comes free after the deadline is not lost to the pool', async () => {
  await withConnections(1, async (database) => {
    const busy = database.transaction(({ query }) => query('select pg_sleep(0.5)'))
    await wait(50)
    expect(await codeOf(() => database.transaction(({ query }) => query('select 1'), 100))).toBe('DATABASE_UNAVAILABLE')
    await busy
    expect(await codeOf(() => database.transaction(({ query }) => query('select 1'), 1000))).toBe('none')
  })
})

test('waiting for a connection and working on it share one deadline', async () => {
  await withConnections(1, async (database) => {
    const busy = database.transaction(({ query }) => query('select pg_sleep(0.5)'))
    await wait(50)
    const startedAt = Date.now()
    expect(await codeOf(() => database.transaction(({ query }) => query('select pg_sleep(2)'), 800))).toBe(
      'DATABASE_UNAVAILABLE',
    )
    expect(Date.now() - startedAt).toBeLessThan(1100)
    await busy
  })
})

test('after every fault the audit log is whole', async () => {
  await installation.database.transaction(({ audit }) => audit(requested))
  expect(await verifyLog(installation.ownerUrl)).toMatchObject({ state: 'whole' })
})

test('everything that is done for one answer ends with it, also where the connection fell silent', async () => {
  const proxy = await startSilentProxy(Number(new URL(installation.databaseUrl).port))
  const url = new URL(installation.databaseUrl)
  url.port = String(proxy.port)
  const database = openDatabase({ url: url.href, processName: 'silent', connections: 2 })
  try {
    const bounded = database.until(Date.now() + 600)
    await Promise.all([bounded.query('select pg_sleep(0.05)'), bounded.query('select pg_sleep(0.05)')])
    proxy.silenceOpen()
    const startedAt = performance.now()
    const asked = () => bounded.query('select')
    const transacted = () => bounded.transaction(async ({ audit }) => audit(requested), 10_000)
    expect(await Promise.all([codeOf(asked), codeOf(transacted)])).toEqual([
      'DATABASE_UNAVAILABLE',
      'DATABASE_UNAVAILABLE',
    ])
    expect(performance.now() - startedAt).toBeLessThan(2000)
    // What fell silent was given up: the next caller has a connection that answers.
    await database.query('select')
  } finally {
    proxy.close()
    await database.close()
  }
})
