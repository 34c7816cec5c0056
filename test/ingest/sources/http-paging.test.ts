import { afterAll, describe, expect, test } from 'vitest'
import type { Paging } from '../../../src/feeds/manifest-types.ts'
import { collect, collectReopening } from './collect.ts'
import type { Answer } from './emulated-source.ts'
import { people, sendJson, startEmulatedSource } from './emulated-source.ts'

const { open, answerWith, asked, close, origin } = await startEmulatedSource()
afterAll(close)

const byPage: Paging = { kind: 'page', size: 2, first: 1, total: '/total' }
const byKey: Paging = { kind: 'keyset', size: 2, key: '/id' }
const byLink: Paging = { kind: 'link', size: 2 }

const servePages =
  (rows: readonly unknown[], first: number, beside: object = {}): Answer =>
  (query, response) => {
    const from = (Number(query.get('page')) - first) * 2
    sendJson(response, { data: { rows: rows.slice(from, from + 2) }, ...beside })
  }

/** Rows whose id comes after the key in the order of the list. */
const serveAfterKey =
  (rows: readonly { readonly id: unknown }[]): Answer =>
  (query, response) => {
    const after = query.get('after')
    const from = after === null ? 0 : rows.findIndex(({ id }) => String(id) === after) + 1
    sendJson(response, { data: { rows: rows.slice(from, from + 2) } })
  }

const serveLinks =
  (rows: readonly unknown[], write: (from: number) => string): Answer =>
  (query, response) => {
    const from = Number(query.get('from') ?? 0)
    if (from + 2 < rows.length) response.setHeader('link', write(from + 2))
    sendJson(response, { data: { rows: rows.slice(from, from + 2) } })
  }

const relative = (from: number): string => `</api/people?from=${from}&sig=a%2Fb>; rel="prev next"; title="x, y"`

describe('by page number', () => {
  test.each([0, 1] as const)('counted from %i, pages come whole, also when reopened at each', async (first) => {
    answerWith(servePages(people(5), first, { total: 5 }))
    const { values, pages, total } = await collectReopening(() => open({ paging: { ...byPage, first } }))
    expect(values).toEqual(people(5))
    expect([pages, total]).toEqual([[2, 2, 1, 0], 5])
    expect(asked().map((query) => new URLSearchParams(query).get('page'))).toEqual(
      [0, 1, 2, 3].map((n) => String(first + n)),
    )
  })

  test('a source that answers its last page for ever ends where it says that the last page is', async () => {
    const rows = people(4)
    answerWith((query, response) => {
      const from = (Math.min(Number(query.get('page')), 2) - 1) * 2
      sendJson(response, { data: { rows: rows.slice(from, from + 2) }, total: '4', pages: '2' })
    })
    expect((await collect(open({ paging: { ...byPage, pageCount: '/pages' } }))).values).toEqual(rows)
    await expect(collect(open({ paging: byPage }))).rejects.toMatchObject({ code: 'SOURCE_PAGE_REPEATED' })
  })

  test('a last page that comes before all the rows stated is refused', async () => {
    answerWith(servePages(people(4), 1, { total: 9, pages: 2 }))
    await expect(collect(open({ paging: { ...byPage, pageCount: '/pages' } }))).rejects.toMatchObject({
      code: 'SOURCE_BODY_INVALID',
      detail: expect.stringContaining('the source stated 9 rows and sent 4'),
    })
  })
})

describe('by keyset', () => {
  test('the key of the last row asks for the next page until one is empty', async () => {
    answerWith(serveAfterKey(people(5)))
    const { values, pages } = await collectReopening(() => open({ paging: byKey }))
    expect(values).toEqual(people(5))
    expect(pages).toEqual([2, 2, 1, 0])
    expect(asked().map((query) => new URLSearchParams(query).get('after'))).toEqual([null, 'p-1', 'p-3', 'p-4'])
  })

  test('the first page can be asked with a start', async () => {
    answerWith(serveAfterKey([{ id: 7 }]))
    await collect(open({ paging: { ...byKey, start: 0 } }))
    expect(asked().map((query) => new URLSearchParams(query).get('after'))).toEqual(['0', '7'])
  })

  test('a key that stands still is refused', async () => {
    answerWith((_query, response) => sendJson(response, { data: { rows: [{ id: 'a' }] } }))
    await expect(collect(open({ paging: byKey }))).rejects.toMatchObject({ code: 'SOURCE_PAGE_REPEATED' })
    expect(asked()).toHaveLength(2)
  })

  test('a key that goes back to one before is refused', async () => {
    const after = new Map([
      ['', 'a'],
      ['a', 'b'],
      ['b', 'c'],
      ['c', 'a'],
    ])
    answerWith((query, response) =>
      sendJson(response, { data: { rows: [{ id: after.get(query.get('after') ?? '') }] } }),
    )
    await expect(collectReopening(() => open({ paging: byKey }))).rejects.toMatchObject({
      code: 'SOURCE_PAGE_REPEATED',
    })
  })

  test.each([[null], [''], [{ a: 1 }], ['k'.repeat(2000)]])('the key %j is refused', async (id) => {
    answerWith((_query, response) => sendJson(response, { data: { rows: [{ id }] } }))
    await expect(collect(open({ paging: byKey }))).rejects.toMatchObject({ code: 'SOURCE_BODY_INVALID' })
  })
})

describe('by link', () => {
  test.each([
    ['relative, among other relations', relative],
    ['of the query alone', (from: number) => `<?from=${from}>; rel=next`],
    ['after another link', (from: number) => `<https://other.example/>; rel="last", <?from=${from}>; REL="Next"`],
  ])('a link %s is followed', async (_name, write) => {
    answerWith(serveLinks(people(5), write))
    const { values, pages } = await collectReopening(() => open({ paging: byLink }))
    expect(values).toEqual(people(5))
    expect(pages).toEqual([2, 2, 1])
  })

  test('what the link says is asked, and nothing of the manifest is added', async () => {
    answerWith(serveLinks(people(3), relative))
    await collect(open({ paging: byLink }))
    expect(asked()[1]).toBe('?from=2&sig=a%2Fb')
  })

  test.each([
    ['another host', 'http://127.0.0.2:1/api?tok=s3cret'],
    ['another port', 'http://127.0.0.1:1/api?tok=s3cret'],
    ['another scheme', 'https://127.0.0.1/api?tok=s3cret'],
    ['a user', `${origin.replace('//', '//s3cret@')}/api`],
  ])('a link to %s is refused without being shown', async (_name, address) => {
    answerWith((_query, response) => {
      response.setHeader('link', `<${address}>; rel="next"`)
      sendJson(response, { data: { rows: people(1) } })
    })
    const failure = collect(open({ paging: byLink }))
    await expect(failure).rejects.toMatchObject({ code: 'SOURCE_REFUSED' })
    await expect(failure).rejects.not.toThrow('s3cret')
    expect(asked()).toHaveLength(1)
  })

  test('a token that another kind of paging saved cannot become a part of the host', async () => {
    answerWith((_query, response) => sendJson(response, { data: { rows: [] }, next: '.example/api' }))
    const { cursor } = await open().readPage(null, new Date())
    await expect(open({ paging: byLink }).readPage(cursor, new Date())).rejects.toMatchObject({
      code: 'CURSOR_INVALID',
    })
  })

  test('links that go round in three are refused', async () => {
    answerWith((query, response) => {
      response.setHeader('link', `<?n=${(Number(query.get('n')) % 3) + 1}>; rel="next"`)
      sendJson(response, { data: { rows: [{ id: query.get('n') }] } })
    })
    await expect(collectReopening(() => open({ paging: byLink }))).rejects.toMatchObject({
      code: 'SOURCE_PAGE_REPEATED',
    })
    expect(asked()).toHaveLength(4)
  })
})
