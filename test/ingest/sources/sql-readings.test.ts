import { afterAll, describe, expect, test } from 'vitest'
import type { SqlFilter, SqlSourceManifest } from '../../../src/feeds/manifest-types.ts'
import type { Cursor, Source } from '../../../src/ingest/sources/source.ts'
import { isMariadbInstalled } from '../../support/mariadb-server.ts'
import { needService } from '../../support/services.ts'
import { collect, collectReopening } from './collect.ts'
import { idsOf, longAgo, numbers } from './emulated-table.ts'
import { openMariadb, openPostgresql } from './sql-databases.ts'

const hasMariadb = await needService('mariadbd (packages mariadb-server-core, mariadb-client-core)', isMariadbInstalled)
const databases = [
  { make: 'PostgreSQL', start: openPostgresql },
  ...(hasMariadb ? [{ make: 'MariaDB', start: openMariadb }] : []),
]

const columns = ['seq', 'id', 'op', 'at', 'batch', 'flag']

const exchange = (change: object = {}): Partial<SqlSourceManifest> => ({
  columns,
  reading: {
    kind: 'exchange',
    operationTime: 'at',
    id: 'seq',
    window: longAgo,
    flag: { column: 'flag', ready: ['0'], writing: ['2'], done: '1', mark: true },
    ...change,
  },
})

/** Reads a run and says of the first `pages` pages that they are saved. */
async function readSaving(source: Source, pages: number, from: Cursor | null = null) {
  const rows: unknown[] = []
  let cursor = from
  for (let page = 0; ; page++) {
    const read = await source.readPage(cursor, new Date())
    rows.push(...read.rows.map(({ value }) => value))
    cursor = read.cursor
    if (page < pages) await read.saved?.()
    if (read.done) return { rows, cursor }
  }
}

describe.each(databases)('$make', async ({ start }) => {
  const { write, look, begin, time, text, ago, manifestOf, open, close } = await start()
  afterAll(close)

  const createExchange = async (table: string, may: string): Promise<void> => {
    await write(
      `create table ${table} (seq bigint primary key, id varchar(20), op char(1), at ${time}, batch varchar(10), flag char(1))`,
    )
    await write(`grant ${may} on ${table} to ${start === openMariadb ? `reader@'127.0.0.1'` : 'reader'}`)
  }
  const put = (table: string, rows: readonly string[]): Promise<void> =>
    write(`insert into ${table} values ${rows.map((row) => `(${row})`).join(', ')}`)
  const flags = async (table: string): Promise<string> =>
    (await look(`select flag from ${table} order by seq`)).map(([flag]) => flag).join('')

  test.each<[string, SqlFilter, number[]]>([
    ['=', { kind: 'compare', column: 'county', op: '=', value: '510502' }, [1, 2]],
    ['<>', { kind: 'compare', column: 'county', op: '<>', value: '510502' }, [3, 4]],
    ['< on a number', { kind: 'compare', column: 'age', op: '<', value: 30 }, [1, 4]],
    ['<=', { kind: 'compare', column: 'age', op: '<=', value: '30' }, [1, 2, 4]],
    [
      '> on a number too long for a double',
      { kind: 'compare', column: 'big', op: '>', value: '9007199254740992' },
      [2],
    ],
    ['>= on a time', { kind: 'compare', column: 'at', op: '>=', value: '2026-02-03T00:00:00' }, [3, 4, 5]],
    ['in', { kind: 'in', column: 'county', values: ['510502', '510503'] }, [1, 2, 3]],
    ['is-null', { kind: 'is-null', column: 'county' }, [5]],
    ['like-prefix with signs of its own', { kind: 'like-prefix', column: 'name', prefix: '50%_!' }, [2]],
    ['not', { kind: 'not', filter: { kind: 'is-null', column: 'county' } }, [1, 2, 3, 4]],
    [
      'and, or',
      {
        kind: 'and',
        filters: [
          {
            kind: 'or',
            filters: [
              { kind: 'compare', column: 'age', op: '=', value: 20 },
              { kind: 'compare', column: 'age', op: '=', value: 40 },
            ],
          },
          { kind: 'like-prefix', column: 'county', prefix: '5105' },
        ],
      },
      [1, 3],
    ],
    ['a value that is SQL', { kind: 'compare', column: 'name', op: '=', value: `' or '1'='1` }, [3]],
  ])('chooses by %s', async (_name, filter, expected) => {
    await write(
      `create table if not exists chosen (id int primary key, at ${time} not null, county varchar(6), age int, big bigint, name varchar(40))`,
    )
    if ((await look('select count(*) from chosen'))[0]?.[0] === '0') {
      await put('chosen', [
        `1, '2026-02-01', '510502', 20, 9007199254740992, '50'`,
        `2, '2026-02-02', '510502', 30, 9007199254740993, '50%_!x'`,
        `3, '2026-02-03', '510503', 40, 0, ''' or ''1''=''1'`,
        `4, '2026-02-04', '520000', 5, 0, '500_!'`,
        `5, '2026-02-05', null, null, null, null`,
      ])
    }
    const { values } = await collect(await open(manifestOf('chosen', { filter })))
    expect(idsOf(values)).toEqual(expected)
  })

  test('a filter names only what the catalogue holds and only types that it can choose by', async () => {
    const refusals: readonly [SqlFilter, string][] = [
      [{ kind: 'is-null', column: 'county" or 1=1' }, 'column county" or 1=1'],
      [{ kind: 'like-prefix', column: 'age', prefix: '2' }, 'like-prefix wants a text'],
    ]
    for (const [filter, words] of refusals) {
      const failure = { code: 'SOURCE_REFUSED', detail: expect.stringContaining(words) }
      await expect(open(manifestOf('chosen', { filter }))).rejects.toMatchObject(failure)
    }
  })

  test('a page of large texts is given up while it arrives, in bounded memory', async () => {
    await write(`create table large (id int primary key, words ${text})`)
    for (const n of numbers(60)) await write(`insert into large values (${n}, repeat('${'田'.repeat(100)}', 10000))`)
    const manifest = manifestOf('large', {
      columns: ['id', 'words'],
      reading: { kind: 'whole', id: 'id' },
      pageSize: 100,
    })
    const before = process.memoryUsage().rss
    const limits = { pageBytes: 2_000_000, pages: 10 }
    await expect(collect(await open(manifest, { limits }))).rejects.toMatchObject({ code: 'SOURCE_LIMIT_EXCEEDED' })
    expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000)
    const small = await open({ ...manifest, pageSize: 1 }, { limits: { pageBytes: 2_000_000, pages: 100 } })
    expect((await collect(small)).values).toHaveLength(60)
  })

  test('a view is read like a table, whole and in the order of its id', async () => {
    await write(`create table whole_rows (id varchar(10) primary key, part int)`)
    await put(
      'whole_rows',
      numbers(25).map((n) => `'${String(n).padStart(2, '0')}', ${n}`),
    )
    await write('create view every_other as select id, part from whole_rows where part % 2 = 1')
    const manifest = manifestOf('every_other', {
      columns: ['id', 'part'],
      reading: { kind: 'whole', id: 'id' },
      pageSize: 4,
    })
    const first = await collectReopening(() => open(manifest))
    expect(first.values).toEqual(numbers(13).map((n) => ({ id: String(2 * n - 1).padStart(2, '0'), part: 2 * n - 1 })))
    await write(`delete from whole_rows where part = 1`)
    expect((await collect(await open(manifest), first.cursor)).values).toHaveLength(12)
  })

  test('a view without a usable key is refused', async () => {
    await write(`create view no_id as select nullif(id, '07') as id, 'x' as one, part from whole_rows`)
    const manifest = manifestOf('no_id', { columns: ['id', 'one', 'part'], pageSize: 4 })
    const byId = open({ ...manifest, reading: { kind: 'whole', id: 'id' } })
    await expect(collect(await byId)).rejects.toMatchObject({
      code: 'SOURCE_KEY_UNUSABLE',
      detail: expect.stringContaining('1 rows'),
    })
    const byOne = open({ ...manifest, reading: { kind: 'whole', id: 'one' } })
    await expect(collect(await byOne)).rejects.toMatchObject({
      code: 'SOURCE_KEY_UNUSABLE',
      detail: expect.stringContaining('(one)'),
    })
  })

  test('changes of an exchange table come in their order, one of each record in a page, and are marked when saved', async () => {
    await createExchange('changes', 'select, update')
    await put('changes', [
      `1, 'a', 'I', '2026-02-01 00:00:00', 'B1', '0'`,
      `2, 'b', 'I', '2026-02-01 00:00:00', 'B1', '0'`,
      `3, 'a', 'U', '2026-02-01 00:00:01', 'B1', '0'`,
      `4, 'a', 'D', '2026-02-01 00:00:02', 'B2', '0'`,
      `5, 'c', 'I', '2026-02-01 00:00:03', 'B2', '1'`,
    ])
    const source = await open(manifestOf('changes', exchange()))
    const sizes: number[] = []
    let cursor: Cursor | null = null
    for (let done = false; !done;) {
      const page = await source.readPage(cursor, new Date())
      sizes.push(page.rows.length)
      await page.saved?.()
      ;({ cursor, done } = page)
    }
    expect(sizes).toEqual([2, 1, 1, 0])
    expect(await flags('changes')).toBe('11111')
  })

  test('a crash between reading and marking reads the rows again, and a flag that is set back does too', async () => {
    await createExchange('crash', 'select, update')
    await put(
      'crash',
      numbers(7).map((n) => `${n}, '${n}', 'I', '2026-02-01 00:00:0${n}', 'B', '0'`),
    )
    const first = await readSaving(await open(manifestOf('crash', exchange())), 1)
    expect(await flags('crash')).toBe('1110000')
    // The run is over and its cursor saved, and the process ended before it could mark four rows.
    const second = await readSaving(await open(manifestOf('crash', exchange())), 9, first.cursor)
    expect(second.rows.map((row) => JSON.parse(JSON.stringify(row)).id)).toEqual(['4', '5', '6', '7'])
    expect(await flags('crash')).toBe('1111111')
    await write(`update crash set flag = '0' where seq = 2`)
    expect((await readSaving(await open(manifestOf('crash', exchange())), 9, second.cursor)).rows).toHaveLength(1)
  })

  test('a row that was changed after it was read is not marked', async () => {
    await createExchange('touched', 'select, update')
    await put('touched', [`1, '1', 'I', '2026-02-01', 'B', '0'`, `2, '2', 'I', '2026-02-02', 'B', '0'`])
    const page = await (await open(manifestOf('touched', exchange()))).readPage(null, new Date())
    await write(`update touched set at = '2026-02-03' where seq = 1`)
    await page.saved?.()
    expect(await flags('touched')).toBe('01')
  })

  test('without the right to change the flag it is read unmarked, each row once', async () => {
    await createExchange('unmarked', 'select')
    await put(
      'unmarked',
      numbers(4).map((n) => `${n}, '${n}', 'I', '2026-02-01 00:00:0${n}', 'B', '0'`),
    )
    const first = await readSaving(await open(manifestOf('unmarked', exchange())), 9)
    const second = await readSaving(await open(manifestOf('unmarked', exchange())), 9, first.cursor)
    expect([first.rows.length, second.rows.length, await flags('unmarked')]).toEqual([4, 0, '0000'])
  })

  test.each([
    ['its flag says so', `4, '4', 'I', '2026-02-01 00:00:03', 'B2', '2'`, 2],
    ['a row of it is younger than the settle window', `4, '4', 'I', ${ago(1)}, 'B2', '0'`, 2],
    ['nothing says so', `4, '4', 'I', '2026-02-01 00:00:04', 'B2', '0'`, 4],
  ])('a batch is not read while it is being written: %s', async (_name, last, expected) => {
    const table = `batches_${expected}_${last.includes(`'2'`) ? 'flag' : 'age'}`
    await createExchange(table, 'select')
    await put(table, [
      `1, '1', 'I', '2026-02-01 00:00:01', 'B1', '0'`,
      `2, '2', 'I', '2026-02-01 00:00:02', 'B1', '0'`,
      `3, '3', 'I', '2026-02-01 00:00:03', 'B2', '0'`,
      last,
    ])
    const source = await open(
      manifestOf(table, exchange({ batch: 'batch', window: { ...longAgo, settleSeconds: 60 } })),
    )
    expect((await readSaving(source, 0)).rows).toHaveLength(expected)
  })

  test('the order of a sequence is kept where it is not the order of times', async () => {
    await createExchange('sequence', 'select')
    await put('sequence', [
      `10, 'a', 'U', '2026-02-01 00:00:01', 'B', '0'`,
      `9, 'a', 'I', '2026-02-01 00:00:09', 'B', '0'`,
      `11, 'a', 'D', '2026-02-01 00:00:00', 'B', '0'`,
    ])
    const { rows } = await readSaving(await open(manifestOf('sequence', exchange({ sequence: 'seq' }))), 0)
    expect(rows.map((row) => JSON.parse(JSON.stringify(row)).op)).toEqual(['I', 'U', 'D'])
  })

  test('a row of an exchange table committed after its window is read by the next run', async () => {
    await createExchange('late', 'select')
    const slow = await begin()
    await slow.write(`insert into late values (1, '1', 'I', ${ago(0)}, 'B', '0')`)
    await put('late', [`2, '2', 'I', ${ago(0)}, 'B', '0'`])
    const manifest = manifestOf('late', exchange({ window: { ...longAgo, lookbackSeconds: 60 } }))
    const first = await readSaving(await open(manifest), 0)
    await slow.commit()
    const second = await readSaving(await open(manifest), 0, first.cursor)
    expect(new Set([...idsOf(first.rows), ...idsOf(second.rows)])).toEqual(new Set(['1', '2']))
  })
})
