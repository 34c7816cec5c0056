import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import type { Cursor } from '../../../src/ingest/sources/source.ts'
import { collect } from './collect.ts'
import { idsOf, longAgo, numbers, startEmulatedDatabase } from './emulated-table.ts'

const { writer, connect, manifestOf, open, close } = await startEmulatedDatabase()
afterAll(close)

async function insertSlowly(count: number, worker: number): Promise<void> {
  const client = await connect()
  for (let n = 0; n < count; n++) {
    await client.query('begin')
    // Cut to a tenth of a second: many rows share their time, and commits come out of the order of times.
    await client.query(
      `insert into late_rows values ($1, date_trunc('second', clock_timestamp()) +
      floor(extract(milliseconds from clock_timestamp())::int % 1000 / 100) * interval '100 ms')`,
      [worker * 1000 + n],
    )
    await wait(Math.random() * 150)
    await client.query('commit')
  }
  await client.end()
}

test('a writer that commits late, out of order and with equal times loses no row over repeated runs', async () => {
  await writer.query('create table late_rows (id int primary key, at timestamptz not null)')
  const window = { ...longAgo, settleSeconds: 2 }
  const manifest = manifestOf('late_rows', {
    reading: { kind: 'keyset', updatedAt: 'at', id: 'id', window },
    pageSize: 4,
  })
  const source = await open(manifest)
  const writers = Promise.all(numbers(5).map((worker) => insertSlowly(20, worker)))
  const seen: unknown[] = []
  let cursor: Cursor | null = null
  const run = async (): Promise<void> => {
    const read = await collect(source, cursor)
    seen.push(...idsOf(read.values))
    cursor = read.cursor
  }
  while ((await Promise.race([writers, wait(20, 'writing')])) === 'writing') await run()
  await wait(2200)
  await run()
  const { rows } = await writer.query<{ id: number }>('select id from late_rows order by id')
  expect(seen.map(Number).toSorted((a, b) => a - b)).toEqual(rows.map(({ id }) => id))
  expect(seen).toHaveLength(100)
}, 30_000)

test.each([
  [0, ['2']],
  [60, ['1', '2']],
])('with a look-back of %i s a row committed after its window gives %j', async (lookbackSeconds, expected) => {
  const table = `straggler_${lookbackSeconds}`
  await writer.query(`create table ${table} (id text primary key, at timestamptz not null)`)
  const slow = await connect()
  await slow.query('begin')
  await slow.query(`insert into ${table} values ('1', clock_timestamp())`)
  await writer.query(`insert into ${table} values ('2', clock_timestamp())`)
  const window = { ...longAgo, lookbackSeconds }
  const source = await open(manifestOf(table, { reading: { kind: 'keyset', updatedAt: 'at', id: 'id', window } }))
  const first = await collect(source)
  await slow.query('commit')
  await slow.end()
  const second = await collect(source, first.cursor)
  expect(new Set([...idsOf(first.values), ...idsOf(second.values)])).toEqual(new Set(expected))
})

test('a row changed during a run comes again in the next one', async () => {
  await writer.query('create table moving (id text primary key, at timestamptz not null)')
  await writer.query(
    `insert into moving select n::text, timestamptz '2026-02-01Z' + n * interval '1 s' from generate_series(1, 6) n`,
  )
  const source = await open(manifestOf('moving'))
  const page = await source.readPage(null, new Date())
  await writer.query(`update moving set at = clock_timestamp() where id in ('2', '5')`)
  const rest = await collect(source, page.cursor)
  const next = await collect(source, rest.cursor)
  expect([idsOf(page.rows.map(({ value }) => value)), idsOf(rest.values), new Set(idsOf(next.values))]).toEqual([
    ['1', '2', '3'],
    ['4', '6'],
    new Set(['2', '5']),
  ])
})
