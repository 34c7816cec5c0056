import { parseArgs } from 'node:util'
import { registers } from '../city/registers.ts'
import { openCitySource } from '../city/source.ts'
import { departmentOptions, openDepartment, readCityOptions, requireServer, takeCredential } from './department.ts'
import { houseColumns } from './house-register.ts'
import { openOwnDatabase } from './own-database.ts'
import { openRegisterTable } from './register-table.ts'

/** 自然资源: the house register and a view of hazards, in a PostgreSQL database of its own with a read-only login. */
const { values } = parseArgs({
  options: { ...departmentOptions, password: { type: 'string' } },
})

const password = takeCredential(values.password)
const database = await openOwnDatabase(
  requireServer(values['database-url']),
  'natural_resources',
  'grid_reader',
  password,
)
await database.client.query('alter role grid_reader set default_transaction_read_only = on')

const options = readCityOptions(values)
const houses = openCitySource(options, 'LZ-ZR-FW-001')
const houseTable = await openRegisterTable(database, { table: 'fwxx', columns: houseColumns, readable: 'fwxx' })
await houseTable.fill(houses)

const hazards = openCitySource(options, 'LZ-ZR-DZ-001')
const hazardTable = await openRegisterTable(database, {
  table: 'dzzh',
  columns: [...Object.values(registers['LZ-ZR-DZ-001'].columns), 'scbz'],
  readable: 'v_dzzh',
  // Beside what is published stand drafts, which the filter of the manifest leaves out.
  view: `create view v_dzzh as select *, '1'::text as fbzt from dzzh
    union all select -id, gxsj, 'CG' || dwbh, ${Object.values(registers['LZ-ZR-DZ-001'].columns).slice(1).join(', ')}, scbz, '0' from dzzh`,
})
await hazardTable.fill(hazards)

const { host, port, user } = database.address
const access = {
  secrets: { password },
  set: {
    '/source/host': host,
    '/source/port': port,
    '/source/database': database.address.database,
    '/source/user': user,
  },
}
await openDepartment({
  folder: 'natural-resources',
  port: values.port,
  change: async () => {
    await houseTable.change(houses)
    await hazardTable.change(hazards)
  },
  feeds: () => ({ 'LZ-ZR-FW-001': { file: 'housing', ...access }, 'LZ-ZR-DZ-001': { file: 'hazard', ...access } }),
  stop: database.close,
  facts: { database: database.address },
})
