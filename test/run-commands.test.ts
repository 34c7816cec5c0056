import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openProgressLine, wordProgress } from '../src/cli-progress.ts'
import { projectPersons } from '../src/ingest/project-persons.ts'
import type { Feed } from '../src/store/feeds.ts'
import type { Progress } from '../src/store/run-progress.ts'
import { claimRun, endRun, type RunLease } from '../src/store/runs.ts'
import { savePage } from '../src/store/save-page.ts'
import { bearerOf, openDoor } from './http/door.ts'
import { environmentOf, runCommand, type Ended } from './support/command-line.ts'
import { openTestInstallation, type TestInstallation } from './support/installation.ts'
import { beginRun, makePage, registerAccount, registerFeed, residentRows, settleChanges } from './support/ledger.ts'

const CODE = 'LZ-GA-RK-001'
const WRONG = '510502190001010018'

let installation: TestInstallation
let feed: Feed

beforeAll(async () => {
  installation = await openTestInstallation('run-commands')
  feed = await registerFeed(installation, CODE)
})
afterAll(() => installation.close())

const run = (...given: readonly string[]): Promise<Ended> => runCommand(given, environmentOf(installation))

async function saveAndEnd(lease: RunLease, rows: readonly unknown[]): Promise<void> {
  const page = { ...makePage(installation, feed, rows), sourceTotal: rows.length }
  await savePage(installation.database, feed, lease, page)
  await endRun(installation.database.query, lease, 'done', null)
}

async function mergeAll(): Promise<void> {
  await settleChanges(installation)
  while ((await projectPersons(installation)) !== 'idle') await wait(10)
}

const rows = [...residentRows(1, 4), ...residentRows(5, 6, { zjhm: WRONG })]

describe('run certificate', () => {
  test('tells where every row went, in the words of the API, and how many were linked to persons', async () => {
    const lease = await beginRun(installation, feed)
    await saveAndEnd(lease, rows)
    await mergeAll()
    const told = await run('run', 'certificate', String(lease.runId), '--json')
    const server = await openDoor(installation)
    const auditor = await registerAccount(installation, 'auditor', 'audit-administrator')
    const answer = await server.inject({
      url: `/api/v1/runs/${lease.runId}/certificate`,
      headers: { authorization: await bearerOf(server, auditor) },
    })
    await server.close()
    expect([told.code, JSON.parse(told.output)]).toEqual([0, answer.json()])
    const counts = { sourceTotal: 6, pulled: 6, valid: 4, rejected: 2, inserted: 4, merged: 4 }
    expect(answer.json()).toMatchObject({ explained: true, run: { ...counts, rejectedByRule: { 'DQ-013': 2 } } })
  })

  test('counts a linked record for the run that brought it, and once however often all is merged', async () => {
    const lease = await beginRun(installation, feed)
    await saveAndEnd(lease, [...residentRows(1, 1, { xm: '李测试' }), ...residentRows(2, 4)])
    await mergeAll()
    await installation.asOwner(`update gridbridge.person_cursor set rules = 'of another version'`)
    await mergeAll()
    const runs = await installation.asOwner('select merged from gridbridge.run order by run_id')
    expect(runs).toEqual([{ merged: 4 }, { merged: 1 }])
  })

  test('as tables, and with exit code 1 as soon as a row is not accounted for', async () => {
    const [first] = await installation.asOwner<{ id: number }>('select min(run_id) as id from gridbridge.run')
    await installation.asOwner('update gridbridge.run set inserted = inserted - 1 where run_id = $1', [first?.id])
    const { code, output } = await run('run', 'certificate', String(first?.id))
    expect(output).toMatch(/source count 数源声明 *│ 6 .*rejected 问题 *│ 2 .*DQ-013 *│ 2 .*merged 归并 *│ 4 /s)
    expect([code, output]).toEqual([
      1,
      expect.stringMatching(/│ yes .*│ NO .*1 项对账不一致.*1 equations do not hold/s),
    ])
  })

  test.each([
    ['99999', /^RUN_UNKNOWN: /],
    ['last', /give the number of a run/],
  ])('of a run that there is not: %s', async (runId, telling) => {
    const { code, output, errors } = await run('run', 'certificate', runId)
    expect([code, output, errors]).toEqual([2, '', expect.stringMatching(telling)])
  })
})

describe('feed run --wait', () => {
  /** Does the work of a worker: takes the next run, saves two pages apart and ends it. */
  async function workOnce(): Promise<void> {
    const { database, asOwner } = installation
    for (;;) {
      const [next] = await asOwner<{ id: number }>(`select run_id as id from gridbridge.run where state = 'pending'`)
      const lease = next === undefined ? null : await claimRun(database.query, next.id)
      if (lease !== null) {
        await savePage(database, feed, lease, { ...makePage(installation, feed, residentRows(1, 2)), sourceTotal: 4 })
        await wait(800)
        return saveAndEnd(lease, residentRows(3, 4))
      }
      await wait(50)
    }
  }

  test('shows how far it is on standard error, and the result alone on standard output', async () => {
    const [told] = await Promise.all([run('feed', 'run', CODE, '--wait'), workOnce()])
    expect([told.code, told.output]).toEqual([0, expect.stringMatching(/│ done +│ 4 /)])
    expect(told.errors).toMatch(/^run \d+ (waits for a worker|running: \d)/)
  })

  test('shows nothing but the result with --json', async () => {
    const [told] = await Promise.all([run('feed', 'run', CODE, '--wait', '--json'), workOnce()])
    expect([told.code, told.errors, JSON.parse(told.output)]).toMatchObject([0, '', { state: 'done', pulled: 4 }])
  })
})

const progress = (change: Partial<Progress>): Progress => ({
  runId: 7,
  state: 'running',
  reason: null,
  pages: 3,
  pulled: 1200,
  rejected: 3,
  sourceTotal: 5000,
  at: 10_000,
  rowsPerSecond: 840.4,
  secondsLeft: 3905,
  ...change,
})

describe('the line of progress', () => {
  function write(isTTY: boolean, looks: readonly Progress[]): readonly string[] {
    const written: string[] = []
    const line = openProgressLine({ isTTY, columns: 60, write: (text) => written.push(text) })
    looks.forEach(line.show)
    line.end()
    line.end()
    return written
  }

  test('has rate and remaining time, and neither where the source states no total', () => {
    expect(wordProgress(progress({}))).toBe(
      'run 7 running: 1200 of 5000 rows (24%), 3 rejected, 840 rows/s, 01:05:05 left',
    )
    expect(wordProgress(progress({ sourceTotal: null, secondsLeft: null, reason: 'SOURCE_RESTING' }))).toBe(
      'run 7 running SOURCE_RESTING: 1200 rows, 3 rejected, 840 rows/s',
    )
  })

  test('says so where no worker has taken the run, and not where it waits for its time', () => {
    const waiting = { state: 'pending', pages: 0, pulled: 0 } as const
    expect(wordProgress(progress(waiting))).toMatch(/^run 7 waits for a worker; npx gridbridge start/)
    expect(wordProgress(progress({ ...waiting, reason: 'SOURCE_BLACKOUT' }))).toMatch(
      /^run 7 pending SOURCE_BLACKOUT: /,
    )
  })

  test('is written over on a terminal, within its width', () => {
    const written = write(true, [progress({}), progress({ pulled: 1300 })])
    const toTheEnd = '\u001B[K'
    expect(written).toEqual([
      expect.stringMatching(/^\rrun 7 running: 1200 /),
      expect.stringMatching(/^\rrun 7 running: 1300 /),
      '\n',
    ])
    for (const text of written.slice(0, 2)) expect([text.endsWith(toTheEnd), text.length]).toEqual([true, 63])
  })

  test('is a new line every five seconds elsewhere', () => {
    const written = write(
      false,
      [0, 1000, 4999, 5000, 9000].map((ms) => progress({ at: 10_000 + ms })),
    )
    expect(written).toHaveLength(2)
    expect(written[0]).toMatch(/ left\n$/)
  })
})
