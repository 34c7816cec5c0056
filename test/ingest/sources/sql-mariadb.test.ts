import { afterAll, describe, expect, test } from 'vitest'
import { readPointer } from '../../../src/ingest/sources/pointer.ts'
import type { Cursor } from '../../../src/ingest/sources/source.ts'
import { isMariadbInstalled } from '../../support/mariadb-server.ts'
import { needService } from '../../support/services.ts'
import { collect, collectReopening } from './collect.ts'
import { startEmulatedMariadb } from './emulated-mariadb.ts'
import { idsOf, longAgo, numbers } from './emulated-table.ts'

const isThere = await needService('mariadbd (packages mariadb-server-core, mariadb-client-core)', isMariadbInstalled)

describe.skipIf(!isThere)('a MariaDB', async () => {
  if (!isThere) return
  const { writer, manifestOf, open, close } = await startEmulatedMariadb()
  afterAll(close)

  test.each(['datetime(6)', 'timestamp(6)'])(
    'is read in the order of %s and id, and the run ends on an empty page',
    async (type) => {
      await writer.query(`create or replace table exact_times (id int primary key, at ${type} not null)`)
      await writer.query(`insert into exact_times values
      (4, '2026-02-01 00:00:00.123457'), (2, '2026-02-01 00:00:00.123456'), (3, '2026-02-01 00:00:00.123456'),
      (1, '2026-02-01 00:00:00.123456'), (5, '2026-02-01 00:00:00.123457'), (6, '2026-02-01 00:00:01')`)
      const { values, pages } = await collect(await open(manifestOf('exact_times', { pageSize: 2 })))
      expect(idsOf(values)).toEqual(numbers(6))
      expect(pages).toEqual([2, 2, 2, 0])
      expect(values[0]).toEqual({ id: 1, at: '2026-02-01T00:00:00.123456+08:00' })
    },
  )

  test('keeps its digits, days, zero dates and rare characters, and names are quoted', async () => {
    await writer.query(
      'create table `select; drop` (`身份 id` bigint unsigned primary key, `At` datetime, amount decimal(30,10), small int, ratio double, flag bit(1), yes tinyint(1), day date, never date, no_time datetime, born timestamp null, doc json, words varchar(40), old varchar(40) character set gbk, clock_time time, raw varbinary(4), nothing text)',
    )
    await writer.query(`insert into \`select; drop\` values (18446744073709551615, '2026-02-01 00:30:00', 12345678901234567890.0123456789, 7, 0.1, 1, 1,
      '1900-01-01', '0000-00-00', '0000-00-00 00:00:00', '1990-05-05 00:00:00', '{"id": 510599190001010017}', '张𠮷测试', '张测试', '23:59:59', x'0aff', null)`)
    const columns = [
      '身份 id',
      'At',
      'amount',
      'small',
      'ratio',
      'flag',
      'yes',
      'day',
      'never',
      'no_time',
      'born',
      'doc',
      'words',
      'old',
      'clock_time',
      'raw',
      'nothing',
    ]
    const { values, cursor } = await collect(
      await open(
        manifestOf('select; drop', {
          columns,
          reading: { kind: 'keyset', updatedAt: 'At', id: '身份 id', window: longAgo },
        }),
      ),
    )
    expect(values).toEqual([
      {
        '身份 id': '18446744073709551615',
        At: '2026-02-01T00:30:00.000000+08:00',
        amount: '12345678901234567890.0123456789',
        small: 7,
        ratio: 0.1,
        flag: 1,
        yes: 1,
        day: '1900-01-01',
        never: '0000-00-00',
        no_time: '0000-00-00',
        born: '1990-05-05T00:00:00.000000+08:00',
        doc: '{"id": 510599190001010017}',
        words: '张𠮷测试',
        old: '张测试',
        clock_time: '23:59:59',
        raw: '0AFF',
        nothing: null,
      },
    ])
    expect(cursor).toMatchObject({ last: ['2026-02-01T00:30:00.000000', '18446744073709551615'] })
  })

  test('a source reopened at every page brings the same rows once each', async () => {
    await writer.query('create table one_time (id bigint unsigned primary key, at datetime not null)')
    await writer.query(
      `insert into one_time select 9007199254740990 + seq, timestampadd(second, floor(seq / 50), '2026-02-01') from seq_1_to_150`,
    )
    const manifest = manifestOf('one_time', { pageSize: 7 })
    const whole = await collect(await open(manifest))
    const crashing = await collectReopening(() => open(manifest))
    expect(idsOf(whole.values)).toEqual(numbers(150).map((n) => String(9007199254740990n + BigInt(n))))
    expect(crashing.values).toEqual(whole.values)
  })

  test.each([4, 5, 6, 7])(
    'ids that only the collation holds equal are never parted, by pages of %i',
    async (pageSize) => {
      await writer.query(
        'create or replace table folded (id varchar(10) collate utf8mb4_general_ci, at datetime not null, part int)',
      )
      const ids = ['0', 'B', 'a', 'A', 'á', 'a ', '𠮷', '𠀀', 'c']
      await writer.query(
        `insert into folded values ${ids.map((id, part) => `('${id}', '2026-02-01', ${part})`).join(', ')}`,
      )
      const { values } = await collect(await open(manifestOf('folded', { columns: ['id', 'at', 'part'], pageSize })))
      const parts = values.map((value) => Number(readPointer(value, '/part')))
      expect(parts.toSorted((a, b) => a - b)).toEqual([...ids.keys()])
    },
  )

  test('what the account may not do or the catalogue does not know is refused by name or number', async () => {
    await writer.query('create table drawn (id int primary key, at datetime, shape point)')
    await writer.query('create or replace table refusals (id int primary key, at datetime, day date)')
    const byDay = { kind: 'keyset', updatedAt: 'day', id: 'id', window: longAgo } as const
    const failures = [
      [manifestOf('nowhere'), 'department.nowhere'],
      [manifestOf('user', { schema: 'mysql' }), 'mysql.user'],
      [manifestOf('refusals', { columns: ['id', 'at', 'phone'] }), 'column phone'],
      [manifestOf('drawn', { columns: ['id', 'at', 'shape'] }), 'column shape is a point'],
      [manifestOf('refusals', { columns: ['id', 'day'], reading: byDay }), 'column day is a date'],
      [manifestOf('refusals', { user: 'nobody' }), 'error 1045'],
      [manifestOf('refusals', { database: 'elsewhere' }), 'error 1044'],
      [manifestOf('refusals', { driver: 'mysql' }), 'error 1193'],
    ] as const
    for (const [manifest, words] of failures) {
      const failure = { code: 'SOURCE_REFUSED', detail: expect.stringContaining(words) }
      await expect(open(manifest), words).rejects.toMatchObject(failure)
    }
  })

  test('its session cannot write, not even through a function, and answers in time', async () => {
    await writer.query('create table written (id int)')
    await writer.query(`create function writes() returns int begin insert into written values (1); return 1; end`)
    await writer.query('create view writing as select writes() as id, now() as at')
    await writer.query(`grant all on department.* to reader@'127.0.0.1'`)
    const reading = async () => collect(await open(manifestOf('writing')))
    await expect(reading()).rejects.toMatchObject({ code: 'SOURCE_REFUSED' })
    expect((await writer.query('select * from written'))[0]).toEqual([])
    await writer.query('create view slow as select sleep(5) as id, now() as at')
    const source = await open(manifestOf('slow', { timeoutMs: 200 }))
    const began = performance.now()
    await expect(source.readPage(null, new Date())).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' })
    expect(performance.now() - began).toBeLessThan(2000)
  })

  test('a connection that breaks between two pages is told, and the cursor goes on over a new one', async () => {
    const manifest = manifestOf('one_time', { pageSize: 100 })
    const source = await open(manifest)
    const page = await source.readPage(null, new Date())
    const sessions = `select id from information_schema.processlist where user = 'reader'`
    const [rows] = await writer.query<never[]>({ sql: sessions, rowsAsArray: true })
    for (const id of rows.flat()) await writer.query(`kill connection ${String(id)}`)
    await expect(source.readPage(page.cursor, new Date())).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' })
    expect((await collect(await open(manifest), page.cursor)).values).toHaveLength(50)
    await expect(open(manifestOf('one_time', { port: 9 }))).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' })
  })

  test('a whole second that is not over is left to the next run', async () => {
    await writer.query('create table seconds (id int primary key, at datetime not null)')
    const source = await open(manifestOf('seconds', { pageSize: 100 }))
    const seen: unknown[] = []
    let cursor: Cursor | null = null
    const until = Date.now() + 2500
    for (let id = 1; Date.now() < until; id++) {
      await writer.query(`insert into seconds values (${id}, now())`)
      const run = await collect(source, cursor)
      seen.push(...idsOf(run.values))
      cursor = run.cursor
    }
    await new Promise((resolve) => {
      setTimeout(resolve, 1100)
    })
    seen.push(...idsOf((await collect(source, cursor)).values))
    const [rows] = await writer.query<never[]>({ sql: 'select id from seconds order by id', rowsAsArray: true })
    expect(seen).toEqual(rows.flat())
  })

  test('rows that the order can never reach stop the run with their number', async () => {
    await writer.query('create table unreachable (id varchar(9), at datetime)')
    await writer.query(
      `insert into unreachable values ('1', null), (null, '2026-02-01'), ('3', '0000-00-00'), ('4', '2026-02-01')`,
    )
    await expect(collect(await open(manifestOf('unreachable')))).rejects.toMatchObject({
      code: 'SOURCE_KEY_UNUSABLE',
      detail: expect.stringContaining('3 rows'),
    })
  })
})
