import { afterAll, expect, test } from 'vitest'
import { readPointer } from '../../../src/ingest/sources/pointer.ts'
import type { SqlSourceManifest } from '../../../src/feeds/manifest-types.ts'
import type { SqlSourceOptions } from '../../../src/ingest/sources/sql.ts'
import { createEgressGuard } from '../../../src/security/egress.ts'
import { collect, collectReopening } from './collect.ts'
import { idsOf, longAgo, numbers, startEmulatedDatabase } from './emulated-table.ts'

const { writer, manifestOf, open, close } = await startEmulatedDatabase()
afterAll(close)

test('rows come in the order of time and id, a microsecond apart or at one time, and the run ends on an empty page', async () => {
  await writer.query(`create table exact_times (id int primary key, at timestamptz not null)`)
  await writer.query(`insert into exact_times values
    (4, '2026-02-01 00:00:00.123457Z'), (2, '2026-02-01 00:00:00.123456Z'), (3, '2026-02-01 00:00:00.123456Z'),
    (1, '2026-02-01 00:00:00.123456Z'), (5, '2026-02-01 00:00:00.123457Z'), (6, '2026-02-01 00:00:01Z')`)
  const { values, pages } = await collect(await open(manifestOf('exact_times', { pageSize: 2 })), null, new Date(0))
  expect(idsOf(values)).toEqual(numbers(6))
  expect(pages).toEqual([2, 2, 2, 0])
  expect(values[0]).toEqual({ id: 1, at: '2026-02-01T08:00:00.123456+08:00' })
})

test('a source reopened at every page brings the same rows once each', async () => {
  await writer.query(`create table one_time as
    select lpad(n::text, 3, '0') as id, timestamptz '2026-02-01Z' + (n / 50) * interval '1 second' as at
      from generate_series(1, 150) as n`)
  const manifest = manifestOf('one_time', { pageSize: 7 })
  const whole = await collect(await open(manifest))
  const crashing = await collectReopening(() => open(manifest))
  expect(idsOf(whole.values)).toEqual(numbers(150).map((n) => String(n).padStart(3, '0')))
  expect(crashing.values).toEqual(whole.values)
})

test('rows that share their whole key are never parted, and refused where a page cannot hold them', async () => {
  await writer.query(`create table no_key (id text, at timestamptz, part int)`)
  await writer.query(`insert into no_key select 'same', '2026-02-01Z', n from generate_series(1, 7) as n`)
  await writer.query(`insert into no_key values ('a', '2026-01-31Z', 0), ('z', '2026-02-02Z', 8)`)
  const manifest = manifestOf('no_key', { columns: ['id', 'at', 'part'], pageSize: 7 })
  const { values } = await collect(await open(manifest))
  expect(new Set(values.map((value) => readPointer(value, '/part')))).toEqual(new Set([0, ...numbers(8)]))
  expect(values).toHaveLength(9)
  await expect(collect(await open({ ...manifest, pageSize: 6 }))).rejects.toMatchObject({
    code: 'SOURCE_KEY_UNUSABLE',
    detail: expect.stringContaining('(at, id)'),
  })
})

test('values keep their digits, days and times, and names are quoted', async () => {
  await writer.query(`create schema "区 库"`)
  await writer.query(`create table "区 库"."select; drop" (
    "身份 id" uuid, "At" timestamp, big bigint, amount numeric(30,10), small int, ratio float8, flag boolean, day date,
    born timestamptz, doc jsonb, words text, never date, nothing text)`)
  await writer.query(`insert into "区 库"."select; drop" values ('00000000-0000-0000-0000-000000000001',
    '2026-02-01 00:30:00.000001', 9007199254740993, 12345678901234567890.0123456789, 7, 0.5, true, '1900-01-01',
    '1990-05-05 00:00:00+08', '{"id": 510599190001010017}', '张测试 𬱖', 'infinity', null)`)
  await writer.query(`grant usage on schema "区 库" to reader; grant select on all tables in schema "区 库" to reader`)
  const names = [
    '身份 id',
    'At',
    'big',
    'amount',
    'small',
    'ratio',
    'flag',
    'day',
    'born',
    'doc',
    'words',
    'never',
    'nothing',
  ]
  const change: Partial<SqlSourceManifest> = {
    schema: '区 库',
    columns: names,
    reading: { kind: 'keyset', updatedAt: 'At', id: '身份 id', window: longAgo },
  }
  const { values, cursor } = await collect(await open(manifestOf('select; drop', change)))
  expect(values).toEqual([
    {
      '身份 id': '00000000-0000-0000-0000-000000000001',
      At: '2026-02-01T00:30:00.000001+08:00',
      big: '9007199254740993',
      amount: '12345678901234567890.0123456789',
      small: 7,
      ratio: 0.5,
      flag: true,
      day: '1900-01-01',
      born: expect.stringMatching(/^1990-05-05T/),
      doc: { id: '510599190001010017' },
      words: '张测试 𬱖',
      never: 'infinity',
      nothing: null,
    },
  ])
  expect(cursor).toMatchObject({ last: ['2026-02-01T00:30:00.000001', '00000000-0000-0000-0000-000000000001'] })
})

test('a window that would be empty reads nothing and moves nothing', async () => {
  const window = { ...longAgo, start: '2099-01-01T00:00:00Z' }
  const page = await (
    await open(manifestOf('no_key', { reading: { kind: 'keyset', updatedAt: 'at', id: 'id', window } }))
  ).readPage(null, new Date())
  expect(page).toMatchObject({ rows: [], done: true, cursor: { window: null } })
})

test('rows that the order can never reach stop the run with their number', async () => {
  await writer.query('create table unreachable (id text, at timestamp)')
  await writer.query(
    `insert into unreachable values ('1', null), (null, '2026-02-01'), ('3', 'infinity'), ('4', '2026-02-01')`,
  )
  await expect(collect(await open(manifestOf('unreachable')))).rejects.toMatchObject({
    code: 'SOURCE_KEY_UNUSABLE',
    detail: expect.stringContaining('3 rows'),
  })
})

test('a connection that breaks between two pages is told, and the cursor goes on over a new one', async () => {
  const manifest = manifestOf('one_time', { pageSize: 100 })
  const source = await open(manifest)
  const page = await source.readPage(null, new Date())
  await writer.query(`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'reader'`)
  await expect(source.readPage(page.cursor, new Date())).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' })
  expect((await collect(await open(manifest), page.cursor)).values).toHaveLength(50)
})

test('what the account may not do or the catalogue does not know is refused by name', async () => {
  await writer.query('create table hidden (id text, at timestamptz); revoke all on hidden from reader')
  await writer.query(
    "create sequence counter; create view writing as select nextval('public.counter')::text as id, now() as at",
  )
  const failures = [
    [manifestOf('hidden'), 'public.hidden'],
    [manifestOf('nowhere'), 'public.nowhere'],
    [manifestOf('no_key', { columns: ['id', 'at', 'phone'] }), 'column phone'],
    [
      manifestOf('no_key', {
        reading: { kind: 'keyset', updatedAt: 'part', id: 'id', window: longAgo },
        columns: ['id', 'part'],
      }),
      'integer',
    ],
    [manifestOf('no_key', { database: 'nowhere' }), '3D000'],
    [manifestOf('no_key', { user: 'nobody' }), '28'],
  ] as const
  for (const [manifest, words] of failures) {
    await expect(open(manifest)).rejects.toMatchObject({
      code: 'SOURCE_REFUSED',
      detail: expect.stringContaining(words),
    })
  }
  await writer.query('grant usage on sequence counter to reader')
  await expect(collect(await open(manifestOf('writing')))).rejects.toMatchObject({
    code: 'SOURCE_REFUSED',
    detail: expect.stringContaining('25006'),
  })
})

test('a source that is too slow or not there is unavailable', async () => {
  await writer.query(`create view slow as select pg_sleep(3)::text as id, clock_timestamp() as at`)
  const slow = await open(manifestOf('slow', { timeoutMs: 200 }))
  await expect(slow.readPage(null, new Date())).rejects.toMatchObject({
    code: 'SOURCE_UNAVAILABLE',
    detail: expect.stringContaining('57014'),
  })
  await expect(open(manifestOf('slow', { port: 9 }))).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' })
  const lost = { egress: createEgressGuard(['loopback'], () => Promise.reject(new Error('ENOTFOUND'))) }
  await expect(open(manifestOf('slow'), lost)).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' })
})

test('limits, secrets, egress and keys are kept to', async () => {
  const manifest = manifestOf('one_time', { pageSize: 10 })
  const limited = (limits: SqlSourceOptions['limits']) => open(manifest, { limits }).then((source) => collect(source))
  await expect(limited({ pageBytes: 1_000_000, pages: 14 })).rejects.toMatchObject({ code: 'SOURCE_LIMIT_EXCEEDED' })
  expect((await limited({ pageBytes: 1_000_000, pages: 15 })).values).toHaveLength(150)
  await expect(limited({ pageBytes: 100, pages: 100 })).rejects.toMatchObject({ code: 'SOURCE_LIMIT_EXCEEDED' })
  await expect(open(manifest, { secrets: {} })).rejects.toMatchObject({
    code: 'SECRET_MISSING',
    detail: expect.stringContaining('word'),
  })
  await expect(open(manifest, { egress: createEgressGuard(['10.0.0.0/8']) })).rejects.toMatchObject({
    code: 'EGRESS_FORBIDDEN',
  })
  await expect(open(manifestOf('one_time', { columns: ['at'] }))).rejects.toMatchObject({ code: 'MANIFEST_INVALID' })
  await expect((await open(manifest)).readPage({ kind: 'http' }, new Date())).rejects.toMatchObject({
    code: 'CURSOR_INVALID',
  })
})
