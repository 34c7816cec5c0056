import { describe, expect, test } from 'vitest'
import type { SqlFilter, SqlReading } from '../../../src/feeds/manifest-types.ts'
import { openSqlSource } from '../../../src/ingest/sources/sql.ts'
import { createEgressGuard } from '../../../src/security/egress.ts'
import { collect } from './collect.ts'
import { createFakeDriver, manifestOf, type FakeDriver } from './fake-drivers.ts'

// Oracle, SQL Server and Dameng are not here to be asked: what is sent to them is compared word for word instead.
const makes = [
  { driver: 'oracle', packageName: 'oracledb', types: ['NUMBER', 'DATE', 'VARCHAR2'] },
  { driver: 'sqlserver', packageName: 'mssql', types: ['bigint', 'datetime2', 'nvarchar'] },
  { driver: 'dameng', packageName: 'dmdb', types: ['BIGINT', 'TIMESTAMP(6)', 'VARCHAR'] },
] as const

type Make = (typeof makes)[number]

const filter: SqlFilter = {
  kind: 'and',
  filters: [
    { kind: 'compare', column: 'ID', op: '<>', value: 5 },
    {
      kind: 'or',
      filters: [
        { kind: 'like-prefix', column: 'XM', prefix: '5_[%' },
        { kind: 'in', column: 'XM', values: ['a', 'b'] },
      ],
    },
    { kind: 'not', filter: { kind: 'is-null', column: 'AT' } },
  ],
}

const exchange: SqlReading = {
  kind: 'exchange',
  operationTime: 'AT',
  id: 'ID',
  window: { lookbackSeconds: 0, settleSeconds: 30, start: '2026-01-01T00:00:00+08:00' },
  batch: 'BATCH',
  flag: { column: 'FLAG', ready: ['0'], writing: ['2'], done: '1', mark: true },
}

const at = '2026-01-01T00:00:01'
const rowOf = (id: string, key = id): readonly string[] => [id, at, 'x', at, key]

/** A table of three rows, of which the second and third share a key as far as a text tells. */
function fakeOf({ driver, types }: Make): FakeDriver {
  const [id, time, text] = types
  let pages = 0
  const pageOf = [[rowOf('1'), rowOf('2'), rowOf('3', '2')], [rowOf('2')], []] as const
  const columns = [
    ['ID', id],
    ['AT', time],
    ['XM', text],
    ['BATCH', text],
    ['FLAG', text],
    ['SHAPE', 'geometry'],
  ]
  return createFakeDriver(driver, (statement) => {
    if (/^select (to_char\(systimestamp|datename)/.test(statement)) return [['+08:00']]
    if (/all_tab_columns|information_schema/.test(statement))
      return columns.map(([name = '', type = '']) => [name, type, '7'])
    if (statement.includes('lower_edge')) return [['2026-01-01T00:00:00', '2026-02-01T00:00:00']]
    if (statement.includes('count(*)')) return [['0']]
    if (statement.includes('min(')) return [[null]]
    return pageOf[pages++] ?? []
  })
}

const told = ({ asked }: FakeDriver): string => `\n${asked.join('\n')}\n`

describe.each(makes)('$driver', (make) => {
  test('its driver is imported when it is opened, and gets an address, a name and limits, and nothing else', async () => {
    const fake = fakeOf(make)
    expect(fake.imported).toEqual([])
    await fake.open()
    expect(fake.imported).toEqual([make.packageName])
    expect(fake.connections).toMatchSnapshot()
  })

  test('without its package the answer names the package', async () => {
    const { driver, packageName } = make
    const egress = createEgressGuard(['10.0.0.0/8'], async () => ['10.0.0.7'])
    const limits = { pageBytes: 1000, pages: 10 }
    const opening = openSqlSource({
      manifest: manifestOf(driver),
      secrets: { word: 'w' },
      egress,
      limits,
      recordId: '/ID',
    })
    await expect(opening).rejects.toMatchObject({
      code: 'DRIVER_MISSING',
      detail: expect.stringContaining(`npm install --no-save ${packageName}`),
    })
  })

  test('a window, its rows, the rows after a place and the rows at it are asked for with every value bound', async () => {
    const fake = fakeOf(make)
    const source = await fake.open({ filter })
    const first = await source.readPage(null, new Date())
    await source.readPage(first.cursor, new Date())
    expect(told(fake)).toMatchSnapshot()
  })

  test('the next window begins a look-back before the end of the last one', async () => {
    const fake = fakeOf(make)
    const source = await fake.open()
    const { cursor } = await collect(source)
    fake.asked.length = 0
    await source.readPage(cursor, new Date())
    expect(fake.asked[1]).toMatchSnapshot()
  })

  test('a table is read whole by its id alone', async () => {
    const fake = fakeOf(make)
    const source = await fake.open({ columns: ['ID', 'XM'], reading: { kind: 'whole', id: 'XM' } })
    await collect(source)
    expect(told(fake)).toMatchSnapshot()
  })

  test('an exchange table is held back by open batches, and the flag is all that is ever changed', async () => {
    const fake = fakeOf(make)
    const page = await (await fake.open({ reading: exchange })).readPage(null, new Date())
    await page.saved?.()
    expect(told(fake)).toMatchSnapshot()
    expect(
      fake.asked.filter((line) => !/^(select|alter session|update "GA"|update t set \[FLAG\])/.test(line)),
    ).toEqual([])
  })

  test('a column of a type that is not read is refused by name', async () => {
    await expect(fakeOf(make).open({ columns: ['ID', 'AT', 'SHAPE'] })).rejects.toMatchObject({
      code: 'SOURCE_REFUSED',
      detail: expect.stringContaining('column SHAPE is a geometry'),
    })
  })
})

test.each([
  ['oracle', { code: 'ORA-00942', errorNum: 942 }, 'SOURCE_REFUSED'],
  ['oracle', { code: 'ORA-00060', errorNum: 60 }, 'SOURCE_UNAVAILABLE'],
  ['oracle', { code: 'NJS-138' }, 'SOURCE_REFUSED'],
  ['oracle', { code: 'NJS-500' }, 'SOURCE_UNAVAILABLE'],
  ['sqlserver', { code: 'EREQUEST', number: 208 }, 'SOURCE_REFUSED'],
  ['sqlserver', { code: 'EREQUEST', number: 1205 }, 'SOURCE_UNAVAILABLE'],
  ['sqlserver', { code: 'ELOGIN' }, 'SOURCE_REFUSED'],
  ['sqlserver', { code: 'ETIMEOUT' }, 'SOURCE_UNAVAILABLE'],
  ['dameng', { errCode: -2106 }, 'SOURCE_REFUSED'],
  ['dameng', { errCode: -6403 }, 'SOURCE_UNAVAILABLE'],
  ['dameng', { errCode: 6001 }, 'SOURCE_UNAVAILABLE'],
] as const)('what %s answers, %j, is %s, without its words', async (driver, answer, code) => {
  const fake = createFakeDriver(driver, () => {
    throw Object.assign(new Error('value 510599190001010017 of a row'), answer)
  })
  const failure: unknown = await fake.open().catch((error: unknown) => error)
  expect(failure).toMatchObject({ code })
  expect(String(failure)).not.toContain('510599')
})
