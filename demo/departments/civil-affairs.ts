import { parseArgs } from 'node:util'
import { openCitySource } from '../city/source.ts'
import { departmentOptions, openDepartment, readCityOptions, takeCredential } from './department.ts'
import { bearerDoor, guard } from './doors.ts'
import { answerOffset } from './pages.ts'
import { openWholeList } from './whole-list.ts'

/** 民政: standard addresses and grids, read whole by offset with a bearer token. */
const { values } = parseArgs({ options: { ...departmentOptions, token: { type: 'string' } } })

const token = takeCredential(values.token)
const door = bearerDoor(token)
const options = readCityOptions(values)
const addresses = openWholeList(openCitySource(options, 'LZ-MZ-DZ-001'))
const grids = openWholeList(openCitySource(options, 'LZ-MZ-WG-001'))

await openDepartment({
  folder: 'civil-affairs',
  port: values.port,
  routes: {
    'GET /api/addresses': guard(door, answerOffset(addresses)),
    'GET /api/grids': guard(door, answerOffset(grids)),
  },
  change: () => {
    addresses.change()
    grids.change()
  },
  feeds: (url) => {
    const access = { secrets: { token }, set: { '/source/baseUrl': url } }
    return { 'LZ-MZ-DZ-001': { file: 'address', ...access }, 'LZ-MZ-WG-001': { file: 'grid', ...access } }
  },
})
