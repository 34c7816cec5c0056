import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { openDoor } from '../demo/departments/signed-access.ts'
import type { ErrorCode } from '../src/errors.ts'
import type { CanaryBook, CanaryPerson } from './taint-canaries.ts'
import { oddResidents, refusedResidents, residentRow, spoil } from './taint-rows.ts'

/** One canary as a department in distress tells it: in status lines, headers and bodies that are no page of records. */
interface Distress {
  /** What the run comes to. */
  readonly reason: ErrorCode
  readonly answer: (response: ServerResponse, person: CanaryPerson, query: URLSearchParams) => void
}

const tell = ({ name, certNumber, phone, mark }: CanaryPerson): string => `${mark} ${name} ${certNumber} ${phone}`
const json = { 'content-type': 'application/json' }

function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { ...json, ...headers })
  response.end(JSON.stringify(body))
}

const page = (rows: readonly unknown[], next: string | null): unknown => ({ code: 0, data: { items: rows, next } })
const stamped = (row: unknown, at: string): unknown =>
  typeof row === 'object' && row !== null && !Array.isArray(row) ? { ...row, gxsj: at } : row

const LOADED_AT = '2025-06-30T08:00:00.000+08:00'

/** Every way of failing, by the path the feed is pointed at. */
export const distresses: Readonly<Record<string, Distress>> = {
  failing: {
    reason: 'SOURCE_UNAVAILABLE',
    answer: (response, person) => sendJson(response, 500, { error: tell(person) }, { 'x-error': person.phone }),
  },
  refusing: {
    reason: 'SOURCE_REFUSED',
    answer: (response, person) =>
      sendJson(response, 401, { error: tell(person) }, { 'www-authenticate': `Bearer realm="${person.certNumber}"` }),
  },
  redirecting: {
    reason: 'SOURCE_REFUSED',
    answer: (response, person) =>
      sendJson(
        response,
        302,
        { moved: tell(person) },
        { location: `/other?id=${person.certNumber}&xm=${encodeURIComponent(person.name)}` },
      ),
  },
  garbled: {
    reason: 'SOURCE_BODY_INVALID',
    answer: (response, person) => response.writeHead(200, json).end(`{"data":{"items":[{"xm":"${tell(person)}"`),
  },
  truncated: {
    reason: 'SOURCE_BODY_INVALID',
    answer: (response, person) => {
      response.writeHead(200, { ...json, 'content-length': '100000' })
      response.write(JSON.stringify(page([residentRow(person)], null)), () => response.destroy())
    },
  },
  mistyped: {
    reason: 'SOURCE_BODY_INVALID',
    answer: (response, person) =>
      response
        .writeHead(200, { 'content-type': `text/x-${person.phone}`, 'content-encoding': person.certNumber })
        .end(tell(person)),
  },
  listless: {
    reason: 'SOURCE_BODY_INVALID',
    answer: (response, person) => sendJson(response, 200, { data: { items: tell(person), next: person.certNumber } }),
  },
  repeating: {
    reason: 'SOURCE_PAGE_REPEATED',
    answer: (response, person) =>
      sendJson(response, 200, page([stamped(residentRow(person), LOADED_AT)], `${person.phone}_${person.permitNo}`)),
  },
  // The row's own number is its record id, and where reading broke off is remembered by record id.
  expiring: {
    reason: 'SOURCE_REFUSED',
    answer: (response, person, query) => {
      if (query.has('pageToken')) return sendJson(response, 410, { error: tell(person) })
      sendJson(
        response,
        200,
        page([stamped({ ...residentRow(person), rkbm: person.certNumber }, LOADED_AT)], person.permitNo),
      )
    },
  },
  spoilt: {
    reason: 'ERROR_BUDGET_SPENT',
    answer: (response, person) => sendJson(response, 200, page([tell(person), [tell(person)]], null)),
  },
}

export interface CanaryDepartment {
  readonly url: string
  readonly appKey: string
  readonly appSecret: string
  /** Runs once, when the middle of the list is asked for and before it is answered. */
  readonly onMiddle: (work: () => Promise<void>) => void
  /** Some residents get another name and phone, some are gone. */
  readonly change: () => void
  readonly close: () => void
}

interface Listing {
  rows: readonly unknown[]
  middle: (() => Promise<void>) | null
}

const PAGE_ROWS = 40

/** The list of the population system. Its page tokens hold the number of the last row, as keyset paging does. */
async function answerList(listing: Listing, response: ServerResponse, query: URLSearchParams): Promise<void> {
  const from = Date.parse(query.get('updatedFrom') ?? '')
  const start = Number(query.get('pageToken')?.split('.')[1] ?? 0)
  const rows = listing.rows.filter((row) => !(Date.parse((row as { gxsj?: string } | null)?.gxsj ?? '') < from))
  if (start > 0 && listing.middle !== null) {
    const work = listing.middle
    listing.middle = null
    await work()
  }
  const end = start + PAGE_ROWS
  const last = rows[end - 1] as { gmsfhm?: string } | null
  sendJson(response, 200, page(rows.slice(start, end), end < rows.length ? `${last?.gmsfhm ?? 'none'}.${end}` : null))
}

function changedRows(people: readonly CanaryPerson[], book: CanaryBook): readonly unknown[] {
  // Before now, so that the window of the next run covers them, and after the lookback of ten minutes begins.
  const at = new Date(Date.now() - 60_000).toISOString()
  const [gone, ...moved] = people
  const renamed = moved.map((person) => {
    const { name, phone, residenceAddress } = book.take()
    return stamped({ ...residentRow(person), xm: name, lxdh: phone, xzz: residenceAddress }, at)
  })
  return gone === undefined ? renamed : [...renamed, stamped({ ...residentRow(gone), czbz: 'D' }, at)]
}

const CHANGED = 6

/** Good rows first and last, the bad ones between, and one id twice. */
function makeRows(people: readonly CanaryPerson[], book: CanaryBook): readonly unknown[] {
  const good = people.map(residentRow)
  const twin = book.take()
  const repeated = [residentRow(twin), { ...residentRow(book.take()), rkbm: residentRow(twin)['rkbm'] }]
  const bad = [...spoil(book, refusedResidents, residentRow), ...spoil(book, oddResidents, residentRow)]
  const half = Math.ceil(good.length / 2)
  return [...good.slice(0, half), ...repeated, ...bad, ...good.slice(half)].map((row) => stamped(row, LOADED_AT))
}

const urlOf = (request: IncomingMessage): URL => new URL(request.url ?? '/', 'http://department')

/** A population system in this process: `/` serves the list to signed requests, `/<distress>` fails in its own way. */
export async function openDepartment(book: CanaryBook, residents: number): Promise<CanaryDepartment> {
  const credentials = { appKey: 'taint', appSecret: book.take().phone }
  const people = Array.from({ length: residents }, () => book.take())
  const listing: Listing = { rows: makeRows(people, book), middle: null }
  const victims = new Map(Object.keys(distresses).map((name) => [name, book.take()] as const))
  const refused = openDoor(credentials.appKey, credentials.appSecret)
  const server = createServer((request, response) => {
    const { pathname, searchParams, search } = urlOf(request)
    const [name = ''] = pathname.slice(1).split('/')
    const victim = victims.get(name)
    if (victim !== undefined) return distresses[name]?.answer(response, victim, searchParams)
    const asked = {
      method: 'GET',
      path: pathname,
      query: search.slice(1),
      headers: request.headers,
      body: Buffer.alloc(0),
    }
    if (refused(asked, Date.now()) !== null) return sendJson(response, 401, { error: credentials.appSecret })
    void answerList(listing, response, searchParams)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...credentials,
    onMiddle: (work) => void (listing.middle = work),
    change: () => void (listing.rows = changedRows(people.slice(0, CHANGED), book)),
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
