import { assert, jsonValue, pre, property, string } from 'fast-check'
import { expect, test } from 'vitest'
import { parseJson } from '../../../src/ingest/sources/json.ts'
import { readPointer } from '../../../src/ingest/sources/pointer.ts'

// Of this thread's own work: the machine may be busy with other tests.
const SECOND_US = 1_000_000

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}

test('integers that a double cannot hold keep every digit', () => {
  const text =
    '{"a":510599190001010017,"b":[-12345678901234567890, 9007199254740993],"c":9007199254740991,"d":"1234567890123456789"}'
  expect(parseJson(text)).toEqual({
    a: '510599190001010017',
    b: ['-12345678901234567890', '9007199254740993'],
    c: 9_007_199_254_740_991,
    d: '1234567890123456789',
  })
})

test('whatever JSON can say without a long integer is read as JSON.parse reads it', () => {
  assert(
    property(jsonValue({ maxDepth: 5 }), (value) => {
      const text = JSON.stringify(value)
      pre(!/[[:,]-?\d{16}/.test(text))
      expect(parseJson(text)).toEqual(JSON.parse(text))
    }),
  )
})

test('what is nested too deep is cut out and its neighbours stay', () => {
  expect(depthOf(parseJson(nested(32)))).toBe(32)
  const value = parseJson(
    `{"rows":[{"id":"1","bad":${nested(400_000)}},{"id":"]}\\"[","bad":${nested(40)}},{"id":"3"}]}`,
  )
  expect(depthOf(value)).toBe(33)
  expect([0, 1, 2].map((row) => readPointer(value, `/rows/${row}/id`))).toEqual(['1', ']}"[', '3'])
})

test('an object with a name twice is cut out and its neighbours stay', () => {
  const text = `{"rows":[{"id":"1","a":{"b":1}},{"id":"2","\\u0069d":"3"},{"id":"4","a":[{"x":1,"y":{"z":1 , "z" \n : 2},"x":"}"}]},7]}`
  expect(parseJson(text)).toEqual({ rows: [{ id: '1', a: { b: 1 } }, [], { id: '4', a: [[]] }, 7] })
  expect(parseJson('{"a":1,"a":1}')).toEqual([])
  expect(parseJson(`[{"a":{"b":1,"b":2},"a":3},{"n":510599190001010017}]`)).toEqual([[], { n: '510599190001010017' }])
})

test('any repeated name is found, wherever it stands', () => {
  assert(
    property(jsonValue({ maxDepth: 4 }), string(), (value, name) => {
      const inner = JSON.stringify(value)
      const key = JSON.stringify(name)
      expect(parseJson(`{"before":${inner},"row":{${key}:${inner},${key} :${inner}},"after":${inner}}`)).toEqual({
        ...Object(parseJson(`{"before":${inner},"row":[],"after":${inner}}`)),
      })
    }),
  )
})

test('an object of more than 10,000 names is cut out and its neighbours stay', () => {
  const wide = (names: number): string => `{${Array.from({ length: names }, (_, n) => `"n${n}":{"a":1}`).join(',')}}`
  expect(parseJson(`{"rows":[{"id":1},${wide(10_001)},{"id":2}]}`)).toEqual({ rows: [{ id: 1 }, [], { id: 2 }] })
  expect(parseJson(wide(10_000))).toEqual(JSON.parse(wide(10_000)))
  // As many names, but of many objects.
  const page = `[${Array.from({ length: 4000 }, () => '{"a":1,"b":2,"c":3}').join(',')}]`
  expect(parseJson(page)).toEqual(JSON.parse(page))
  expect(() => parseJson(`{"rows":[${wide(10_001)}`)).toThrow(SyntaxError)
})

test('hundreds of thousands of repeated names are cut out within a second', () => {
  const text = `[${Array(100_000).fill('{"a":1,"a":{"b":2,"b":3}}').join(',')}]`
  const begun = process.threadCpuUsage().user
  const value = parseJson(text)
  expect(process.threadCpuUsage().user - begun).toBeLessThan(SECOND_US)
  expect(value).toEqual(Array.from({ length: 100_000 }, () => []))
})

test.each(['', '{', '[1,]', '{"a":1}}', '['.repeat(400_000), nested(50).slice(0, -1), '"\\', 'NaN', "{'a':1}"])(
  'text %# that is not JSON is refused without a crash',
  (text) => {
    expect(() => parseJson(text)).toThrow(SyntaxError)
  },
)

test('a pointer sees own properties only', () => {
  const value: unknown = JSON.parse('{"a/b":{"~":[10,20]},"__proto__":{"x":1},"":5}')
  expect(['/a~1b/~0/1', '/__proto__/x', '/'].map((pointer) => readPointer(value, pointer))).toEqual([20, 1, 5])
  for (const pointer of ['/constructor', '/a~1b/~0/2', '/a~1b/~0/length/x', '/none/below', '/toString']) {
    expect(readPointer(value, pointer)).toBeUndefined()
  }
  expect([null, undefined, 'text', 7].map((given) => readPointer(given, '/a'))).toEqual(Array(4).fill(undefined))
})
