import { parseArgs } from 'node:util'
import { openCitySource } from '../city/source.ts'
import { departmentOptions, openDepartment, readCityOptions, takeCredential } from './department.ts'
import { apiKeyDoor, guard } from './doors.ts'
import { answerLinked, answerPart, partAt, queryOf } from './pages.ts'
import { openWholeList } from './whole-list.ts'

/** 生态环境: licences as lines of JSON by offset, and sites by Link headers, both with a key in a header. */
const { values } = parseArgs({ options: departmentOptions })

const apiKey = takeCredential(undefined)
const door = apiKeyDoor('x-api-key', apiKey)
const options = readCityOptions(values)
const licences = openWholeList(openCitySource(options, 'LZ-HB-PW-001'))
const sites = openWholeList(openCitySource(options, 'LZ-HB-DW-001'))

const answerLines = answerPart(
  licences,
  (request) => {
    const asked = queryOf(request)
    return partAt(asked('offset'), asked('limit'))
  },
  (rows) => ({
    status: 200,
    headers: { 'content-type': 'application/x-ndjson; charset=utf-8' },
    body: rows.map((row) => `${JSON.stringify(row)}\n`).join(''),
  }),
)

await openDepartment({
  folder: 'ecology',
  port: values.port,
  routes: {
    'GET /v2/permits.ndjson': guard(door, answerLines),
    'GET /v2/sites': guard(
      door,
      answerLinked(sites, 'per_page', (rows) => rows),
    ),
  },
  change: () => {
    licences.change()
    sites.change()
  },
  feeds: (url) => {
    const access = { secrets: { apiKey }, set: { '/source/baseUrl': url } }
    return { 'LZ-HB-PW-001': { file: 'licence', ...access }, 'LZ-HB-DW-001': { file: 'site', ...access } }
  },
})
