import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import iconv from 'iconv-lite'
import { openCitySource } from '../city/source.ts'
import { departmentOptions, openDepartment, readCityOptions } from './department.ts'
import { dropFullBatch, dropIncrement, toCsv } from './drop.ts'
import type { DropDesign } from './drop.ts'

/** 司法行政: mediation cases as GB18030 files with markers. */
const { values } = parseArgs({ options: departmentOptions })

const directory = resolve(join(values.data, 'justice'))
const source = openCitySource(readCityOptions(values), 'LZ-SF-TJ-001')

const drop: DropDesign = {
  directory,
  prefix: 'tjaj',
  extension: '.csv',
  encode: (lines) => iconv.encode(toCsv(lines, ','), 'gb18030'),
  marker: 'beside',
}
await dropFullBatch(drop, source)

await openDepartment({
  folder: 'justice',
  port: values.port,
  change: () => dropIncrement(drop, source),
  feeds: () => ({ 'LZ-SF-TJ-001': { file: 'mediation', secrets: {}, set: { '/source/directory': directory } } }),
})
