import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { UNAUDITED } from '../../src/http/answer-audit.ts'
import { routeAccess, type RouteAccess } from '../../src/http/route-access.ts'
import { boundTo, permissionsOf, roles, type Role } from '../../src/security/permissions.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerConsumer, registerFeed, residentRows, storeRows } from '../support/ledger.ts'
import { employ, type Answer, type Person } from '../support/office.ts'
import { bearerOf, openDoor } from './door.ts'

const FEED = 'LZ-GA-RK-001'

let installation: TestInstallation
let server: FastifyInstance
let url = ''
let params: Readonly<Record<string, string>> = {}
let consumer = ''
const people = new Map<Role, Person>()

const placeOf = (role: Role): string | null =>
  ({ department: 'public-security', consumer: 'grid-platform', city: null })[boundTo[role]]

beforeAll(async () => {
  installation = await openTestInstallation('api')
  server = await openDoor(installation)
  url = await server.listen({ host: '127.0.0.1', port: 0 })
  await storeRows(installation, await registerFeed(installation, FEED), residentRows(1, 3))
  const platform = await registerConsumer(installation, 'grid-platform', { webhookUrl: 'http://127.0.0.1:9/' })
  consumer = await bearerOf(server, platform)
  const [run] = await installation.asOwner<{ id: number }>('select max(run_id) as id from gridbridge.run')
  params = {
    dataset: 'resident',
    feed: FEED,
    code: FEED,
    recordId: 'none',
    runId: String(run?.id),
    version: '1',
    subscriptionId: String(platform.subscriptionId),
    department: 'public-security',
    name: 'nobody-here',
    fingerprint: 'none-none-none-none',
    batchNo: 'none',
  }
  for (const role of roles) people.set(role, await employ(installation, url, `the-${role}`, role, placeOf(role)))
})
afterAll(async () => {
  await server.close()
  await installation.close()
})

interface Route {
  readonly key: string
  readonly method: string
  readonly path: string
  readonly access: RouteAccess
}

const routes: readonly Route[] = Object.entries(routeAccess)
  .map(([key, access]) => {
    const [method = '', path = ''] = key.split(' ')
    return { key, method, path, access }
  })
  // Signing out comes last, or nobody would be there for the rest.
  .toSorted(
    (one, other) => Number(one.key === 'DELETE /api/v1/session') - Number(other.key === 'DELETE /api/v1/session'),
  )

const fill = (path: string): string => {
  const queried = { '/api/v1/feeds/:code/diff': '?from=1&to=1', '/api/v1/feeds/:code/rejections/export': '?format=csv' }
  const query = queried[path as keyof typeof queried] ?? ''
  return path.replaceAll(/:(\w+)/g, (_whole, name: string) => params[name] ?? '1') + query
}

const asks: Readonly<Record<string, (person: Person, path: string) => Promise<Answer>>> = {
  GET: (person, path) => person.get(path),
  POST: (person, path) => person.post(path, {}),
  PUT: (person, path) => person.put(path, {}),
  DELETE: (person, path) => person.remove(path),
}

const countEntries = async (): Promise<number> => {
  const [row] = await installation.asOwner<{ entries: string }>('select count(*) as entries from audit.entry')
  return Number(row?.entries)
}

/** Whether the table of permissions lets the role through; null where the route is not for accounts. */
function isLetThrough(role: Role, access: RouteAccess): boolean | null {
  if (typeof access === 'string') return null
  const granted = permissionsOf(role)
  return access.actions === 'any' || access.actions.some((action) => action in granted)
}

test('what the table of routes has, the server has', () => {
  for (const { method, path } of routes) expect(server.hasRoute({ method, url: path }), `${method} ${path}`).toBe(true)
})

test('a route that is not in the table does not start', async () => {
  const fresh = await openDoor(installation)
  expect(() => fresh.get('/api/v1/unheard-of', async () => ({}))).toThrow(/nobody says who reaches/)
  await fresh.close()
})

test('at most five addresses are answered without an entry', () => {
  expect(UNAUDITED.length).toBeLessThanOrEqual(5)
})

/** Routes that somebody was let through to the end of. */
const answered = new Set<string>()

const NOT_LET_IN: ReadonlySet<number> = new Set([401, 403])

describe.each(roles)('%s', (role) => {
  test('reaches what the table of permissions says, and each answer leaves one entry', async () => {
    const wrong: string[] = []
    for (const { key, method, path, access } of routes) {
      const person = people.get(role)
      if (person === undefined) throw new Error('nobody')
      const before = await countEntries()
      const { status, body } = await asks[method]!(person, fill(path)).catch(() => ({ status: 200, body: null }))
      const entries = (await countEntries()) - before
      if (status < 300) answered.add(key)
      const wanted = UNAUDITED.some((one) => one === path) ? 0 : 1
      if (entries !== wanted) wrong.push(`${key}: ${entries} entries (${status})`)
      const through = isLetThrough(role, access)
      if (through === true && NOT_LET_IN.has(status)) wrong.push(`${key}: ${status} ${body?.code}, though it may`)
      if (through === false && status !== 403) wrong.push(`${key}: ${status}, though it may not`)
      if (access === 'consumers' && ![400, 401].includes(status))
        wrong.push(`${key}: ${status}, though it is no consumer`)
      if (access === 'departments' && ![400, 401].includes(status))
        wrong.push(`${key}: ${status}, though it is no department`)
    }
    expect(wrong).toEqual([])
  }, 60_000)
})

const askAs = async (authorization: string | null, { method, path }: Route): Promise<number> => {
  const headers = authorization === null ? {} : { authorization }
  const payload = method === 'GET' || method === 'DELETE' ? {} : { payload: {} }
  const answer = await server.inject({ method, url: fill(path), headers, ...payload })
  return answer.statusCode
}

test.each<readonly [string, () => string | null]>([
  ['nobody', () => null],
  ['a consumer', () => consumer],
])(
  '%s reaches nothing of what is for accounts, and each answer leaves one entry',
  async (who, authorization) => {
    const wrong: string[] = []
    for (const route of routes) {
      const before = await countEntries()
      const status = await askAs(authorization(), route)
      const entries = (await countEntries()) - before
      const wanted = UNAUDITED.some((one) => one === route.path) ? 0 : 1
      if (entries !== wanted) wrong.push(`${route.key}: ${entries} entries (${status})`)
      const { access } = route
      const isForBoth = typeof access === 'object' && access.both
      if (typeof access === 'object' && !(isForBoth && who === 'a consumer') && status !== 401)
        wrong.push(`${route.key}: ${status}, though it is for accounts`)
    }
    expect(wrong).toEqual([])
  },
  60_000,
)

test('more than half of the routes for reading were answered in full', () => {
  const readable = routes.filter(({ method }) => method === 'GET')
  const read = readable.filter(({ key }) => answered.has(key))
  expect(read.length).toBeGreaterThan(readable.length / 2)
})
