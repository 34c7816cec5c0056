import { parseArgs } from 'node:util'
import { openCitySource } from '../city/source.ts'
import { departmentOptions, openDepartment, readCityOptions, takeCredential } from './department.ts'
import { bearerDoor, guard } from './doors.ts'
import { answerLinked, answerOffset } from './pages.ts'
import { openWholeList } from './whole-list.ts'

/** 政务服务: work orders of the 12345 hotline by offset, and electronic licences by Link headers, with a bearer token. */
const { values } = parseArgs({ options: departmentOptions })

const token = takeCredential(undefined)
const door = bearerDoor(token)
const options = readCityOptions(values)
const orders = openWholeList(openCitySource(options, 'LZ-ZW-GD-001'))
const licences = openWholeList(openCitySource(options, 'LZ-ZW-ZZ-001'))

await openDepartment({
  folder: 'government-services',
  port: values.port,
  routes: {
    'GET /api/orders': guard(door, answerOffset(orders)),
    'GET /api/licences': guard(
      door,
      answerLinked(licences, 'size', (rows) => ({ data: rows })),
    ),
  },
  change: () => {
    orders.change()
    licences.change()
  },
  feeds: (url) => {
    const access = { secrets: { token }, set: { '/source/baseUrl': url } }
    return { 'LZ-ZW-GD-001': { file: 'hotline', ...access }, 'LZ-ZW-ZZ-001': { file: 'licence', ...access } }
  },
})
