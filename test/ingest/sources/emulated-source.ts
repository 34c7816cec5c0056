import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { HttpSourceManifest, Paging } from '../../../src/feeds/manifest-types.ts'
import { openHttpSource } from '../../../src/ingest/sources/http.ts'
import type { SourceLimits } from '../../../src/ingest/sources/limits.ts'
import type { Source } from '../../../src/ingest/sources/source.ts'
import { createEgressGuard } from '../../../src/security/egress.ts'
import { listen } from '../../support/listen.ts'

export type Answer = (query: URLSearchParams, response: ServerResponse, message: IncomingMessage) => void

export interface Person {
  readonly id: string
  readonly at: string
}

export const offsetPaging: Paging = { kind: 'offset', size: 2, total: '/total' }

export interface EmulatedSource {
  /** http://127.0.0.1:port */
  readonly origin: string
  /** Every query asked since the last `answerWith`. */
  readonly asked: () => readonly string[]
  readonly answerWith: (answer: Answer) => void
  readonly open: (change?: Partial<HttpSourceManifest>, limits?: SourceLimits) => Source
  readonly close: () => void
}

/** A department's JSON API on a real socket, whose answers each test writes. */
export async function startEmulatedSource(): Promise<EmulatedSource> {
  let answer: Answer | null = null
  let asked: readonly string[] = []
  const server = createServer((message, response) => {
    const url = new URL(message.url ?? '/', 'http://source.invalid')
    asked = [...asked, url.search]
    answer?.(url.searchParams, response, message)
  })
  const origin = `http://127.0.0.1:${await listen(server)}`
  return {
    origin,
    asked: () => asked,
    answerWith: (given) => {
      answer = given
      asked = []
    },
    open: (change = {}, limits = { pageBytes: 100_000, pages: 50 }) =>
      openHttpSource({
        manifest: manifestOf(`${origin}/api`, change),
        secrets: { token: 's3cret', key: 'app-1', word: 'pass-1', user: '网格' },
        egress: createEgressGuard(['loopback']),
        limits,
        recordId: '/id',
        updatedAt: '/at',
      }),
    close: () => server.close().closeAllConnections(),
  }
}

/** How each kind of paging asks for its page. */
const places: Readonly<Record<Paging['kind'], Readonly<Record<string, string>>>> = {
  token: { token: '{page.token}' },
  offset: { offset: '{page.offset}' },
  page: { page: '{page.number}' },
  keyset: { after: '{page.key}' },
  link: {},
}

function manifestOf(baseUrl: string, change: Partial<HttpSourceManifest>): HttpSourceManifest {
  const position = places[change.paging?.kind ?? 'token']
  return {
    kind: 'http',
    baseUrl,
    auth: { kind: 'none' },
    request: { method: 'GET', path: '/people', query: { ...position, limit: '{page.size}', state: 'all' } },
    records: '/data/rows',
    paging: { kind: 'token', size: 2, next: '/next' },
    timeouts: { connectMs: 1000, totalMs: 2000 },
    ...change,
  }
}

export function sendJson(response: ServerResponse, body: unknown): void {
  response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
}

/** Synthetic rows a second apart. */
export function people(count: number): readonly Person[] {
  return Array.from({ length: count }, (_, n) => ({
    id: `p-${n}`,
    at: new Date(Date.UTC(2026, 0, 1, 0, 0, n)).toISOString(),
  }))
}

/** Serves rows in pages; the token is the place of the page's first row. */
export function serveByToken(rows: readonly unknown[]): Answer {
  return (query, response) => {
    const from = Number(query.get('token') ?? 0)
    const size = Number(query.get('limit'))
    const next = from + size < rows.length ? String(from + size) : null
    sendJson(response, { data: { rows: rows.slice(from, from + size) }, next })
  }
}
