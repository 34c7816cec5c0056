import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addQualityCounts, scoreQuality } from '../../src/feeds/quality-scores.ts'
import { qualityRules } from '../../src/feeds/rules.ts'

const nothing = { pulled: 0, duplicates: 0, rules: {}, activeFeeds: 0, freshFeeds: 0 }

test('each dimension loses the rows that broke its own rules', () => {
  const rules = { 'DQ-001': 5, 'DQ-013': 10, 'DQ-015': 15, 'DQ-070': 1, 'DQ-040': 20 }
  expect(scoreQuality({ pulled: 1000, duplicates: 3, rules, activeFeeds: 4, freshFeeds: 3 })).toEqual({
    received: 1000,
    completeness: 0.995,
    accuracy: 0.99,
    consistency: 0.985,
    uniqueness: 0.997,
    timeliness: 0.75,
    validity: 0.98,
  })
})

test('nothing counted is no score, neither good nor bad', () => {
  const { received, ...scores } = scoreQuality(nothing)
  expect([received, ...new Set(Object.values(scores))]).toEqual([0, null])
})

test('scores stay between 0 and 1, and the same counts in two parts score the same', () => {
  const rules = fc.dictionary(fc.constantFrom(...Object.keys(qualityRules), 'DQ-999'), fc.nat(2000))
  const counts = fc.record({
    pulled: fc.nat(1000),
    duplicates: fc.nat(1000),
    rules,
    activeFeeds: fc.constant(3),
    freshFeeds: fc.nat(3),
  })
  fc.assert(
    fc.property(counts, counts, (one, other) => {
      const { received, ...scores } = scoreQuality(addQualityCounts([one, other]))
      expect(received).toBe(one.pulled + other.pulled)
      for (const score of Object.values(scores)) {
        if (score === null) continue
        expect(score).toBeGreaterThanOrEqual(0)
        expect(score).toBeLessThanOrEqual(1)
      }
      expect(scoreQuality(addQualityCounts([other, one]))).toEqual({ received, ...scores })
    }),
  )
})
