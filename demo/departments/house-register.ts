import { Client, escapeLiteral } from 'pg'
import { columnsOf } from '../city/layout.ts'
import type { SourceFields } from '../city/layout.ts'
import type { CitySource } from '../city/source.ts'
import { formatTime, spreadTimes } from '../city/update-times.ts'

/** The text columns of the house register, in order; beside them stand `id` and `gxsj`. */
export const houseColumns = [
  'fwbsm',
  'fwbh',
  'bdcdyh',
  'dzbm',
  'fwdz',
  'wgbm',
  'lzmc',
  'lc',
  'fh',
  'yt',
  'jg',
  'mj',
  'sfcz',
  'czyt',
  'fwzt',
  'yhlx',
  'cqrlx',
  'cqrzjlx',
  'cqrzjhm',
  'cqrmc',
  'cqrdh',
  'cqrxydm',
  'jd',
  'wd',
  'bz',
  'scbz',
] as const

const DATABASE = 'natural_resources'
const READER = 'grid_reader'
const ROWS_PER_STATEMENT = 1000

/** Where the register can be read from. */
export interface RegisterAddress {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
}

/** A house register in a database of its own. */
export interface HouseRegister {
  readonly address: RegisterAddress
  readonly fill: (source: CitySource) => Promise<void>
  readonly change: (source: CitySource) => Promise<void>
  readonly close: () => Promise<void>
}

type Row = SourceFields & { readonly id: number; readonly gxsj: string }

/** A fresh database, and a login that may read one table and write nothing. */
async function prepare(adminUrl: string, password: string): Promise<string> {
  const admin = new Client({ connectionString: adminUrl })
  await admin.connect()
  try {
    await admin.query(`drop database if exists ${DATABASE} with (force)`)
    await admin.query(`create database ${DATABASE} encoding 'UTF8' template template0`)
    const known = await admin.query('select 1 from pg_roles where rolname = $1', [READER])
    const verb = known.rowCount === 0 ? 'create' : 'alter'
    await admin.query(`${verb} role ${READER} login password ${escapeLiteral(password)}`)
    await admin.query(`alter role ${READER} set default_transaction_read_only = on`)
  } finally {
    await admin.end()
  }
  const own = new URL(adminUrl)
  own.pathname = `/${DATABASE}`
  return own.href
}

async function createTable(client: Client): Promise<void> {
  const columns = houseColumns.map((column) => `${column} text`).join(', ')
  await client.query(`create table fwxx (id bigint primary key, gxsj timestamptz not null, ${columns})`)
  await client.query('create index on fwxx (gxsj, id)')
  await client.query('create index on fwxx (fwbsm)')
  await client.query(`revoke all on database ${DATABASE} from public`)
  await client.query(`grant connect on database ${DATABASE} to ${READER}`)
  await client.query(`grant select on fwxx to ${READER}`)
}

async function insertRows(client: Client, rows: readonly Row[]): Promise<void> {
  await client.query('insert into fwxx select * from json_populate_recordset(null::fwxx, $1)', [JSON.stringify(rows)])
}

async function fill(client: Client, { layout, rowAt }: CitySource): Promise<void> {
  const times = spreadTimes(layout.total)
  const toRow = (position: number): Row => ({
    ...columnsOf(rowAt(position)),
    id: position + 1,
    gxsj: formatTime(times.timeAt(position)),
  })
  for (let start = 0; start < layout.total; start += ROWS_PER_STATEMENT) {
    const length = Math.min(ROWS_PER_STATEMENT, layout.total - start)
    await insertRows(
      client,
      Array.from({ length }, (_, number) => toRow(start + number)),
    )
  }
  await client.query('analyze fwxx')
}

const UPDATE_SQL = `update fwxx set sfcz = fresh.sfcz, czyt = fresh.czyt, fwzt = fresh.fwzt, gxsj = now()
  from json_populate_recordset(null::fwxx, $1) fresh where fwxx.fwbsm = fresh.fwbsm`
const DELETE_SQL = `update fwxx set scbz = 'D', gxsj = now() where fwbsm = any($1)`

/** Pass two in one transaction, so that all its rows have the time at which it began. */
async function change(client: Client, { layout, changes, goodRow }: CitySource): Promise<void> {
  const gone = changes.deleted.map((index) => goodRow(index, 0)['fwbsm'])
  await client.query('begin')
  await client.query(UPDATE_SQL, [JSON.stringify(changes.updated.map((index) => goodRow(index, 1)))])
  await client.query(DELETE_SQL, [gone])
  const gxsj = String((await client.query<{ now: string }>('select now()::text as now')).rows[0]?.now)
  const added = Array.from({ length: changes.inserted }, (_, number): Row => {
    const row = goodRow(changes.firstInserted + number, 0)
    return { ...row, id: layout.total + 1 + number, gxsj }
  })
  await insertRows(client, added)
  await client.query('commit')
}

/**
 * Makes the database `natural_resources` anew on the server of `adminUrl`, with the login `grid_reader`. The login of the
 * URL must be allowed to create databases and roles.
 */
export async function openHouseRegister(adminUrl: string, password: string): Promise<HouseRegister> {
  const ownUrl = await prepare(adminUrl, password)
  const client = new Client({ connectionString: ownUrl })
  // The server may be stopped before this process is.
  client.on('error', (error) => process.stderr.write(`${error.message}\n`))
  await client.connect()
  await createTable(client)
  const { hostname, port } = new URL(ownUrl)
  return {
    address: { host: hostname, port: port === '' ? 5432 : Number(port), database: DATABASE, user: READER },
    fill: (source) => fill(client, source),
    change: (source) => change(client, source),
    close: () => client.end(),
  }
}
