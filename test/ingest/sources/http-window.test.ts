import { afterAll, expect, test } from 'vitest'
import type { HttpSourceManifest } from '../../../src/feeds/manifest-types.ts'
import { readPointer } from '../../../src/ingest/sources/pointer.ts'
import { collect, collectReopening } from './collect.ts'
import type { Answer, Person } from './emulated-source.ts'
import { people, sendJson, serveByToken, startEmulatedSource } from './emulated-source.ts'

const { open, answerWith, asked, close } = await startEmulatedSource()
afterAll(close)

const incremental: Partial<HttpSourceManifest> = {
  incremental: {
    window: { lookbackSeconds: 60, settleSeconds: 10, start: '2026-01-01T08:00:00+08:00' },
    tieBreaker: '/id',
  },
  request: {
    method: 'GET',
    path: '/people',
    query: { from: '{window.from}', to: '{window.to}', token: '{page.token}', limit: '{page.size}' },
  },
}

/** Serves the rows of the window in the order of their times; tokens are remembered until they are forgotten. */
const serveWindow =
  (rows: readonly Person[], forget: (token: string) => boolean = () => false): Answer =>
  (query, response) => {
    const [from = '', to = ''] = [query.get('from'), query.get('to')].map(String)
    const inside = rows.filter(({ at }) => at >= from && at < to).toSorted((a, b) => a.at.localeCompare(b.at))
    const token = query.get('token')
    if (token !== null && forget(token)) response.writeHead(410).end()
    else {
      const place = Number(token?.split('@')[0] ?? 0)
      const next = place + 2 < inside.length ? `${place + 2}@${from}` : undefined
      sendJson(response, { data: { rows: inside.slice(place, place + 2) }, next })
    }
  }

test('windows follow each other with look-back below and settle time above', async () => {
  answerWith((_query, response) => sendJson(response, { data: { rows: [] } }))
  const source = open(incremental)
  const first = await collect(source, null, new Date('2026-01-02T00:00:00Z'))
  await collect(source, first.cursor, new Date('2026-01-02T01:00:00Z'))
  expect(asked().map((search) => [...new URLSearchParams(search).values()].slice(0, 3))).toEqual([
    ['2026-01-01T00:00:00.000Z', '2', '2026-01-01T23:59:50.000Z'],
    ['2026-01-01T23:58:50.000Z', '2', '2026-01-02T00:59:50.000Z'],
  ])
})

test('a window that would be empty asks nothing and moves nothing', async () => {
  answerWith(serveWindow([]))
  const source = open(incremental)
  const none = await source.readPage(null, new Date('2026-01-01T00:00:10Z'))
  expect([none.done, none.rows, asked()]).toEqual([true, [], []])
  answerWith(serveWindow(people(3)))
  const read = await collect(source, none.cursor, new Date('2026-01-01T01:00:00Z'))
  expect(read.values).toEqual(people(3))
  const back = await collect(source, read.cursor, new Date('2025-12-31T00:00:00Z'))
  expect(back.cursor).toEqual(read.cursor)
})

test('an expired token begins the window again at the last row read, and no row is lost', async () => {
  const rows = people(11)
  const expired = new Set(['4@2026-01-01T00:00:00.000Z'])
  answerWith(serveWindow(rows, (token) => expired.delete(token)))
  const { values } = await collectReopening(() => open(incremental), null, new Date('2026-01-02T00:00:00Z'))
  expect(new Set(values.map((value) => readPointer(value, '/id')))).toEqual(new Set(rows.map(({ id }) => id)))
  expect(new URLSearchParams(asked()[3]).get('from')).toBe('2026-01-01T00:00:03.000Z')
})

test('an expired token begins the whole window again when the rows came in no order', async () => {
  const rows = people(6).map((row, place) => ({ ...row, at: place === 0 ? '2026-01-01T10:00:00Z' : row.at }))
  let expired = false
  answerWith((query, response, message) => {
    const token = query.get('token')
    if (token === '4' && !expired) {
      expired = true
      response.writeHead(410).end()
    } else serveByToken(rows)(query, response, message)
  })
  await collect(open(incremental), null, new Date('2026-01-02T00:00:00Z'))
  expect(new Set(asked().map((search) => new URLSearchParams(search).get('from')))).toEqual(
    new Set(['2026-01-01T00:00:00.000Z']),
  )
})

test('a token that expires twice at one place is refused', async () => {
  const rows = people(5).map((row) => ({ ...row, at: '2026-01-01T10:00:00Z' }))
  answerWith(serveWindow(rows, () => true))
  await expect(collect(open(incremental), null, new Date('2026-01-02T00:00:00Z'))).rejects.toMatchObject({
    code: 'SOURCE_REFUSED',
  })
})
