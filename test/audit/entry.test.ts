import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJson, EMPTY_HEAD, leafHash, makeEntry, parseBody } from '../../src/audit/entry.ts'
import { auditEvents, type AuditEvent } from '../../src/audit/events.ts'

describe('canonical JSON', () => {
  test('is that of RFC 8785 §3.2.2 for numbers, texts and literals', () => {
    const value = JSON.parse(String.raw`{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }`)
    const expected = String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`
    expect(canonicalJson(value)).toBe(expected)
  })

  test('sorts members as RFC 8785 §3.2.3 does, by UTF-16 units', () => {
    const value = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 }
    expect(Object.values(JSON.parse(canonicalJson(value)) as object)).toEqual([4, 2, 6, 7, 1, 5, 3])
    expect(canonicalJson(value).indexOf('\\r')).toBeLessThan(canonicalJson(value).indexOf('"1"'))
  })

  test('is the same for members in any order, and reads back to the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value as never)
        const reversed = JSON.parse(text, (_key, member: unknown) =>
          typeof member === 'object' && member !== null && !Array.isArray(member)
            ? Object.fromEntries(Object.entries(member).toReversed())
            : member,
        ) as never
        expect(canonicalJson(reversed)).toBe(text)
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })
})

describe('the leaf hash', () => {
  test('of nothing is that of RFC 6962', () => {
    expect(leafHash(Buffer.alloc(0)).toString('hex')).toBe(
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    )
  })

  test('is SHA-256 over a zero byte and the body', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (body) => {
        expect(leafHash(body)).toEqual(
          createHash('sha256')
            .update(Buffer.from([0]))
            .update(body)
            .digest(),
        )
      }),
    )
  })
})

const place = {
  entryId: '0190e0c0-0000-7000-8000-000000000001',
  recordedAt: '2026-11-23T01:02:03.000004Z',
  laneId: '0190e0c0-0000-7000-8000-000000000002',
  laneSeq: 3,
  previous: EMPTY_HEAD,
}
const event: AuditEvent = {
  type: 'page.saved',
  actor: 'system:worker',
  outcome: 'ok',
  feed: 'LZ-GA-RK-001',
  count: 7,
  details: { b: 1, a: null },
}

test('an entry holds its place, the leaf before it and the event, in canonical bytes', () => {
  const { body, leaf } = makeEntry(event, place)
  expect(body.toString()).toBe(
    `{"actor":"system:worker","count":7,"details":{"a":null,"b":1},"entryId":"${place.entryId}","feed":"LZ-GA-RK-001",` +
      `"laneId":"${place.laneId}","laneSeq":3,"outcome":"ok","previous":"${'00'.repeat(32)}","recordedAt":"${place.recordedAt}",` +
      '"type":"page.saved","v":1}',
  )
  expect(leaf).toEqual(leafHash(body))
})

test('a body is read back with what was written, and what is no body is told apart', () => {
  expect(parseBody(makeEntry(event, place).body)).toMatchObject({
    version: 1,
    laneSeq: 3,
    type: 'page.saved',
    count: 7,
    dataset: null,
  })
  for (const body of ['', 'null', '{', '\u0000']) expect(parseBody(Buffer.from(body))).toBeNull()
})

test('every event is told in both languages', () => {
  for (const [type, entry] of Object.entries(auditEvents)) {
    expect([type, entry.zh]).toEqual([type, expect.stringMatching(/\p{Script=Han}/u)])
    expect([type, entry.en]).toEqual([type, expect.stringMatching(/^[A-Z][\x20-\x7e]+$/)])
  }
})
