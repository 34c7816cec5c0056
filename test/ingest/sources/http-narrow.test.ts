import { afterAll, describe, expect, test } from 'vitest'
import type { HttpSourceManifest, Paging } from '../../../src/feeds/manifest-types.ts'
import type { Cursor } from '../../../src/ingest/sources/source.ts'
import { collect, collectReopening } from './collect.ts'
import type { Answer, Person } from './emulated-source.ts'
import { people, sendJson, startEmulatedSource } from './emulated-source.ts'

const { open, answerWith, asked, close } = await startEmulatedSource()
afterAll(close)

const later = '2026-01-01T20:00:00.000Z'
const now = new Date('2026-01-01T12:00:00Z')

/** The window's rows as they are at the moment of each request; `before` changes them. */
const serve =
  (rows: Person[], before: (request: number) => void = () => undefined, total?: (inside: number) => number): Answer =>
  (query, response) => {
    before(asked().length)
    const [from, to] = [Date.parse(query.get('from') ?? '2000-01-01Z'), Date.parse(query.get('to') ?? '2100-01-01Z')]
    const inside = rows
      .filter(({ at }) => Date.parse(at) >= from && Date.parse(at) < to)
      .sort((a, b) => a.at.localeCompare(b.at) || a.id.localeCompare(b.id))
    const place = query.has('page') ? (Number(query.get('page')) - 1) * 2 : Number(query.get('offset'))
    const stated = total === undefined ? {} : { total: total(inside.length) }
    sendJson(response, { data: { rows: inside.slice(place, place + 2) }, ...stated })
  }

const pagings: readonly (readonly [Paging, Readonly<Record<string, string>>])[] = [
  [{ kind: 'offset', size: 2, total: '/total' }, { offset: '{page.offset}' }],
  [{ kind: 'page', size: 2, first: 1, total: '/total' }, { page: '{page.number}' }],
]

function openAs(paging: Paging, place: Readonly<Record<string, string>>, isWhole = false) {
  const window = isWhole ? {} : { from: '{window.from}', to: '{window.to}' }
  const request: HttpSourceManifest['request'] = { method: 'GET', path: '/people', query: { ...place, ...window } }
  const reading = { lookbackSeconds: 0, settleSeconds: 10, start: '2026-01-01T00:00:00Z' }
  return open({
    paging,
    request,
    ...(isWhole ? {} : { incremental: { window: reading, tieBreaker: '/id' } }),
  })
}

const changeTo = (rows: Person[], id: string, at: string): void => {
  rows[rows.findIndex((row) => row.id === id)] = { id, at }
}

describe.each(pagings)('$kind', (paging, place) => {
  test('a quiet source gives every row once, and the whole total', async () => {
    answerWith(serve([...people(7)], undefined, (inside) => inside))
    const { values, total } = await collectReopening(() => openAs(paging, place), null, now)
    expect(values).toEqual(people(7))
    expect(total).toBe(7)
  })

  test('rows that leave the window between two pages take none of the others with them', async () => {
    const rows = [...people(9)]
    answerWith(
      serve(rows, (request) => {
        if (request === 2) changeTo(rows, 'p-0', later)
        if (request === 3) changeTo(rows, 'p-2', later)
      }),
    )
    const { values } = await collect(openAs(paging, place), null, now)
    const ids = values.map((value) => (value as Person).id)
    expect(ids).toEqual(people(9).map(({ id }) => id))
  })

  test('more rows of one time than a page holds are all read', async () => {
    const rows = people(7).map(({ id }) => ({ id, at: '2026-01-01T05:00:00.000Z' }))
    answerWith(serve(rows))
    expect((await collect(openAs(paging, place), null, now)).values).toEqual(rows)
  })

  test('a total that falls while one time, or the whole source, is read begins it again', async () => {
    const rows = people(6).map(({ id }) => ({ id, at: '2026-01-01T05:00:00.000Z' }))
    const leave = (request: number): void => {
      if (request === 2) rows.splice(0, 1)
    }
    answerWith(serve(rows, leave, (inside) => inside))
    const { values } = await collect(openAs(paging, place, true), null, now)
    expect(new Set(values.map((value) => (value as Person).id)).size).toBe(6)
    expect(asked().filter((search) => /(offset=0|page=1)(&|$)/.test(search))).toHaveLength(2)
  })

  test('a total that is never reached ends in a code, and may be tried again some minutes later', async () => {
    answerWith(serve([...people(3)], undefined, (inside) => inside + 1))
    const source = openAs(paging, place, true)
    let cursor: Cursor | null = null
    const readOn = async (at: Date): Promise<number> => {
      for (let page = 1; ; page++) {
        const read = await source.readPage(cursor, at).catch(() => null)
        if (read === null || page > 50) return page
        cursor = read.cursor
      }
    }
    expect(await readOn(now)).toBeLessThan(20)
    expect(await readOn(now)).toBe(1)
    const restedAt = new Date(now.getTime() + 10 * 60_000)
    answerWith(serve([...people(3)], undefined, (inside) => inside))
    expect((await collect(source, cursor, restedAt)).values.length).toBeGreaterThan(0)
  })
})

test('a total that falls changes nothing where pages are found by a token', async () => {
  const rows = people(6)
  answerWith((query, response) => {
    const place = Number(query.get('token') ?? 0)
    const next = place + 2 < rows.length ? place + 2 : null
    sendJson(response, { data: { rows: rows.slice(place, place + 2) }, next, total: 6 - place })
  })
  const paging: Paging = { kind: 'token', size: 2, next: '/next', total: '/total' }
  const { values } = await collect(openAs(paging, { token: '{page.token}' }), null, now)
  expect(values).toEqual(rows)
  expect(asked()).toHaveLength(3)
})

test('a busy source in no order of time is begun again a few times, then it ends in a code', async () => {
  const rows = people(40).toReversed()
  let total = 100
  answerWith((query, response) => {
    const place = Number(query.get('offset'))
    sendJson(response, { data: { rows: rows.slice(place, place + 2) }, total: --total })
  })
  const paging: Paging = { kind: 'offset', size: 2, total: '/total' }
  await expect(collect(openAs(paging, { offset: '{page.offset}' }), null, now)).rejects.toMatchObject({
    code: 'SOURCE_BODY_INVALID',
  })
  expect(asked().length).toBeLessThan(20)
})
