import { Client, escapeIdentifier, escapeLiteral } from 'pg'
import { columnsOf } from '../city/layout.ts'
import type { SourceFields } from '../city/layout.ts'
import type { CitySource } from '../city/source.ts'

/** Where a department's database can be read from. */
export interface DatabaseAddress {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
}

/** A database that a department has for itself, with a login for the middleware. */
export interface OwnDatabase {
  readonly client: Client
  readonly address: DatabaseAddress
  readonly close: () => Promise<void>
}

export type TableRow = SourceFields & Readonly<Record<string, string | number | null>>

const ROWS_PER_STATEMENT = 1000

async function prepare(admin: Client, database: string, reader: string, password: string): Promise<void> {
  await admin.query(`drop database if exists ${database} with (force)`)
  await admin.query(`create database ${database} encoding 'UTF8' template template0`)
  const known = await admin.query('select 1 from pg_roles where rolname = $1', [reader])
  const verb = known.rowCount === 0 ? 'create' : 'alter'
  await admin.query(`${verb} role ${reader} login password ${escapeLiteral(password)}`)
}

/**
 * Makes the database anew on the server of `adminUrl`, with a login that may connect and do nothing else yet. The login of the URL
 * must be allowed to create databases and roles.
 */
export async function openOwnDatabase(
  adminUrl: string,
  database: string,
  reader: string,
  password: string,
): Promise<OwnDatabase> {
  const admin = new Client({ connectionString: adminUrl })
  await admin.connect()
  try {
    await prepare(admin, database, reader, password)
  } finally {
    await admin.end()
  }
  const own = new URL(adminUrl)
  own.pathname = `/${database}`
  const client = new Client({ connectionString: own.href })
  // The server may be stopped before this process is.
  client.on('error', (error) => process.stderr.write(`${error.message}\n`))
  await client.connect()
  await client.query(`revoke all on database ${database} from public`)
  await client.query(`grant connect on database ${database} to ${reader}`)
  return {
    client,
    address: { host: own.hostname, port: own.port === '' ? 5432 : Number(own.port), database, user: reader },
    close: () => client.end(),
  }
}

/** Inserts rows by their column names. `table` is one of ours. */
export async function insertRows(client: Client, table: string, rows: readonly TableRow[]): Promise<void> {
  const name = escapeIdentifier(table)
  await client.query(`insert into ${name} select * from json_populate_recordset(null::${name}, $1)`, [
    JSON.stringify(rows),
  ])
}

/** Inserts every row of pass one, as `toRow` completes it. */
export async function fillTable(
  client: Client,
  table: string,
  { layout, rowAt }: CitySource,
  toRow: (row: SourceFields, position: number) => TableRow,
): Promise<void> {
  for (let start = 0; start < layout.total; start += ROWS_PER_STATEMENT) {
    const length = Math.min(ROWS_PER_STATEMENT, layout.total - start)
    const rows = Array.from({ length }, (_, place) => toRow(columnsOf(rowAt(start + place)), start + place))
    await insertRows(client, table, rows)
  }
  await client.query(`analyze ${escapeIdentifier(table)}`)
}
