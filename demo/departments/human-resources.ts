import { parseArgs } from 'node:util'
import { openCitySource } from '../city/source.ts'
import { departmentOptions, openDepartment, readCityOptions, takeCredential } from './department.ts'
import { guard, nationalPlatformDoor } from './doors.ts'
import { answerPart, partOfPage, queryOf } from './pages.ts'
import type { Handle } from './serve.ts'
import { openWholeList } from './whole-list.ts'
import type { WholeList } from './whole-list.ts'

/** 人力资源社会保障: insurance and employment, behind the headers of the national platform, paged by number. */
const { values } = parseArgs({ options: departmentOptions })

const secrets = { requester: 'luzhou-grid', service: 'rs-person-status', secret: takeCredential(undefined) }
const door = nationalPlatformDoor(secrets.requester, secrets.service, secrets.secret)
const options = readCityOptions(values)
const insured = openWholeList(openCitySource(options, 'LZ-RS-CB-001'))
const employed = openWholeList(openCitySource(options, 'LZ-RS-JY-001'))

function answerPage(list: WholeList): Handle {
  return answerPart(
    list,
    (request) => {
      const asked = queryOf(request)
      return partOfPage(asked('pageNum'), asked('pageSize'))
    },
    (rows) => ({ status: 200, body: { code: '200', data: { total: list.total(), list: rows } } }),
  )
}

await openDepartment({
  folder: 'human-resources',
  port: values.port,
  routes: {
    'GET /gateway/insurance': guard(door, answerPage(insured)),
    'GET /gateway/employment': guard(door, answerPage(employed)),
  },
  change: () => {
    insured.change()
    employed.change()
  },
  feeds: (url) => {
    const access = { secrets, set: { '/source/baseUrl': url } }
    return { 'LZ-RS-CB-001': { file: 'insurance', ...access }, 'LZ-RS-JY-001': { file: 'employment', ...access } }
  },
})
