import { gzipSync } from 'node:zlib'
import iconv from 'iconv-lite'
import { afterAll, describe, expect, test } from 'vitest'
import type { HttpSourceManifest } from '../../../src/feeds/manifest-types.ts'
import { collect } from './collect.ts'
import type { Answer } from './emulated-source.ts'
import { people, sendJson, serveByToken, startEmulatedSource } from './emulated-source.ts'

// Of this thread's own work: the machine may be busy with other tests.
const SECOND_US = 1_000_000

const { open, answerWith, asked, close } = await startEmulatedSource()
afterAll(close)

const byLink = { paging: { kind: 'link', size: 2 } } as const
const lines: Partial<HttpSourceManifest> = { ...byLink, answer: { kind: 'ndjson' }, records: '' }
const xml: Partial<HttpSourceManifest> = {
  ...byLink,
  answer: { kind: 'xml' },
  records: '/Envelope/Body/list/return/row',
}

const send =
  (type: string, body: string | Buffer): Answer =>
  (_query, response) =>
    response.setHeader('content-type', type).end(body)

const envelope = (inner: string): string =>
  `<?xml version="1.0"?>\n<s:Envelope xmlns:s="urn:s"><s:Body><m:list xmlns:m="urn:m">${inner}</m:list></s:Body></s:Envelope>`

/** What one answer brings, or the code it is refused with. */
async function readOne(change: Partial<HttpSourceManifest>, given: Answer, pageBytes = 100_000): Promise<unknown> {
  answerWith(given)
  return collect(open(change, { pageBytes, pages: 5 })).then(
    ({ values }) => values,
    (error: { readonly code?: string }) => error.code ?? error,
  )
}

test('a bare list is read where the pointer is empty', async () => {
  const given: Answer = (_query, response) => sendJson(response, people(2))
  expect(await readOne({ ...byLink, records: '' }, given)).toEqual(people(2))
  expect(await readOne({ ...byLink, records: '' }, (_query, response) => sendJson(response, { a: 1 }))).toBe(
    'SOURCE_BODY_INVALID',
  )
})

describe('lines of JSON', () => {
  const type = 'application/x-ndjson'

  test('are rows, however they are cut into chunks', async () => {
    const text = '{"id":"张"}\r\n\n  \n{"id":510599190001010017}\n[1]\n'
    const given: Answer = (_query, response, message) => {
      expect(message.headers.accept).toBe('application/x-ndjson')
      response.setHeader('content-type', type)
      for (const byte of Buffer.from(text)) response.write(Buffer.from([byte]))
      response.end()
    }
    const rows = [{ id: '张' }, { id: '510599190001010017' }, [1]]
    expect(await readOne(lines, given)).toEqual(rows)
    expect(await readOne(lines, send(type, text.trimEnd()))).toEqual(rows)
    expect(await readOne(lines, (_q, r) => r.setHeader('content-encoding', 'gzip').end(gzipSync(text)))).toEqual(rows)
    expect(await readOne(lines, send(type, ''))).toEqual([])
  })

  test('that are no JSON become rows that no mapping accepts, and their neighbours stay', async () => {
    expect(await readOne(lines, send(type, '{"id":"1"}\n{"id":\n{"id":"3","id":"4"}\n{"id":"5"}\n'))).toEqual([
      { id: '1' },
      '{"id":',
      [],
      { id: '5' },
    ])
  })

  test.each([
    ['a last line that breaks off', 'SOURCE_BODY_INVALID', send(type, '{"id":"1"}\n{"id":"se')],
    ['bytes that are not UTF-8', 'SOURCE_BODY_INVALID', send(type, Buffer.from([0x22, 0xd5, 0xc5, 0x22, 0x0a]))],
    ['half a character at the end', 'SOURCE_BODY_INVALID', send(type, Buffer.from([0x31, 0x0a, 0xe5, 0xbc]))],
    ['one line without end', 'SOURCE_LIMIT_EXCEEDED', (_q, r) => r.write(`{"a":"${'a'.repeat(150_000)}`)],
    ['a web page', 'SOURCE_BODY_INVALID', send('text/html', '{"id":"1"}\n')],
  ] satisfies readonly (readonly [string, string, Answer])[])('%s gives %s', async (_name, code, given) => {
    expect(await readOne(lines, given)).toBe(code)
  })

  test('one field of 10 MB is read within a second', async () => {
    const text = JSON.stringify({ id: '1', note: '注'.repeat(3_500_000) })
    const begun = process.threadCpuUsage().user
    expect(await readOne(lines, send(type, `${text}\n`), 20_000_000)).toHaveLength(1)
    expect(process.threadCpuUsage().user - begun).toBeLessThan(SECOND_US)
  })
})

describe('charset', () => {
  const rows = [{ id: '1', name: '张𠀀·镕' }]
  const body = JSON.stringify({ data: { rows } })

  test.each(['gb18030', 'GBK', '"gb2312"'])('%s is decoded as GB18030', async (charset) => {
    expect(await readOne(byLink, send(`application/json; charset=${charset}`, iconv.encode(body, 'gb18030')))).toEqual(
      rows,
    )
  })

  test('of XML is also taken from its declaration, and the header goes before it', async () => {
    const text = envelope('<return><row><n>张𠀀</n></row></return>').replace('?>', ' encoding="GBK"?>')
    const wanted = [{ n: '张𠀀' }]
    expect(await readOne(xml, send('text/xml', iconv.encode(text, 'gb18030')))).toEqual(wanted)
    expect(await readOne(xml, send('text/xml; charset=utf-8', Buffer.from(text)))).toEqual(wanted)
  })

  test.each([
    ['GB18030 without a word about it', 'application/json', iconv.encode(body, 'gb18030')],
    [
      'UTF-8 under the name of GB18030',
      'application/json; charset=gb18030',
      Buffer.from('{"data":{"rows":[{"a":"张"}]}}'),
    ],
    ['an unknown charset', 'application/json; charset=utf-7', Buffer.from(body)],
    ['a charset that is built into JavaScript', 'application/json; charset=constructor', Buffer.from(body)],
  ])('%s is refused', async (_name, type, bytes) => {
    expect(await readOne(byLink, send(type, bytes))).toBe('SOURCE_BODY_INVALID')
  })
})

describe('XML', () => {
  test('text stays text, prefixes and attributes go, the five entities and numbers are read', async () => {
    const row =
      '<row a="1"><m:id>007</m:id><n>&lt;张&amp;&#x4E2D;&#20013;&gt;</n><t> 1e5 </t><v/><c><![CDATA[a&b<x>]]></c></row>'
    expect(await readOne(xml, send('text/xml', envelope(`<return>${row}</return>`)))).toEqual([
      { id: '007', n: '<张&中中>', t: '1e5', v: '', c: 'a&b<x>' },
    ])
  })

  test('one record or many are a list, and none is an empty one', async () => {
    const given = (count: number): Answer =>
      send('application/soap+xml', envelope(`<return>${'<row><id>1</id></row>'.repeat(count)}</return>`))
    expect(await readOne(xml, given(1))).toHaveLength(1)
    expect(await readOne(xml, given(3))).toHaveLength(3)
    expect(await readOne(xml, given(0))).toEqual([])
    expect(await readOne(xml, send('text/xml', envelope('')))).toBe('SOURCE_BODY_INVALID')
  })

  test('a document that is the text of an element is opened', async () => {
    const json = {
      ...xml,
      answer: { kind: 'xml', embedded: { at: '/Envelope/Body/list/return', kind: 'json' } },
      records: '/rows',
    } as const
    const inner = JSON.stringify({ rows: [{ id: '<1>' }] })
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
    expect(await readOne(json, send('text/xml', envelope(`<return>${inner}</return>`)))).toEqual([{ id: '<1>' }])
    const nested = {
      ...xml,
      answer: { kind: 'xml', embedded: { at: '/Envelope/Body/list/return', kind: 'xml' } },
      records: '/data/row',
    } as const
    const cdata = (text: string): Answer => send('text/xml', envelope(`<return><![CDATA[${text}]]></return>`))
    expect(
      await readOne(nested, cdata('<?xml version="1.0" encoding="GBK"?><data><row><id>1</id></row></data>')),
    ).toEqual([{ id: '1' }])
    expect(await readOne(nested, cdata('<data/>'))).toEqual([])
    expect(await readOne(nested, cdata('<data>'))).toBe('SOURCE_BODY_INVALID')
    expect(await readOne(json, cdata('{"rows":'))).toBe('SOURCE_BODY_INVALID')
    expect(await readOne(json, send('text/xml', envelope('<return><a/></return>')))).toBe('SOURCE_BODY_INVALID')
  })

  test.each([
    ['a text of 10 MB', `<a>${'x'.repeat(10_000_000)}</a>`],
    ['10 MB of entities', `<a>${'&amp;'.repeat(2_000_000)}</a>`],
    ['an attribute of 10 MB', `<a b="${'x'.repeat(10_000_000)}"/>`],
    ['a million elements', `<a>${'<b/>'.repeat(1_000_000)}</a>`],
  ])('with %s is refused, because the parser would take hundreds of megabytes for it', async (_name, body) => {
    const begun = process.threadCpuUsage().user
    expect(await readOne(xml, send('text/xml', body), 20_000_000)).toBe('SOURCE_LIMIT_EXCEEDED')
    expect(process.threadCpuUsage().user - begun).toBeLessThan(SECOND_US)
  })

  test('a section of CDATA of 10 MB is read', async () => {
    const row = `<row><t><![CDATA[${'x'.repeat(10_000_000)}]]></t></row>`
    expect(await readOne(xml, send('text/xml', envelope(`<return>${row}</return>`)), 20_000_000)).toHaveLength(1)
  })

  const laughs = '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
  test.each([
    ['a billion laughs', `${laughs}<a>&b;</a>`],
    ['an external entity', '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'],
    ['an external document type', '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>'],
    ['a document type and good records', envelope('<return><row/></return>').replace('?>', '?><!DOCTYPE a>')],
    ['a record of 40 levels', envelope(`<return><row>${'<a>'.repeat(40)}${'</a>'.repeat(40)}</row></return>`)],
    ['an entity of HTML', envelope('<return><row>&nbsp;</row></return>')],
    ['an entity without end', envelope('<return><row>a & b</row></return>')],
    ['a character that is none', envelope('<return><row>&#x110000;</row></return>')],
    ['the null character', envelope('<return><row>&#0;</row></return>')],
    ['40 levels', '<a>'.repeat(40) + '</a>'.repeat(40)],
    ['200,000 levels', '<a>'.repeat(200_000)],
    ['a name of JavaScript', envelope('<return><row><__proto__>1</__proto__></row></return>')],
    ['an element that never closes', envelope('<return><row><id>secret-name</row></return>')],
    ['half a document', envelope('<return><row><id>secret-name</id></row></return>').slice(0, -20)],
    ['text after the end', `${envelope('<return/>')}secret-name`],
    ['no XML', '{"a":1}'],
    ['nothing', ''],
  ])('with %s is refused within a second and not quoted', async (_name, body) => {
    const begun = process.threadCpuUsage().user
    answerWith(send('text/xml', body))
    const failure = collect(open(xml, { pageBytes: 2_000_000, pages: 5 }))
    await expect(failure).rejects.toMatchObject({ code: 'SOURCE_BODY_INVALID' })
    await expect(failure).rejects.not.toThrow('secret-name')
    expect(process.threadCpuUsage().user - begun).toBeLessThan(SECOND_US)
  })
})

describe('a good status with an error inside', () => {
  const success = { pointer: '/code', values: ['0', 200] } as const
  const answered =
    (code: unknown): Answer =>
    (_query, response) =>
      sendJson(response, { code, data: { rows: [] } })

  test.each([['0'], [0], ['200'], [200]])('%j is success', async (code) => {
    expect(await readOne({ ...byLink, success }, answered(code))).toEqual([])
  })

  test.each([
    ['500', ' (code 500)'],
    [40_301, ' (code 40301)'],
    ['APP.ERR-7', ' (code APP.ERR-7)'],
    ['张三没有权限', ''],
    ['510599190001010017', ''],
    ['19900000001', ''],
    [{ a: 1 }, ''],
    [null, ''],
    [undefined, ''],
  ])('%j is refused, and told only where it is a short code', async (code, told) => {
    answerWith(answered(code))
    await expect(collect(open({ ...byLink, success }))).rejects.toMatchObject({
      code: 'SOURCE_REFUSED',
      detail: `/code says that the request failed${told}`,
    })
  })
})

describe('a SOAP Fault', () => {
  const fault11 =
    '<s:Envelope xmlns:s="u"><s:Body><s:Fault><faultcode>s:Client</faultcode><faultstring>张三 not found</faultstring></s:Fault></s:Body></s:Envelope>'
  const fault12 =
    '<e:Envelope xmlns:e="u"><e:Body><e:Fault><e:Code><e:Value>e:Sender</e:Value></e:Code><e:Reason><e:Text>张三</e:Text></e:Reason></e:Fault></e:Body></e:Envelope>'

  test.each([
    ['1.1 with status 500', 500, fault11, 's:Client'],
    ['1.1 with status 200', 200, fault11, 's:Client'],
    ['1.2 with status 500', 500, fault12, 'e:Sender'],
  ])('of SOAP %s is refused with its code alone', async (_name, status, body, code) => {
    answerWith((_query, response) => response.writeHead(status, { 'content-type': 'text/xml' }).end(body))
    await expect(collect(open(xml))).rejects.toMatchObject({
      code: 'SOURCE_REFUSED',
      detail: `a SOAP Fault (code ${code})`,
    })
    expect(asked()).toHaveLength(1)
  })

  test('is not seen in a broken server that answers something else', async () => {
    for (const body of ['<html>', '', 'x'.repeat(200_000)]) {
      answerWith((_query, response) => response.writeHead(500, { 'content-type': 'text/xml' }).end(body))
      await expect(collect(open(xml))).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' })
    }
  })
})

test('a page of JSON that holds a name twice keeps its other rows', async () => {
  answerWith((_query, response) =>
    response.setHeader('content-type', 'application/json').end('{"data":{"rows":[{"id":"1"},{"id":"2","id":"3"}]}}'),
  )
  expect((await collect(open())).values).toEqual([{ id: '1' }, []])
  answerWith(serveByToken(people(1)))
  expect((await collect(open())).values).toEqual(people(1))
})
