import fc from 'fast-check'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fileForms } from '../../src/ingest/table-files.ts'
import { boundTo, roles, type Role } from '../../src/security/permissions.ts'
import { clearAlert, raiseAlert } from '../../src/store/alerts.ts'
import type { Feed } from '../../src/store/feeds.ts'
import { endRun, requestRun } from '../../src/store/runs.ts'
import { savePage } from '../../src/store/save-page.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { beginRun, makePage, registerAccount, registerConsumer, registerFeed, residentRows } from '../support/ledger.ts'
import { bearerOf, openDoor } from './door.ts'

const OWNER = 'public-security'
const OTHER = 'civil-affairs'
const CONSUMER = 'grid-platform'
const CODE = 'LZ-GA-RK-001'
const WRONG = '510502190001010018'
const RIGHT = '510502190001010017'

let installation: TestInstallation
let server: FastifyInstance
let feed: Feed
const bearers = new Map<string, string>()

type Actor = Readonly<{ role: Role; department: string | null }>
/** Each role; those of a department with the owner's and with another one. */
const actors = roles.flatMap((role): readonly Actor[] =>
  boundTo[role] === 'department'
    ? [OWNER, OTHER].map((department) => ({ role, department }))
    : [{ role, department: null }],
)
const nameOf = ({ role, department }: Actor): string => `${role}-${department ?? 'city'}`.slice(0, 40)

beforeAll(async () => {
  installation = await openTestInstallation('quality')
  server = await openDoor(installation)
  feed = await registerFeed(installation, CODE)
  await registerConsumer(installation, CONSUMER)
  for (const actor of actors) {
    const consumer = boundTo[actor.role] === 'consumer' ? CONSUMER : null
    const account = await registerAccount(installation, nameOf(actor), actor.role, actor.department, consumer)
    bearers.set(nameOf(actor), await bearerOf(server, account))
  }
})
afterAll(async () => {
  await server.close()
  await installation.close()
})

const editor: Actor = { role: 'department-editor', department: OWNER }
const engineer: Actor = { role: 'system-administrator', department: null }
const officer: Actor = { role: 'security-administrator', department: null }

type Method = 'GET' | 'POST'
const ask = (actor: Actor, method: Method, url: string, payload?: object | Buffer, type?: string) =>
  server.inject({
    method,
    url,
    headers: {
      authorization: bearers.get(nameOf(actor)) ?? '',
      ...(type === undefined ? {} : { 'content-type': type }),
    },
    ...(payload === undefined ? {} : { payload }),
  })

/** A run of the feed with so many rows whose check digit is wrong. */
async function refuseRows(first: number, last: number): Promise<number> {
  const lease = await beginRun(installation, feed)
  const page = makePage(
    installation,
    feed,
    residentRows(first, last, { zjhm: WRONG, id: undefined }).map((row, at) => ({ ...row, id: `Q-${first + at}` })),
  )
  await savePage(installation.database, feed, lease, page)
  await endRun(installation.database.query, lease, 'done', null)
  return lease.runId
}

async function waitingIds(): Promise<readonly number[]> {
  const answer = await ask(editor, 'GET', `/api/v1/feeds/${CODE}/rejections/rows?limit=200`)
  return answer.json<{ rejections: { rejectionId: number }[] }>().rejections.map(({ rejectionId }) => rejectionId)
}

async function lastEvent(type: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  const [row] = await installation.asOwner<Readonly<Record<string, unknown>>>(
    'select actor, outcome, count from audit.entry where event_type = $1 order by recorded_at desc limit 1',
    [type],
  )
  return row
}

test('a department lists, exports, corrects and sends again, in one go', async () => {
  await refuseRows(1, 6)
  const groups = await ask(editor, 'GET', `/api/v1/feeds/${CODE}/rejections`)
  expect(groups.json()).toMatchObject({ rows: 6, rules: [{ rule: 'DQ-013', rows: 6, adviceZh: '核对证件原件后更正' }] })

  const first = await ask(editor, 'GET', `/api/v1/feeds/${CODE}/rejections/rows?rule=DQ-013&limit=4`)
  const { rejections, cursor } = first.json<{ rejections: { rejectionId: number }[]; cursor: number }>()
  expect(rejections).toHaveLength(4)
  expect(first.body).not.toMatch(new RegExp(`${WRONG}|张测试|19900000001`))
  expect(await lastEvent('rejections.viewed')).toMatchObject({ outcome: 'ok', count: 4 })
  const second = await ask(editor, 'GET', `/api/v1/feeds/${CODE}/rejections/rows?cursor=${cursor}`)
  expect(second.json<{ rejections: unknown[] }>().rejections).toHaveLength(2)

  const csv = await ask(editor, 'GET', `/api/v1/feeds/${CODE}/rejections/export`)
  expect(csv.headers).toMatchObject({ 'content-type': 'text/csv; charset=utf-8', 'cache-control': 'no-store' })
  expect(csv.body).toContain(`'${WRONG}`)
  expect(await lastEvent('rejections.exported')).toMatchObject({ outcome: 'ok', count: 6 })

  const [one, two] = rejections
  const rows = [
    { rejectionId: one?.rejectionId, row: { ...residentRows(1, 1)[0], id: 'Q-1' } },
    { rejectionId: two?.rejectionId, row: { ...residentRows(1, 1)[0], id: 'Q-2', zjhm: WRONG } },
  ]
  const sent = await ask(editor, 'POST', `/api/v1/feeds/${CODE}/rejections/resubmissions`, { rows })
  expect(sent.json()).toMatchObject({
    run: { kind: 'resubmission', pulled: 2, inserted: 1, rejected: 1 },
    results: [{ outcome: 'resubmitted' }, { outcome: 'refused', reasons: [{ rule: 'DQ-013' }] }],
  })
  const { runId } = sent.json<{ run: { runId: number } }>().run
  expect((await ask(editor, 'GET', `/api/v1/runs/${runId}/certificate`)).json()).toMatchObject({ explained: true })

  const left = await ask(editor, 'GET', `/api/v1/feeds/${CODE}/rejections/export`)
  const file = Buffer.from(left.body.replaceAll(WRONG, RIGHT))
  const back = await ask(
    editor,
    'POST',
    `/api/v1/feeds/${CODE}/rejections/resubmissions/file`,
    file,
    'text/csv; charset=utf-8',
  )
  expect(back.json()).toMatchObject({ run: { pulled: 5, inserted: 5, rejected: 0 } })
  expect(await waitingIds()).toEqual([])
})

test('a workbook comes back as a workbook', async () => {
  await refuseRows(11, 13)
  const { Workbook } = await import('@cj-tech-master/excelts')
  const exported = await ask(editor, 'GET', `/api/v1/feeds/${CODE}/rejections/export?format=xlsx`)
  const workbook = new Workbook()
  await workbook.xlsx.load(exported.rawPayload)
  const sheet = workbook.getWorksheet('data')
  sheet?.eachRow((row) => row.eachCell((cell) => (cell.value === WRONG ? (cell.value = RIGHT) : undefined)))
  const bytes = Buffer.from(await workbook.xlsx.writeBuffer())
  const { mediaType } = fileForms.xlsx
  const back = await ask(editor, 'POST', `/api/v1/feeds/${CODE}/rejections/resubmissions/file`, bytes, mediaType)
  expect(back.json()).toMatchObject({ run: { pulled: 3, inserted: 3, rejected: 0 } })
})

test.each([
  ['no workbook', 'xlsx', Buffer.from('PK no')],
  ['an empty file', 'csv', Buffer.from('\n')],
  ['larger than allowed', 'csv', Buffer.alloc(17 * 1024 * 1024, 44)],
] as const)('a file that is %s gets a coded answer', async (_what, kind, bytes) => {
  const startedAt = Date.now()
  const type = fileForms[kind].mediaType
  const answer = await ask(editor, 'POST', `/api/v1/feeds/${CODE}/rejections/resubmissions/file`, bytes, type)
  expect([413, 422]).toContain(answer.statusCode)
  expect(answer.json<{ code: string }>().code).toMatch(/^(RESUBMISSION_INVALID|TOO_LARGE)$/)
  expect(Date.now() - startedAt).toBeLessThan(1000)
})

describe('who is not of the department', () => {
  /** Every address under which rows of a feed can be had or sent. */
  const doors: readonly (readonly [Method, string, object?])[] = [
    ['GET', `/api/v1/feeds/${CODE}/rejections/rows`],
    ['GET', `/api/v1/feeds/${CODE}/rejections/rows?rule=DQ-013&limit=1`],
    ['GET', `/api/v1/feeds/${CODE}/rejections/export`],
    ['GET', `/api/v1/feeds/${CODE}/rejections/export?format=xlsx`],
    ['POST', `/api/v1/feeds/${CODE}/rejections/resubmissions`, { rows: [{ rejectionId: 1, row: {} }] }],
    ['POST', `/api/v1/feeds/${CODE}/rejections/resubmissions/file`],
  ]
  const strangers = actors.filter(({ department }) => department !== OWNER)

  test('gets no row, by whatever role and address, and each refusal is written down', async () => {
    await refuseRows(21, 23)
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...strangers), fc.constantFrom(...doors), async (actor, [method, url, body]) => {
        const answer = await ask(
          actor,
          method,
          url,
          body ?? (method === 'POST' ? Buffer.from('#rejection\n1\n') : undefined),
          body === undefined && method === 'POST' ? 'text/csv' : undefined,
        )
        expect(answer.statusCode).toBe(403)
        expect(answer.json<{ code: string }>().code).toBe('FORBIDDEN')
        expect(await lastEvent('access.denied')).toMatchObject({ actor: `account:${nameOf(actor)}`, outcome: 'denied' })
      }),
      { numRuns: 60 },
    )
  })

  test('sees of another department neither runs nor alerts nor counts', async () => {
    const other: Actor = { role: 'department-editor', department: OTHER }
    const runId = await refuseRows(31, 31)
    for (const url of [
      `/api/v1/runs/${runId}`,
      `/api/v1/runs/${runId}/certificate`,
      `/api/v1/runs/${runId}/drift`,
      `/api/v1/runs/${runId}/progress`,
      `/api/v1/feeds/${CODE}/rejections`,
      `/api/v1/feeds/${CODE}/health`,
    ])
      expect((await ask(other, 'GET', url)).statusCode).toBe(403)
    expect((await ask(other, 'GET', '/api/v1/runs')).json()).toEqual({ runs: [], cursor: null })
    expect((await ask(other, 'GET', `/api/v1/runs?feed=${CODE}`)).json()).toEqual({ runs: [], cursor: null })
    expect((await ask(other, 'GET', '/api/v1/alerts?open=false')).json()).toEqual({ alerts: [], cursor: null })
    expect((await ask(other, 'POST', `/api/v1/runs/${runId}/cancel`)).statusCode).toBe(403)
  })

  test('but watches over the city, sees counts', async () => {
    for (const actor of [engineer, officer]) {
      expect((await ask(actor, 'GET', `/api/v1/feeds/${CODE}/rejections`)).statusCode).toBe(200)
      expect((await ask(actor, 'GET', '/api/v1/runs')).json<{ runs: unknown[] }>().runs.length).toBeGreaterThan(0)
    }
  })
})

test('runs are listed page by page, the newest first', async () => {
  const all = (await ask(editor, 'GET', '/api/v1/runs?limit=200')).json<{ runs: { runId: number }[] }>().runs
  const seen: number[] = []
  for (let cursor: number | null = Number.MAX_SAFE_INTEGER; cursor !== null;) {
    const url = `/api/v1/runs?limit=2&cursor=${cursor}`
    const page: { runs: { runId: number }[]; cursor: number | null } = (await ask(editor, 'GET', url)).json()
    seen.push(...page.runs.map(({ runId }) => runId))
    ;({ cursor } = page)
  }
  expect(seen).toEqual(all.map(({ runId }) => runId))
})

test('a run is asked for, paused, resumed and cancelled; each step says who it was', async () => {
  const asked = await ask(engineer, 'POST', `/api/v1/feeds/${CODE}/runs`)
  const { runId } = asked.json<{ runId: number }>()
  expect(asked.json()).toMatchObject({ state: 'pending', kind: 'sync' })
  expect((await ask(engineer, 'POST', `/api/v1/feeds/${CODE}/runs`)).json<{ runId: number }>().runId).toBe(runId)
  const states: unknown[] = []
  for (const step of ['pause', 'resume', 'cancel', 'cancel'])
    states.push((await ask(editor, 'POST', `/api/v1/runs/${runId}/${step}`)).json<{ state?: string; code?: string }>())
  expect(states).toMatchObject([
    { state: 'paused' },
    { state: 'pending' },
    { state: 'stopped', reason: 'RUN_CANCELLED' },
    { code: 'RUN_CONFLICT' },
  ])
  expect(await lastEvent('run.steered')).toMatchObject({ actor: `account:${nameOf(editor)}` })
  expect((await ask(editor, 'GET', '/api/v1/runs/999999')).json()).toMatchObject({ code: 'RUN_UNKNOWN' })
})

test('an alert is listed with advice until somebody has seen it', async () => {
  await installation.database.transaction((transaction) =>
    raiseAlert(transaction, { kind: 'feed-stale', feed, runId: null, details: { cycle: 'P1D' } }),
  )
  const listed = (await ask(editor, 'GET', '/api/v1/alerts')).json<{ alerts: { alertId: number }[] }>()
  expect(listed.alerts).toMatchObject([{ kind: 'feed-stale', feed: CODE, zh: expect.stringContaining('更新周期') }])
  const url = `/api/v1/alerts/${listed.alerts[0]?.alertId ?? 0}/acknowledge`
  expect((await ask({ role: 'department-editor', department: OTHER }, 'POST', url)).statusCode).toBe(404)
  expect((await ask(editor, 'POST', url)).json()).toMatchObject({ acknowledgedBy: `account:${nameOf(editor)}` })
  expect((await ask(editor, 'GET', '/api/v1/alerts')).json()).toMatchObject({ alerts: [] })
  await clearAlert(installation.database.query, feed.feedId, 'feed-stale')
})

test('a feed tells how it is', async () => {
  expect((await ask(editor, 'GET', `/api/v1/feeds/${CODE}/health`)).json()).toMatchObject({
    feed: CODE,
    source: { state: 'closed', failures: 0, fault: null, restsUntil: null },
    cycle: 'P1D',
    stale: false,
    lastDoneAt: expect.stringMatching(/^20/),
  })
})

test('progress is told event by event until the run is over', async () => {
  const { runId } = await requestRun(installation.database.query, feed.feedId)
  const following = ask(editor, 'GET', `/api/v1/runs/${runId}/progress`)
  setTimeout(() => void ask(editor, 'POST', `/api/v1/runs/${runId}/cancel`), 1300)
  const answer = await following
  expect(answer.headers['content-type']).toContain('text/event-stream')
  const events = answer.body.split('\n\n').filter((event) => event !== '')
  expect(events.length).toBeGreaterThanOrEqual(2)
  expect(events[0]).toMatch(/^event: progress\ndata: \{/)
  expect(events.at(-1)).toMatch(/^event: end\ndata: \{.*"state":"stopped"/)
})

test('a stream ends with the server', async () => {
  const other = await openDoor(installation)
  const address = await other.listen({ host: '127.0.0.1', port: 0 })
  const { runId } = await requestRun(installation.database.query, feed.feedId)
  const answer = await fetch(`${address}/api/v1/runs/${runId}/progress`, {
    headers: { authorization: bearers.get(nameOf(editor)) ?? '' },
  })
  const reading = answer.text()
  const startedAt = Date.now()
  await other.close()
  expect(await reading).toContain('event: progress')
  expect(Date.now() - startedAt).toBeLessThan(3000)
})
