import type { Client } from 'pg'
import type { CitySource } from '../city/source.ts'
import { formatTime, spreadTimes } from '../city/update-times.ts'
import { fillTable, insertRows } from './own-database.ts'
import type { OwnDatabase, TableRow } from './own-database.ts'

/** A table that holds each record once, with the time of its last change and a mark for deleted ones. */
export interface RegisterDesign {
  readonly table: string
  /** Text columns in order, the record id first; beside them stand `id` and `gxsj`. */
  readonly columns: readonly string[]
  /** What the middleware is given to read: the table, or a view of it. */
  readonly readable: string
  /** Makes the view, where it reads one. */
  readonly view?: string
}

/** A register as its department keeps it. */
export interface RegisterTable {
  readonly fill: (source: CitySource) => Promise<void>
  readonly change: (source: CitySource) => Promise<void>
}

async function createTable({ client, address }: OwnDatabase, design: RegisterDesign): Promise<void> {
  const { table, columns, readable, view } = design
  const texts = columns.map((column) => `${column} text`).join(', ')
  await client.query(`create table ${table} (id bigint primary key, gxsj timestamptz not null, ${texts})`)
  await client.query(`create index on ${table} (gxsj, id)`)
  await client.query(`create index on ${table} (${columns[0]})`)
  if (view !== undefined) await client.query(view)
  await client.query(`grant select on ${readable} to ${address.user}`)
}

/** Pass two in one transaction, so that all its rows have the time at which it began. */
async function change(client: Client, { table, columns }: RegisterDesign, source: CitySource): Promise<void> {
  const { layout, changes, goodRow } = source
  const [key = 'id'] = columns
  const others = columns
    .filter((column) => column !== key && column !== 'scbz')
    .map((column) => `${column} = fresh.${column}`)
  await client.query('begin')
  await client.query(
    `update ${table} set ${others.join(', ')}, scbz = 'U', gxsj = now()
       from json_populate_recordset(null::${table}, $1) fresh where ${table}.${key} = fresh.${key}`,
    [JSON.stringify(changes.updated.map((index) => goodRow(index, 1)))],
  )
  const gone = changes.deleted.map((index) => goodRow(index, 0)[key])
  await client.query(`update ${table} set scbz = 'D', gxsj = now() where ${key} = any($1)`, [gone])
  const gxsj = String((await client.query<{ now: string }>('select now()::text as now')).rows[0]?.now)
  const added = Array.from({ length: changes.inserted }, (_, number): TableRow => {
    return { ...goodRow(changes.firstInserted + number, 0), scbz: 'U', id: layout.total + 1 + number, gxsj }
  })
  await insertRows(client, table, added)
  await client.query('commit')
}

/** Makes the table of the design in a department's database. Its columns must hold `scbz`, the mark of deleted records. */
export async function openRegisterTable(database: OwnDatabase, design: RegisterDesign): Promise<RegisterTable> {
  await createTable(database, design)
  const { client } = database
  return {
    fill: (source) => {
      const times = spreadTimes(source.layout.total)
      return fillTable(client, design.table, source, (row, position) => ({
        ...row,
        scbz: 'U',
        id: position + 1,
        gxsj: formatTime(times.timeAt(position)),
      }))
    },
    change: (source) => change(client, design, source),
  }
}
