import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { utf8Of } from '../../src/sharing/pull.ts'

const piece = fc
  .tuple(fc.string({ unit: 'grapheme' }), fc.constantFrom(1, 1, 1, 300_000))
  .map(([text, times]) => text.repeat(times))

test('pieces of any length are the bytes of their text, and an answer keeps its own', () => {
  fc.assert(
    fc.property(fc.array(fc.array(piece, { maxLength: 5 }), { minLength: 1, maxLength: 3 }), (answers) => {
      const written = answers.map((pieces) => utf8Of(pieces))
      const wanted = answers.map((pieces) => Buffer.from(pieces.join('')))
      expect(written.every((bytes, place) => bytes.equals(wanted[place] ?? Buffer.alloc(0)))).toBe(true)
    }),
    { numRuns: 60 },
  )
})
