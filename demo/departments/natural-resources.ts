import { parseArgs } from 'node:util'
import { openCitySource } from '../city/source.ts'
import { controlPass, departmentOptions, readCityOptions, routeBy, takeCredential } from './department.ts'
import type { FeedFacts } from './department.ts'
import { openHouseRegister } from './house-register.ts'
import { announce, readWhole, serve, stopOnSignal } from './serve.ts'

/** 自然资源: the house register, a PostgreSQL database of its own with a read-only login. */
const { values } = parseArgs({
  options: { ...departmentOptions, 'database-url': { type: 'string' }, password: { type: 'string' } },
})

const adminUrl = values['database-url']
if (adminUrl === undefined) throw new RangeError('--database-url: the address of a PostgreSQL server is wanted')
const password = takeCredential(values.password)
const register = await openHouseRegister(adminUrl, password)
const source = openCitySource(readCityOptions(values), 'housing')
await register.fill(source)

const enterSecond = controlPass(() => register.change(source))
const { server, url } = await serve(readWhole(values.port, 'port', 0), routeBy({ 'POST /_control/pass': enterSecond }))
stopOnSignal(server, () => register.close())
const { host, port, database, user } = register.address
const feeds: Readonly<Record<string, FeedFacts>> = {
  'LZ-ZR-FW-001': {
    manifest: 'connectors/natural-resources/housing.json',
    secrets: { password },
    set: { '/source/host': host, '/source/port': port, '/source/database': database, '/source/user': user },
  },
}
announce({ listening: url, database: register.address, feeds })
