import { parseArgs } from 'node:util'
import { openCitySource } from '../city/source.ts'
import { formatTime } from '../city/update-times.ts'
import { departmentOptions, openDepartment, readCityOptions, takeCredential } from './department.ts'
import { guard, sortedParametersDoor } from './doors.ts'
import { bodyOf, partOfPage } from './pages.ts'
import type { Reply, Request } from './serve.ts'
import { openTimedList } from './timed-list.ts'

/** 应急管理: hazards and shelters by update time, asked for with signed JSON and page numbers. */
const { values } = parseArgs({ options: departmentOptions })

const secrets = { appKey: 'gridbridge', secret: takeCredential(undefined) }
/** yyyy-MM-dd HH:mm:ss in China Standard Time, as the database behind it writes. */
const toLocal = (time: number): string => formatTime(time).slice(0, 19).replace('T', ' ')
const fromLocal = (text: unknown): number => Date.parse(`${String(text).replace(' ', 'T')}+08:00`)
const list = openTimedList(openCitySource(readCityOptions(values), 'LZ-YJ-DW-001'), {
  column: 'gxsj',
  format: toLocal,
  deleted: { czbz: 'D' },
})

function listSites(request: Request): Reply {
  const asked = bodyOf(request)
  const updated: { readonly from?: unknown; readonly to?: unknown } = Object(asked('updated'))
  const window = { from: fromLocal(updated.from), to: fromLocal(updated.to) }
  const part = partOfPage(asked('pageNo'), asked('pageSize'))
  if (part === null || Number.isNaN(window.from) || Number.isNaN(window.to))
    return { status: 200, body: { code: 400, message: 'pageNo, pageSize or updated' } }
  const records = list.readRows(window, part.offset, part.size)
  return { status: 200, body: { code: 0, data: { total: list.total(window), records } } }
}

await openDepartment({
  folder: 'emergency',
  port: values.port,
  routes: { 'POST /api/sites/query': guard(sortedParametersDoor(secrets.appKey, secrets.secret), listSites) },
  change: () => list.change(Date.now()),
  feeds: (url) => ({ 'LZ-YJ-DW-001': { file: 'site', secrets, set: { '/source/baseUrl': url } } }),
})
