import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createFieldsBuilder } from '../../src/ingest/build-fields.ts'

/** Names as a hostile header could write them, were they put into program text as they stand. */
const HOSTILE = [
  "'",
  '"',
  '\\',
  '`',
  '${1}',
  '\u2028',
  '\n',
  "': process.exit(1), '",
  '__proto__',
  'constructor',
  '',
  '7',
]
const names = fc.uniqueArray(
  fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: 'binary' }), fc.constantFrom('姓名', 'xm')),
  {
    maxLength: 40,
  },
)
const cells = fc.option(fc.oneof(fc.string(), fc.integer()), { nil: undefined })

test('whatever the names and whichever are left out, an object has each name with its own value and nothing else', () => {
  fc.assert(
    fc.property(
      names.chain((list) => {
        const row = fc.array(cells, { minLength: list.length, maxLength: list.length })
        return fc.tuple(fc.constant(list), fc.array(row, { minLength: 1, maxLength: 5 }))
      }),
      ([list, rows]) => {
        const build = createFieldsBuilder(list)
        for (const row of [...rows, ...rows]) {
          const built = build(row)
          const wanted = list.flatMap((name, place) => (row[place] === undefined ? [] : [[name, row[place]] as const]))
          expect(Object.getPrototypeOf(built)).toBe(Object.prototype)
          expect(new Map(Object.entries(built))).toEqual(new Map(wanted))
        }
      },
    ),
    { numRuns: 2000 },
  )
})

test('more sets of names than are kept are built as well', () => {
  const list = Array.from({ length: 12 }, (_, place) => `n${place}`)
  const build = createFieldsBuilder(list)
  for (let bits = 0; bits < 1000; bits++) {
    const row = list.map((_, place) => ((bits >> place) % 2 === 1 ? place : undefined))
    expect(Object.keys(build(row))).toHaveLength(row.filter((value) => value !== undefined).length)
  }
})
