import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { HttpSourceManifest, Paging } from '../src/feeds/manifest-types.ts'
import { manifestAround, type ManifestChange } from './cursor-manifest.ts'
import type { Product } from './cursor-product.ts'
import type { World } from './cursor-world.ts'
import { countWrites, planWrites, type Commit, type Version, type WritePlan } from './cursor-writes.ts'
import type { Random } from './random.ts'

type HttpKind = Paging['kind']

interface Answered {
  readonly rows: readonly Version[]
  readonly next: string | null
}

type Order = (a: Version, b: Version) => number

/** How one kind of paging is asked for, and how a department's server answers it from the rows of the window in order. */
interface PagingKind {
  readonly paging: (size: number) => Paging
  readonly query: Readonly<Record<string, string>>
  readonly order: Order
  readonly answer: (inside: readonly Version[], asked: URLSearchParams, size: number) => Answered
}

const byId: Order = (a, b) => (a.id < b.id ? -1 : 1)
const byTime: Order = (a, b) => a.at - b.at || byId(a, b)

const timeText = ({ at }: Version): string => new Date(at).toISOString()

const placeOf = (row: Version | undefined): string => (row === undefined ? '' : `${row.at}~${row.id}`)

function isAfter(row: Version, place: string): boolean {
  const [at = '', id = ''] = place.split('~')
  return row.at > Number(at) || (row.at === Number(at) && row.id > id)
}

const afterPlace: PagingKind['answer'] = (inside, asked, size) => {
  const place = asked.get('token')
  const rest = place === null ? inside : inside.filter((row) => isAfter(row, place))
  const rows = rest.slice(0, size)
  return { rows, next: rest.length > size ? placeOf(rows.at(-1)) : null }
}

/** Places are counted in the table as it is now, so that rows which leave the window move all others. */
const slice = (inside: readonly Version[], from: number, size: number): Answered => ({
  rows: inside.slice(from, from + size),
  next: null,
})

export const httpKinds: Readonly<Record<HttpKind, PagingKind>> = {
  token: {
    paging: (size) => ({ kind: 'token', size, next: '/next' }),
    query: { token: '{page.token}' },
    order: byTime,
    answer: afterPlace,
  },
  offset: {
    paging: (size) => ({ kind: 'offset', size, total: '/total' }),
    query: { offset: '{page.offset}' },
    order: byTime,
    answer: (inside, asked, size) => slice(inside, Number(asked.get('offset')), size),
  },
  page: {
    paging: (size) => ({ kind: 'page', size, first: 1, total: '/total' }),
    query: { page: '{page.number}' },
    order: byTime,
    answer: (inside, asked, size) => slice(inside, (Number(asked.get('page')) - 1) * size, size),
  },
  keyset: {
    paging: (size) => ({ kind: 'keyset', size, key: '/id' }),
    query: { after: '{page.key}', by: 'id' },
    order: byId,
    answer: (inside, asked, size) => {
      const after = asked.get('after') ?? ''
      if (asked.get('by') === 'id')
        return slice(
          inside.filter((row) => row.id > after),
          0,
          size,
        )
      return slice(inside.filter((row) => timeText(row) > after).toSorted(byTime), 0, size)
    },
  },
  link: {
    paging: (size) => ({ kind: 'link', size }),
    query: {},
    order: byTime,
    answer: afterPlace,
  },
}

export interface HttpWorldOptions {
  readonly kind: HttpKind
  readonly product: Product
  readonly random: Random
  /** What is changed of the manifest as it should be. */
  readonly change: ManifestChange
}

const START = Date.UTC(2026, 0, 1)
const SETTLE_S = 30
const LOOKBACK_S = 60

const planOf = (random: Random): WritePlan => ({
  transactions: 80,
  spanMs: 400_000,
  settleMs: SETTLE_S * 1000,
  lookbackMs: LOOKBACK_S * 1000,
  grainMs: 1000 * (1 + random(4)),
  bulk: 6,
})

/** The table as it can be seen now. Commits become visible as the clock passes them. */
interface Table {
  readonly rows: Map<string, Version>
  readonly commits: readonly Commit[]
  clock: number
  visible: number
}

function moveTo(table: Table, clock: number): void {
  table.clock = clock
  for (; (table.commits[table.visible]?.committedAt ?? Infinity) <= clock; table.visible++) {
    for (const version of table.commits[table.visible]?.versions ?? []) table.rows.set(version.id, version)
  }
}

function linkTo(asked: URLSearchParams, token: string): string {
  return new URLSearchParams({ ...Object.fromEntries(asked), token }).toString()
}

function answerFrom(table: Table, kind: PagingKind, asked: URLSearchParams, response: ServerResponse): void {
  const from = Date.parse(asked.get('from') ?? '')
  const to = Date.parse(asked.get('to') ?? '')
  const inside = [...table.rows.values()].filter(({ at }) => at >= from && at < to).sort(kind.order)
  const { rows, next } = kind.answer(inside, asked, Number(asked.get('size')))
  const items = rows.map((row) => ({ id: row.id, v: row.version, at: timeText(row) }))
  if (next !== null) response.setHeader('link', `</rows?${linkTo(asked, next)}>; rel="next"`)
  response.setHeader('content-type', 'application/json').end(JSON.stringify({ items, next, total: inside.length }))
}

function manifestOf(port: number, kind: PagingKind, size: number): HttpSourceManifest {
  const window = { settleSeconds: SETTLE_S, lookbackSeconds: LOOKBACK_S, start: new Date(START).toISOString() }
  return {
    kind: 'http',
    baseUrl: `http://127.0.0.1:${port}`,
    auth: { kind: 'none' },
    request: {
      method: 'GET',
      path: '/rows',
      query: { from: '{window.from}', to: '{window.to}', size: '{page.size}', ...kind.query },
    },
    records: '/items',
    paging: kind.paging(size),
    incremental: { window, tieBreaker: '/id' },
    timeouts: { connectMs: 5000, totalMs: 20_000 },
  }
}

/** A department's API on a real socket whose table follows a schedule of late commits, in simulated time. */
export async function openHttpWorld({ kind, product, random, change }: HttpWorldOptions): Promise<World> {
  const plan = planOf(random)
  const table: Table = { rows: new Map(), commits: planWrites(plan, START, random), clock: START, visible: 0 }
  const paging = httpKinds[kind]
  const server = createServer((message, response) => {
    answerFrom(table, paging, new URL(message.url ?? '/', 'http://department.invalid').searchParams, response)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  const manifest = change(manifestAround(manifestOf(port, paging, 3 + random(4))))
  const egress = product.createEgressGuard(['loopback'])
  const overAt = Math.max(...table.commits.map((commit) => commit.committedAt)) + plan.settleMs + plan.grainMs
  return {
    open: () => product.openSource(manifest, {}, egress),
    now: () => new Date(table.clock),
    pass: async (ms) => moveTo(table, table.clock + ms),
    isOver: () => table.clock > overAt,
    newest: async () => new Map([...table.rows.values()].map(({ id, version }) => [id, version])),
    counts: () => countWrites(table.commits),
    close: async () => server.close().closeAllConnections(),
    pauseMs: 20_000,
  }
}
