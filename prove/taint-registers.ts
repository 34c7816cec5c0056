import { hash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import iconv from 'iconv-lite'
import pg from 'pg'
import { entityColumns } from '../demo/city/entity-source.ts'
import { houseColumns } from '../demo/departments/house-register.ts'
import { openEmbeddedServer } from '../src/store/embedded-server.ts'
import type { CanaryBook, CanaryPerson } from './taint-canaries.ts'
import { entityRow, housingRow, oddEntities, refusedHouses, slippedHouse, spoil } from './taint-rows.ts'

type Row = Readonly<Record<string, unknown>>

/** How the product reaches a department's table. */
export interface HouseTable {
  readonly set: Readonly<Record<string, string | number>>
  readonly password: string
  readonly close: () => Promise<void>
}

const UPDATED_AT = '2025-06-30T08:00:00+08:00'

async function fillTable(url: string, rows: readonly Row[]): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(
    `create table fwxx (id bigint primary key, gxsj timestamptz not null, ${houseColumns.map((name) => `${name} text`).join(', ')})`,
  )
  const numbered = rows.map((row, place) => ({ ...row, id: place + 1, gxsj: UPDATED_AT }))
  await client.query('insert into fwxx select * from json_populate_recordset(null::fwxx, $1)', [
    JSON.stringify(numbered),
  ])
  await client.end()
}

/** A house register on a PostgreSQL server of its own, which is not searched: there the clear values are at home. */
export async function openHouseTable(directory: string, book: CanaryBook, houses: number): Promise<HouseTable> {
  const people = Array.from({ length: houses }, () => book.take())
  const otherOf = (place: number): CanaryPerson => people[(place + 1) % people.length] ?? book.take()
  const good = [...people.map((person, place) => housingRow(person, otherOf(place))), slippedHouse(book)]
  const server = await openEmbeddedServer(directory)
  await fillTable(server.url, [...good, ...(spoil(book, refusedHouses, housingRow) as readonly Row[])])
  const { hostname, port, username, password, pathname } = new URL(server.url)
  return {
    // The record id is text and orders the rows, so a person's number as record id also becomes a place to go on from.
    set: {
      '/source/host': hostname,
      '/source/port': Number(port),
      '/source/user': username,
      '/source/database': pathname.slice(1),
      '/source/reading/id': 'fwbsm',
      '/source/pageSize': 10,
    },
    password,
    close: server.stop,
  }
}

const columns = [...entityColumns, 'czlx']
/** Every column is text or absent. */
const quoted = (value: unknown): string => `"${(typeof value === 'string' ? value : '').replaceAll('"', '""')}"`
const lineOf = (row: Row): string => columns.map((name) => quoted(row[name])).join(',')

function dropFile(directory: string, name: string, bytes: Uint8Array, rows: number): void {
  mkdirSync(directory, { recursive: true })
  writeFileSync(path.join(directory, name), bytes)
  writeFileSync(path.join(directory, `${name}.ok`), JSON.stringify({ rows, sm3: hash('sm3', bytes) }))
}

const encode = (rows: readonly Row[]): Buffer =>
  iconv.encode([columns.join(','), ...rows.map(lineOf), ''].join('\r\n'), 'gb18030')

/** A GB18030 file of the business register, named after somebody. */
export function dropEntities(directory: string, book: CanaryBook, entities: number): void {
  const good = Array.from({ length: entities }, () => entityRow(book.take()))
  const rows = [...good, ...(spoil(book, oddEntities, entityRow) as readonly Row[])]
  dropFile(directory, `dwxx_${book.take().phone}.csv`, encode(rows), rows.length)
}

const NO_CHARACTER = 0xff

/** A file with one byte that is no GB18030, in the midst of a person's line. */
export function dropDamagedFile(directory: string, book: CanaryBook): void {
  const person = book.take()
  const bytes = encode([entityRow(person)])
  bytes[bytes.indexOf(person.phone) - 1] = NO_CHARACTER
  dropFile(directory, `dwxx_${person.certNumber}.csv`, bytes, 1)
}
