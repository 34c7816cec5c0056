import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { openCitySource } from '../city/source.ts'
import { controlPass, departmentOptions, readCityOptions, routeBy } from './department.ts'
import type { FeedFacts } from './department.ts'
import { writeFullBatch, writeIncrement } from './entity-files.ts'
import { announce, readWhole, serve, stopOnSignal } from './serve.ts'

/** 市场监管: the business register, dropped as GB18030 files with markers. */
const { values } = parseArgs({ options: { ...departmentOptions, directory: { type: 'string' } } })

const directory = resolve(values.directory ?? join(values.data, 'market-supervision'))
const source = openCitySource(readCityOptions(values), 'entity')
await writeFullBatch(directory, source)

const enterSecond = controlPass(async () => {
  await writeIncrement(directory, source)
})
const { server, url } = await serve(readWhole(values.port, 'port', 0), routeBy({ 'POST /_control/pass': enterSecond }))
stopOnSignal(server)
const feeds: Readonly<Record<string, FeedFacts>> = {
  'LZ-SC-DW-001': {
    manifest: 'connectors/market-supervision/entity.json',
    secrets: {},
    set: { '/source/directory': directory },
  },
}
announce({ listening: url, directory, feeds })
