import { createServer, type ServerResponse } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { loadDatasets } from '../../src/feeds/datasets.ts'
import type { Manifest } from '../../src/feeds/manifest-types.ts'
import { proveFeed, type FeedProof } from '../../src/ingest/prove-feed.ts'
import { writeProof } from '../../src/ingest/prove-report.ts'
import { openSource } from '../../src/ingest/sources/open.ts'
import { createEgressGuard } from '../../src/security/egress.ts'
import { createManifest, createResidentRow } from '../feeds/sample-manifest.ts'
import { environmentOf, runCommand } from '../support/command-line.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerFeed } from '../support/ledger.ts'
import { listen } from '../support/listen.ts'

type Row = Readonly<Record<string, unknown>>

const PAGE = 10
const ROWS = 25

let installation: TestInstallation
let port = 0
let rows: Row[] = []
/** How often the reading was begun. */
let begun = 0
/** What this department does wrong. */
let onBegin: (reading: number) => void = () => undefined
/** Set: pages are counted, and no total is stated. */
let isCounted = false
let answerWith: (page: Answer, response: ServerResponse, from: number) => void = send

interface Answer {
  readonly rows: readonly Row[]
  readonly next: string | null
  readonly total: number
}

function send(page: Answer, response: ServerResponse): void {
  response.setHeader('content-type', 'application/json').end(JSON.stringify(page))
}

const ago = (seconds: number): string => new Date(Date.now() - seconds * 1000).toISOString()
const resident = (number: number, change: Row = {}): Row =>
  createResidentRow({ id: `R-${number}`, gxsj: ago(3000 - number * 10), ...change })

const server = createServer((message, response) => {
  const query = new URL(message.url ?? '/', 'http://department.invalid').searchParams
  const [from, to] = [Date.parse(query.get('from') ?? ''), Date.parse(query.get('to') ?? '')]
  const place = Number(query.get('token') ?? query.get('offset') ?? 0)
  if (place === 0) onBegin(++begun)
  const isInside = ({ gxsj }: Row): boolean => {
    const at = Date.parse(String(gxsj))
    return Number.isNaN(at) ? from < Date.now() : at >= from && at < to
  }
  const inside = rows.filter(isInside)
  const next = place + PAGE < inside.length ? String(place + PAGE) : null
  answerWith({ rows: inside.slice(place, place + PAGE), next, total: inside.length }, response, from)
})

beforeAll(async () => {
  installation = await openTestInstallation('prove')
  port = await listen(server)
})
afterAll(async () => {
  server.close().closeAllConnections()
  await installation.close()
})
beforeEach(() => {
  rows = Array.from({ length: ROWS }, (_, number) => resident(number))
  begun = 0
  onBegin = () => undefined
  answerWith = send
  isCounted = false
})

function manifest(): Manifest {
  const given = createManifest()
  if (given.source.kind !== 'http') throw new Error('wanted an HTTP source')
  return {
    ...given,
    source: {
      ...given.source,
      baseUrl: `http://127.0.0.1:${port}`,
      auth: { kind: 'none' },
      request: {
        method: 'GET',
        path: '/residents',
        query: {
          from: '{window.from}',
          to: '{window.to}',
          ...(isCounted ? { offset: '{page.offset}' } : { token: '{page.token}' }),
        },
      },
      records: '/rows',
      paging: isCounted
        ? { kind: 'offset', size: PAGE }
        : { kind: 'token', size: PAGE, next: '/next', total: '/total' },
      incremental: {
        window: { lookbackSeconds: 60, settleSeconds: 5, start: '2026-01-01T00:00:00Z' },
        tieBreaker: '/id',
      },
      timeouts: { connectMs: 1000, totalMs: 1000 },
    },
    quality: { errorBudget: { records: 1, ratio: 0.01 } },
  }
}

function prove(): Promise<FeedProof> {
  const dataset = loadDatasets().get('resident')
  if (dataset === undefined) throw new Error('wanted the dataset of residents')
  const open = async (given: Manifest) => openSource(given, {}, createEgressGuard(['loopback']))
  return proveFeed({ manifest: manifest(), dataset, open, seconds: 10 })
}

const failedOf = ({ findings }: FeedProof): readonly string[] =>
  Object.entries(findings).flatMap(([id, { outcome }]) => (outcome === 'failed' ? [id] : []))

test('a good department passes every check', async () => {
  const proof = await prove()
  const outcomes = Object.entries(proof.findings).filter(([, { outcome }]) => outcome !== 'passed')
  // Its pages are not counted.
  expect(outcomes.map(([id]) => id)).toEqual(['ties-fit-page'])
  expect(proof).toMatchObject({ ok: true, rows: ROWS, pages: 3 })
})

test('a quiet department leaves undecided what no row could show, and fails nothing', async () => {
  rows = []
  const { ok, findings } = await prove()
  expect(ok).toBe(true)
  expect(findings['ids-unique'].outcome).toBe('undecided')
  expect(findings['empty-window'].outcome).toBe('passed')
})

const change = (number: number, row: Row): void => {
  rows[number] = { ...rows[number], ...row }
}

describe('a department fails the check', () => {
  test.each<[string, () => void]>([
    ['ids-unique', () => change(4, { ...rows[3], lxfs: '19900000009' })],
    ['ids-present', () => change(4, { id: '' })],
    ['times-present', () => change(4, { gxsj: 'yesterday' })],
    ['rows-in-order', () => (rows = rows.toReversed())],
    [
      'ties-fit-page',
      () => {
        isCounted = true
        rows = rows.map((row) => ({ ...row, gxsj: ago(3000) }))
      },
    ],
    ['no-future-times', () => change(24, { gxsj: ago(-3600) })],
    ['reread-same', () => (onBegin = (reading) => reading === 5 && change(4, { lxfs: '19900000009' }))],
    ['reread-same', () => (onBegin = (reading) => reading === 5 && rows.splice(4, 1))],
    ['late-commits', () => (onBegin = (reading) => reading === 5 && rows.unshift(resident(90, { gxsj: ago(2990) })))],
    ['no-repeated-page', () => (answerWith = (page, response) => send({ ...page, next: '10' }, response))],
    ['paging-ends', () => (answerWith = (page, response) => send({ ...page, total: 99 }, response))],
    ['rows-good', () => rows.forEach((_, number) => change(number, { zjhm: '1' }))],
    [
      'empty-window',
      () =>
        (answerWith = (page, response, from) =>
          from > Date.now() ? response.writeHead(400).end() : send(page, response)),
    ],
    [
      'clock-skew',
      () =>
        (answerWith = (page, response) =>
          send(page, response.setHeader('date', new Date(Date.now() - 60_000).toUTCString()))),
    ],
    ['answer-times', () => (answerWith = (page, response) => setTimeout(() => send(page, response), 600))],
    ['answers', () => (answerWith = (_page, response) => response.writeHead(403).end())],
  ])('%s', async (check, spoil) => {
    spoil()
    const proof = await prove()
    expect(failedOf(proof)).toContain(check)
    expect(proof.ok).toBe(false)
    expect(writeProof(proof)).toContain('不可上线 / not fit to go live')
  })
})

test('the verdict holds no value of a row', async () => {
  rows.forEach((_, number) => change(number, { zjhm: '1' }))
  const text = JSON.stringify(await prove())
  expect(['R-3', '19900000001', '张测试'].filter((value) => text.includes(value))).toEqual([])
})

test('the command keeps the verdict, tells it in two languages, and ends with 1 when it is no', async () => {
  const code = 'LZ-GA-PV-001'
  await registerFeed(installation, code, { ...manifest(), limits: { pageBytes: 100_000, pages: 1000 } })
  change(4, { gxsj: 'yesterday' })
  const environment = { ...environmentOf(installation), GRIDBRIDGE_EGRESS_ALLOW: 'loopback' }
  const ended = await runCommand(['feed', 'prove', code, '--seconds', '5'], environment)
  expect([ended.code, ended.errors]).toEqual([1, ''])
  expect(ended.output).toMatch(
    /未通过 FAILED · 每行都有更新时间 \/ Every row has an update time · rows 25, without 1\n {2}→ /,
  )
  const kept = await installation.asOwner<{ ok: boolean; rows: number }>(
    `select ok, (verdict->>'rows')::int as rows from gridbridge.feed_proof join gridbridge.feed using (feed_id) where code = $1`,
    [code],
  )
  expect(kept).toEqual([{ ok: false, rows: ROWS }])
})
