import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { Workbook } from '@cj-tech-master/excelts'
import { openCitySource } from '../city/source.ts'
import { departmentOptions, openDepartment, readCityOptions } from './department.ts'
import { dropFullBatch, dropIncrement } from './drop.ts'
import type { DropDesign, Line } from './drop.ts'

/** 司法行政: mediation cases as workbooks, with a title above the column names as offices like it. */
const { values } = parseArgs({ options: departmentOptions })

const directory = resolve(join(values.data, 'justice'))
const source = openCitySource(readCityOptions(values), 'LZ-SF-TJ-001')

async function toWorkbook(lines: readonly Line[]): Promise<Uint8Array> {
  const columns = Object.keys(lines[0] ?? {})
  const workbook = new Workbook()
  const sheet = workbook.addWorksheet('调解案件')
  sheet.addRow(['泸州市人民调解案件报送表'])
  sheet.addRow(columns)
  for (const line of lines) sheet.addRow(columns.map((column) => line[column] ?? ''))
  return new Uint8Array(await workbook.xlsx.writeBuffer())
}

const drop: DropDesign = { directory, prefix: 'tjaj', extension: '.xlsx', encode: toWorkbook, marker: 'beside' }
await dropFullBatch(drop, source)

await openDepartment({
  folder: 'justice',
  port: values.port,
  change: () => dropIncrement(drop, source),
  feeds: () => ({ 'LZ-SF-TJ-001': { file: 'mediation', secrets: {}, set: { '/source/directory': directory } } }),
})
