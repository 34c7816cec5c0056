import { parseArgs } from 'node:util'
import { openCitySource } from '../city/source.ts'
import { formatTime } from '../city/update-times.ts'
import { departmentOptions, openDepartment, readCityOptions, takeCredential } from './department.ts'
import type { Reply, Request } from './serve.ts'
import { openDoor } from './signed-access.ts'
import { openTimedList } from './timed-list.ts'

/** 公安: the population system, read by signed HTTP requests with page tokens. */
const { values } = parseArgs({
  options: {
    ...departmentOptions,
    'app-key': { type: 'string', default: 'gridbridge' },
    'app-secret': { type: 'string' },
  },
})

const LARGEST_PAGE = 10_000
const appKey = values['app-key']
const appSecret = takeCredential(values['app-secret'])
const list = openTimedList(openCitySource(readCityOptions(values), 'LZ-GA-RK-001'), {
  column: 'gxsj',
  format: formatTime,
  deleted: { zt: '注销', czbz: 'D' },
})
const refuseAtDoor = openDoor(appKey, appSecret)

const refusal = (status: number, message: string): Reply => ({ status, body: { code: status, message } })

function readToken(text: string | null): number {
  const [, position] = /^p(\d{1,12})$/.exec(Buffer.from(text ?? 'cDA', 'base64url').toString('latin1')) ?? []
  return position === undefined ? Number.NaN : Number(position)
}

function listResidents(request: Request): Reply {
  const refused = refuseAtDoor(request, Date.now())
  if (refused !== null) return refusal(401, refused)
  const query = new URLSearchParams(request.query)
  const window = { from: Date.parse(query.get('updatedFrom') ?? ''), to: Date.parse(query.get('updatedTo') ?? '') }
  const size = Number(query.get('size') ?? 1000)
  const start = readToken(query.get('pageToken') || null)
  if ([window.from, window.to, start].some(Number.isNaN)) return refusal(400, 'updatedFrom, updatedTo or pageToken')
  if (!Number.isInteger(size) || size < 1 || size > LARGEST_PAGE) return refusal(400, 'size')
  const { items, next } = list.readPage(window, start, size)
  const token = next === null ? null : Buffer.from(`p${next}`, 'latin1').toString('base64url')
  return { status: 200, body: { code: 0, data: { items, next: token } } }
}

await openDepartment({
  folder: 'public-security',
  port: values.port,
  routes: { 'GET /api/residents': listResidents },
  change: () => list.change(Date.now()),
  feeds: (url) => ({
    'LZ-GA-RK-001': { file: 'resident', secrets: { appKey, appSecret }, set: { '/source/baseUrl': url } },
  }),
})
