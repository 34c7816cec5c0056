import { hash } from 'node:crypto'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import iconv from 'iconv-lite'
import pg from 'pg'
import { columnsOf } from '../demo/city/layout.ts'
import { openCitySource } from '../demo/city/source.ts'
import { formatTime, spreadTimes } from '../demo/city/update-times.ts'
import type { BenchSource, BenchStage } from './stage.ts'

export type Row = Readonly<Record<string, string>>

const FIRST_FILE = 'residents_0001.csv'
const SECOND_FILE = 'residents_0002.csv'
const MARKER = '.ok'

/** The rows that the register serves, as texts, with the update times it gives them. */
export function* residentRows(records: number): Generator<Row> {
  const city = openCitySource({ residents: records, seed: 1, clean: true }, 'LZ-GA-RK-001')
  const times = spreadTimes(city.layout.total)
  for (let position = 0; position < city.layout.total; position++) {
    const cells = Object.entries(columnsOf(city.rowAt(position)))
    const texts = cells.flatMap(([name, value]) => (value === null ? [] : [[name, String(value)] as const]))
    yield { ...Object.fromEntries(texts), gxsj: formatTime(times.timeAt(position)) }
  }
}

export function columnNames(rows: readonly Row[]): readonly string[] {
  return [...new Set(rows.flatMap((row) => Object.keys(row)))]
}

/** Text that COPY and CSV can both hold: the clean city has no quote, tab, backslash or line end in its values. */
const cell = (value: string | undefined): string => (value?.includes(',') === true ? `"${value}"` : (value ?? ''))

/** Writes the register as a GB18030 CSV file with its marker, and gives the source that reads it. */
export function writeCsvSource(stage: BenchStage): BenchSource {
  const rows = [...residentRows(stage.records)]
  const columns = columnNames(rows)
  const lines = rows.map((row) => columns.map((name) => cell(row[name])).join(','))
  const bytes = iconv.encode([columns.join(','), ...lines, ''].join('\r\n'), 'gb18030')
  const directory = path.join(stage.directory, 'drop')
  mkdirSync(directory, { recursive: true })
  writeFileSync(path.join(directory, FIRST_FILE), bytes)
  writeFileSync(
    path.join(directory, FIRST_FILE + MARKER),
    JSON.stringify({ rows: lines.length, sm3: hash('sm3', bytes) }),
  )
  const source = {
    kind: 'file',
    directory,
    pattern: 'residents_*.csv',
    marker: { suffix: MARKER },
    format: { kind: 'csv', encoding: 'gb18030', delimiter: ',' },
    pageSize: 1000,
  }
  return { manifest: { ...stage.http.manifest, source }, secrets: {} }
}

/** Drops the same file again under a later name: nothing in it has changed. */
export function dropCsvAgain(stage: BenchStage): void {
  const drop = path.join(stage.directory, 'drop')
  copyFileSync(path.join(drop, FIRST_FILE), path.join(drop, SECOND_FILE))
  copyFileSync(path.join(drop, FIRST_FILE + MARKER), path.join(drop, SECOND_FILE + MARKER))
}

async function fillTable(client: pg.Client, records: number): Promise<readonly string[]> {
  const rows = [...residentRows(records)]
  const columns = columnNames(rows).filter((name) => name !== 'gxsj')
  await client.query(
    `create table residents (gxsj timestamptz not null, ${columns.map((name) => `${name} text`).join(', ')})`,
  )
  for (let from = 0; from < rows.length; from += 5000) {
    await client.query('insert into residents select * from jsonb_populate_recordset(null::residents, $1::jsonb)', [
      JSON.stringify(rows.slice(from, from + 5000)),
    ])
  }
  await client.query('create unique index on residents (gxsj, rkbm)')
  await client.query('vacuum analyze residents')
  return ['gxsj', ...columns]
}

/** Writes the register into a table of a database of its own, and gives the source that reads it. */
export async function writeSqlSource(stage: BenchStage): Promise<BenchSource> {
  const url = new URL(stage.databaseUrl)
  const owner = new pg.Client({ connectionString: url.href })
  await owner.connect()
  await owner.query('create database department')
  await owner.end()
  url.pathname = '/department'
  const client = new pg.Client({ connectionString: url.href })
  await client.connect()
  const columns = await fillTable(client, stage.records)
  await client.end()
  const source = {
    kind: 'sql',
    driver: 'postgresql',
    host: url.hostname,
    port: Number(url.port),
    database: 'department',
    user: decodeURIComponent(url.username),
    password: 'password',
    table: 'residents',
    columns,
    tls: { kind: 'off' },
    reading: {
      kind: 'keyset',
      updatedAt: 'gxsj',
      id: 'rkbm',
      window: { lookbackSeconds: 600, settleSeconds: 0, start: '2020-01-01T00:00:00+08:00' },
    },
    pageSize: 1000,
    timeoutMs: 30_000,
  }
  return {
    manifest: { ...stage.http.manifest, source },
    secrets: { password: decodeURIComponent(url.password) },
  }
}
