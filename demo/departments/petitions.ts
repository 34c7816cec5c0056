import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { openCitySource } from '../city/source.ts'
import { departmentOptions, openDepartment, readCityOptions } from './department.ts'
import { dropFullBatch, dropIncrement, toCsv } from './drop.ts'
import type { DropDesign } from './drop.ts'

/** 信访: petitions without the people who brought them, as packed CSV files that a list of the batch makes whole. */
const { values } = parseArgs({ options: departmentOptions })

const directory = resolve(join(values.data, 'petitions'))
const source = openCitySource(readCityOptions(values), 'LZ-XF-SX-001')
const drop: DropDesign = {
  directory,
  prefix: 'xfsx',
  extension: '.csv.gz',
  encode: (lines) => gzipSync(toCsv(lines, '|')),
  marker: 'list',
}
await dropFullBatch(drop, source)

await openDepartment({
  folder: 'petitions',
  port: values.port,
  change: () => dropIncrement(drop, source),
  feeds: () => ({ 'LZ-XF-SX-001': { file: 'matter', secrets: {}, set: { '/source/directory': directory } } }),
})
