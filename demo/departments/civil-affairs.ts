import { timingSafeEqual } from 'node:crypto'
import { parseArgs } from 'node:util'
import { openCitySource } from '../city/source.ts'
import { controlPass, departmentOptions, readCityOptions, routeBy, takeCredential } from './department.ts'
import type { FeedFacts } from './department.ts'
import { announce, readWhole, serve, stopOnSignal } from './serve.ts'
import type { Reply, Request } from './serve.ts'
import { openWholeList } from './whole-list.ts'
import type { WholeList } from './whole-list.ts'

/** 民政: standard addresses and grids, read whole by offset with a bearer token. */
const { values } = parseArgs({ options: { ...departmentOptions, token: { type: 'string' } } })

const LARGEST_PAGE = 10_000
const token = takeCredential(values.token)
const options = readCityOptions(values)
const addresses = openWholeList(openCitySource(options, 'address'))
const grids = openWholeList(openCitySource(options, 'grid'))

function isAllowed(authorization: string): boolean {
  const given = Buffer.from(authorization)
  const wanted = Buffer.from(`Bearer ${token}`)
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}

function isWithin(value: number, low: number, high: number): boolean {
  return Number.isInteger(value) && value >= low && value <= high
}

function handOut(list: WholeList): (request: Request) => Reply {
  return ({ headers, query }) => {
    if (!isAllowed(headers.authorization ?? '')) return { status: 401, body: { error: 'token' } }
    const asked = new URLSearchParams(query)
    const offset = Number(asked.get('offset') ?? 0)
    const limit = Number(asked.get('limit') ?? 1000)
    if (!isWithin(offset, 0, Number.MAX_SAFE_INTEGER) || !isWithin(limit, 1, LARGEST_PAGE))
      return { status: 400, body: { error: 'offset or limit' } }
    return { status: 200, body: { total: list.total(), rows: list.readRows(offset, limit) } }
  }
}

const enterSecond = controlPass(() => {
  addresses.change()
  grids.change()
  return Promise.resolve()
})

const { server, url } = await serve(
  readWhole(values.port, 'port', 0),
  routeBy({
    'GET /api/addresses': handOut(addresses),
    'GET /api/grids': handOut(grids),
    'POST /_control/pass': enterSecond,
  }),
)
stopOnSignal(server)

function factsOf(feed: string): FeedFacts {
  return { manifest: `connectors/civil-affairs/${feed}.json`, secrets: { token }, set: { '/source/baseUrl': url } }
}
announce({ listening: url, feeds: { 'LZ-MZ-DZ-001': factsOf('address'), 'LZ-MZ-WG-001': factsOf('grid') } })
