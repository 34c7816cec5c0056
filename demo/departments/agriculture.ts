import { parseArgs } from 'node:util'
import { registers } from '../city/registers.ts'
import { openCitySource } from '../city/source.ts'
import { departmentOptions, openDepartment, readCityOptions, requireServer, takeCredential } from './department.ts'
import { openExchangeTable } from './exchange-table.ts'
import { openOwnDatabase } from './own-database.ts'

/** 农业农村: rural collectives and cooperatives, written change by change into the exchange table of a front-end database. */
const { values } = parseArgs({ options: departmentOptions })

const password = takeCredential(undefined)
const database = await openOwnDatabase(requireServer(values['database-url']), 'agriculture', 'grid_exchange', password)
const source = openCitySource(readCityOptions(values), 'LZ-NY-JT-001')
const table = await openExchangeTable(database, 'EX_JTJJZZ', Object.values(registers['LZ-NY-JT-001'].columns))
await table.fill(source)

const { host, port, user } = database.address
await openDepartment({
  folder: 'agriculture',
  port: values.port,
  routes: { 'GET /_control/ready': async () => ({ status: 200, body: { ready: await table.countReady() } }) },
  change: () => table.change(source),
  feeds: () => ({
    'LZ-NY-JT-001': {
      file: 'organisation',
      secrets: { password },
      set: {
        '/source/host': host,
        '/source/port': port,
        '/source/database': database.address.database,
        '/source/user': user,
      },
    },
  }),
  stop: database.close,
})
