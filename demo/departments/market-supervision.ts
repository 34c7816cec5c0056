import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import iconv from 'iconv-lite'
import { openCitySource } from '../city/source.ts'
import { departmentOptions, openDepartment, readCityOptions } from './department.ts'
import { dropFullBatch, dropIncrement, toCsv } from './drop.ts'
import type { DropDesign } from './drop.ts'

/** 市场监管: the business register as GB18030 files, its licences as packed lines of JSON; each file with a marker. */
const { values } = parseArgs({ options: { ...departmentOptions, directory: { type: 'string' } } })

const directory = resolve(values.directory ?? join(values.data, 'market-supervision'))
const licenceDirectory = `${directory}-licences`
const options = readCityOptions(values)
const entities = openCitySource(options, 'LZ-SC-DW-001')
const licences = openCitySource(options, 'LZ-SC-XK-001')
const entityDrop: DropDesign = {
  directory,
  prefix: 'dwxx',
  extension: '.csv',
  encode: (lines) => iconv.encode(toCsv(lines, ','), 'gb18030'),
  marker: 'beside',
}
const licenceDrop: DropDesign = {
  directory: licenceDirectory,
  prefix: 'xkzz',
  extension: '.ndjson.gz',
  encode: (lines) => gzipSync(lines.map((line) => `${JSON.stringify(line)}\n`).join('')),
  marker: 'beside',
}
await dropFullBatch(entityDrop, entities)
await dropFullBatch(licenceDrop, licences)

await openDepartment({
  folder: 'market-supervision',
  port: values.port,
  change: async () => {
    await dropIncrement(entityDrop, entities)
    await dropIncrement(licenceDrop, licences)
  },
  feeds: () => ({
    'LZ-SC-DW-001': { file: 'entity', secrets: {}, set: { '/source/directory': directory } },
    'LZ-SC-XK-001': { file: 'licence', secrets: {}, set: { '/source/directory': licenceDirectory } },
  }),
  facts: { directory },
})
