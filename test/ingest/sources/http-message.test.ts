import { XMLParser } from 'fast-xml-parser'
import { assert, property, string } from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import type { HttpRequestBody, HttpSourceManifest, SoapBody, SourceTime } from '../../../src/feeds/manifest-types.ts'
import { writeEnvelope } from '../../../src/ingest/sources/http-soap.ts'
import { clockOf } from '../../../src/ingest/sources/http-time.ts'
import { collect } from './collect.ts'
import { people, sendJson, startEmulatedSource } from './emulated-source.ts'

const { open, answerWith, close } = await startEmulatedSource()
afterAll(close)

interface Sent {
  readonly line: string
  readonly headers: NodeJS.Dict<string | readonly string[]>
  readonly body: string
}

/** The requests that a source gets to see while it answers `bodies` one after the other. */
async function requestsOf(
  change: Partial<HttpSourceManifest>,
  bodies: readonly unknown[],
  now?: Date,
): Promise<readonly Sent[]> {
  const sent: Sent[] = []
  answerWith((_query, response, message) => {
    const chunks: Buffer[] = []
    message.on('data', (chunk: Buffer) => chunks.push(chunk))
    message.on('end', () => {
      sent.push({
        line: `${message.method} ${message.url}`,
        headers: message.headers,
        body: Buffer.concat(chunks).toString(),
      })
      const body = bodies[sent.length - 1]
      if (typeof body === 'string') response.setHeader('content-type', 'text/xml').end(body)
      else sendJson(response, body)
    })
  })
  await collect(open(change), null, now)
  return sent
}

const post = (body: HttpRequestBody): Pick<HttpSourceManifest, 'request'> => ({
  request: { method: 'POST', path: '/list', query: { v: '1' }, body },
})

const none = { data: { rows: [] } }

test('a body of JSON carries each variable as the kind of value it is', async () => {
  const fields = {
    code: 'LZ',
    strict: true,
    page: { no: '{page.number}', size: '{page.size}' },
    fields: ['xm', 'zjhm'],
    token: '{page.token}',
  }
  const sent = await requestsOf({ ...post({ kind: 'json', fields }), paging: { kind: 'page', size: 2, first: 1 } }, [
    { data: { rows: people(2) } },
    none,
  ])
  expect(sent.map(({ line }) => line)).toEqual(['POST /api/list?v=1', 'POST /api/list?v=1'])
  expect(sent.map(({ body }) => JSON.parse(body) as unknown)).toEqual(
    [1, 2].map((no) => ({ code: 'LZ', strict: true, page: { no, size: 2 }, fields: ['xm', 'zjhm'] })),
  )
  expect(sent[0]?.headers['content-type']).toBe('application/json')
})

test('a key is sent as the text or number that it was', async () => {
  const change = {
    ...post({ kind: 'json', fields: { after: '{page.key}' } }),
    paging: { kind: 'keyset', size: 2, key: '/id', start: 0 },
  } as const
  const sent = await requestsOf(change, [
    { data: { rows: [{ id: 7 }] } },
    { data: { rows: [{ id: '510599190001010017' }] } },
    none,
  ])
  expect(sent.map(({ body }) => body)).toEqual(['{"after":0}', '{"after":7}', '{"after":"510599190001010017"}'])
})

test('a form is percent-encoded and leaves out what has no value', async () => {
  const fields = { 部门: '公安 & 民政=1', pageNo: '{page.token}', size: '{page.size}' }
  const [first, second] = await requestsOf(post({ kind: 'form', fields }), [{ data: { rows: [] }, next: 'a b' }, none])
  expect(first?.headers['content-type']).toBe('application/x-www-form-urlencoded')
  expect(Object.fromEntries(new URLSearchParams(first?.body))).toEqual({ 部门: '公安 & 民政=1', size: '2' })
  expect(new URLSearchParams(second?.body).get('pageNo')).toBe('a b')
})

const soap: SoapBody = {
  kind: 'soap',
  version: '1.1',
  namespace: 'http://lz.example/service?a=1&b=2',
  operation: 'listPersons',
  action: 'urn:listPersons',
  parameters: [
    { name: 'after', value: '{page.token}' },
    { name: 'size', value: '{page.size}' },
  ],
}

describe('SOAP', () => {
  const answer = (next: string): string =>
    `<s:Envelope xmlns:s="u"><s:Body><r><row><id>1</id></row><next>${next}</next></r></s:Body></s:Envelope>`
  const reading: Partial<HttpSourceManifest> = {
    answer: { kind: 'xml' },
    records: '/Envelope/Body/r/row',
    paging: { kind: 'token', size: 2, next: '/Envelope/Body/r/next' },
  }

  test('1.1 tells its action in a header, and its parameters in their order', async () => {
    const [first, second] = await requestsOf({ ...post(soap), ...reading }, [answer('a&lt;b'), answer('')])
    expect(first?.headers).toMatchObject({ 'content-type': 'text/xml; charset=utf-8', soapaction: '"urn:listPersons"' })
    expect(first?.body).toBe(
      '<?xml version="1.0" encoding="UTF-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>' +
        '<m:listPersons xmlns:m="http://lz.example/service?a=1&amp;b=2"><size>2</size></m:listPersons>' +
        '</soap:Body></soap:Envelope>',
    )
    expect(second?.body).toContain('<after>a&lt;b</after><size>2</size>')
  })

  test('1.2 tells it in the content type; qualified parameters are in the namespace', async () => {
    const [first] = await requestsOf({ ...post({ ...soap, version: '1.2', qualified: true }), ...reading }, [
      answer(''),
    ])
    expect(first?.headers['content-type']).toBe('application/soap+xml; charset=utf-8; action="urn:listPersons"')
    expect(first?.headers['soapaction']).toBeUndefined()
    expect(first?.body).toContain('xmlns:soap="http://www.w3.org/2003/05/soap-envelope"')
    expect(first?.body).toContain('<m:size>2</m:size>')
  })

  test('no value can leave its element', () => {
    const parser = new XMLParser({ parseTagValue: false, trimValues: false, htmlEntities: true })
    assert(
      property(string({ unit: 'grapheme' }), (value) => {
        const { body } = writeEnvelope({ ...soap, namespace: 'urn:x' }, [
          ['a', `x${value}y`],
          ['b', 'z'],
        ])
        const read: unknown = parser.parse(body, true)
        const kept = value
          .replaceAll(/\p{Cc}/gu, (sign) => ('\t\n\r'.includes(sign) ? sign : ''))
          .replaceAll(/\r\n?/g, '\n')
        expect(read).toMatchObject({
          'soap:Envelope': { 'soap:Body': { 'm:listPersons': { a: `x${kept}y`, b: 'z' } } },
        })
      }),
    )
  })
})

describe('times', () => {
  const at = Date.parse('2026-01-01T00:00:59.987Z')

  test.each<readonly [SourceTime | undefined, string | number, number]>([
    [undefined, '2026-01-01T00:00:59.987Z', at],
    [{ format: 'rfc3339' }, '2026-01-01T08:00:59.987+08:00', at],
    [{ format: 'yyyy-MM-dd HH:mm:ss' }, '2026-01-01 08:00:59', at - 987],
    [{ format: 'yyyy-MM-dd HH:mm:ss', zone: 'UTC' }, '2026-01-01 00:00:59', at - 987],
    [{ format: 'yyyyMMddHHmmss' }, '20260101080059', at - 987],
    [{ format: 'epoch-seconds' }, Math.floor(at / 1000), at - 987],
    [{ format: 'epoch-milliseconds' }, at, at],
  ])('%o is written %s and read back', (time, written, read) => {
    const clock = clockOf(time)
    expect(clock.write(at)).toBe(written)
    expect([clock.read(written), clock.read(String(written))].filter((value) => value !== read)).toEqual([])
  })

  test.each<readonly [SourceTime, unknown, number | null]>([
    [{ format: 'yyyy-MM-dd HH:mm:ss' }, '2026-01-01T08:00:59.987654', at],
    [{ format: 'yyyy-MM-dd HH:mm:ss' }, '2026-01-01 08:00:59+08:00', null],
    [{ format: 'yyyy-MM-dd HH:mm:ss' }, '0000-00-00 00:00:00', null],
    [{ format: 'rfc3339' }, '2026-01-01 08:00:59', null],
    [{ format: 'yyyyMMddHHmmss' }, '20261301000000', null],
    [{ format: 'yyyyMMddHHmmss' }, 20_260_101_080_059, null],
    [{ format: 'epoch-seconds' }, '1767225659.987', at],
    [{ format: 'epoch-seconds' }, -1, null],
    [{ format: 'epoch-milliseconds' }, null, null],
  ])('%o reads %j as %j', (time, given, read) => {
    expect(clockOf(time).read(given)).toBe(read)
  })

  const incremental = (time: SourceTime): Partial<HttpSourceManifest> => ({
    incremental: {
      window: { lookbackSeconds: 60, settleSeconds: 10, start: '2026-01-01T08:00:00+08:00' },
      tieBreaker: '/id',
      time,
    },
  })

  test('the window is asked in the format of the source, and next time begins where it ended', async () => {
    const change = {
      ...incremental({ format: 'yyyy-MM-dd HH:mm:ss' }),
      request: { method: 'GET', path: '/a', query: { from: '{window.from}', to: '{window.to}', t: '{page.token}' } },
    } as const
    const asked: (readonly string[])[] = []
    answerWith((query, response) => {
      asked.push([String(query.get('from')), String(query.get('to'))])
      sendJson(response, none)
    })
    const first = await collect(open(change), null, new Date('2026-01-02T00:00:00.900Z'))
    expect(first.cursor).toMatchObject({ window: { to: '2026-01-01T23:59:50.000Z' } })
    await collect(open(change), first.cursor, new Date('2026-01-02T01:00:00.200Z'))
    expect(asked).toEqual([
      ['2026-01-01 08:00:00', '2026-01-02 07:59:50'],
      ['2026-01-02 07:58:50', '2026-01-02 08:59:50'],
    ])
  })

  test('in JSON an epoch time is a number, and a restart goes on at the last row in the format of its text', async () => {
    const change = {
      ...incremental({ format: 'epoch-seconds' }),
      ...post({ kind: 'json', fields: { from: '{window.from}', token: '{page.token}' } }),
    }
    const asked: unknown[] = []
    let expired = false
    answerWith((_query, response, message) => {
      const chunks: Buffer[] = []
      message.on('data', (chunk: Buffer) => chunks.push(chunk))
      message.on('end', () => {
        const body = JSON.parse(Buffer.concat(chunks).toString()) as { readonly token?: string }
        asked.push(body)
        if (body.token === 'b' && !expired) {
          expired = true
          response.writeHead(410).end()
        } else if (asked.length === 1)
          sendJson(response, {
            data: {
              rows: [
                { id: '1', at: '1767225660' },
                { id: '2', at: 1_767_225_661 },
              ],
            },
            next: 'b',
          })
        else sendJson(response, none)
      })
    })
    await collect(open(change), null, new Date('2026-01-02T00:00:00Z'))
    expect(asked).toEqual([{ from: 1_767_225_600 }, { from: 1_767_225_600, token: 'b' }, { from: 1_767_225_661 }])
  })
})
