import { escapeIdentifier } from 'pg'
import type { CitySource } from '../city/source.ts'
import { formatTime, spreadTimes } from '../city/update-times.ts'
import { changesOfSecond } from './operations.ts'
import { fillTable, insertRows } from './own-database.ts'
import type { OwnDatabase, TableRow } from './own-database.ts'

/** A table of a front-end database (前置机): each row is one change, and the reader marks what it has. */
export interface ExchangeTable {
  readonly fill: (source: CitySource) => Promise<void>
  readonly change: (source: CitySource) => Promise<void>
  /** How many changes the reader has not marked. */
  readonly countReady: () => Promise<number>
}

const FIRST_BATCH = '20260630001'
const SECOND_BATCH = '20260701001'

/** Makes the exchange table in a department's database. `columns` are its text columns; the reader may mark and nothing else. */
export async function openExchangeTable(
  { client, address }: OwnDatabase,
  table: string,
  columns: readonly string[],
): Promise<ExchangeTable> {
  const name = escapeIdentifier(table)
  const texts = columns.map((column) => `${escapeIdentifier(column)} text`).join(', ')
  await client.query(`create table ${name} ("XH" bigint primary key, "OP_TYPE" text not null,
    "OP_TIME" timestamptz not null, "BATCH_NO" text not null, "SYNC_FLAG" text not null, ${texts})`)
  await client.query(`create index on ${name} ("OP_TIME", "XH")`)
  await client.query(`grant select, update ("SYNC_FLAG") on ${name} to ${address.user}`)
  const fresh = { SYNC_FLAG: '0' }
  return {
    fill: (source) => {
      const times = spreadTimes(source.layout.total)
      return fillTable(client, table, source, (row, position) => ({
        ...row,
        ...fresh,
        XH: position + 1,
        OP_TYPE: 'I',
        OP_TIME: formatTime(times.timeAt(position)),
        BATCH_NO: FIRST_BATCH,
      }))
    },
    change: async (source) => {
      const OP_TIME = String((await client.query<{ now: string }>('select now()::text as now')).rows[0]?.now)
      const rows = [...changesOfSecond(source)].map(([OP_TYPE, row], number): TableRow => {
        const XH = source.layout.total + 1 + number
        return { ...row, ...fresh, XH, OP_TYPE, OP_TIME, BATCH_NO: SECOND_BATCH }
      })
      await insertRows(client, table, rows)
    },
    countReady: async () => {
      const { rows } = await client.query<{ ready: number }>(
        `select count(*)::int as ready from ${name} where "SYNC_FLAG" = '0'`,
      )
      return rows[0]?.ready ?? 0
    },
  }
}
