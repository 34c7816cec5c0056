import { describe, expect, test } from 'vitest'
import { auditEvents } from '../../src/audit/events.ts'
import {
  faultInLimits,
  limitsOf,
  lookUps,
  oversightRules,
  takings,
  type Figure,
} from '../../src/audit/oversight-rules.ts'
import type { OversightCode } from '../../src/audit/oversight-texts.ts'

const atWork = { hour: 10, isWorkingDay: true }

const isFinding = (code: OversightCode, figure: Partial<Figure>, moment = atWork) =>
  oversightRules[code].isFinding(
    { about: 'consumer/x', count: 0, usual: null, ...figure },
    limitsOf(oversightRules[code], {}),
    moment,
  )

describe('at the bound a rule finds, one below it does not', () => {
  test.each<readonly [OversightCode, number]>([
    ['denials-burst', 20],
    ['person-repeated', 5],
    ['agreement-ended', 3],
    ['export-large', 100_000],
    ['volume-unusual', 10_000],
  ])('%s', (code, bound) => {
    expect(isFinding(code, { count: bound })).toBe(true)
    expect(isFinding(code, { count: bound - 1 })).toBe(false)
  })
})

test('off hours are before 8, from 18 on, and days that are not worked', () => {
  const looks = { count: 5 }
  const hours = [7, 8, 17, 18].map((hour) => isFinding('off-hours', looks, { hour, isWorkingDay: true }))
  expect(hours).toEqual([true, false, false, true])
  expect(isFinding('off-hours', looks, { hour: 10, isWorkingDay: false })).toBe(true)
  expect(isFinding('off-hours', { count: 4 }, { hour: 3, isWorkingDay: false })).toBe(false)
})

test('volume is measured by the own past, above a floor', () => {
  expect(isFinding('volume-unusual', { count: 50_001, usual: 10_000 })).toBe(true)
  expect(isFinding('volume-unusual', { count: 50_000, usual: 10_000 })).toBe(false)
  expect(isFinding('volume-unusual', { count: 9999, usual: 1 })).toBe(false)
})

test('thresholds are whole numbers within bounds, and none is made up', () => {
  const rule = oversightRules['off-hours']
  expect(faultInLimits(rule, { count: 1, fromHour: 24 })).toBeNull()
  for (const given of [{ count: 0 }, { count: 1.5 }, { fromHour: 25 }, { constructor: 1 }, { days: 3 }])
    expect(faultInLimits(rule, given), JSON.stringify(given)).not.toBeNull()
  expect(limitsOf(rule, { count: 9 })).toEqual({ count: 9, fromHour: 8, toHour: 18 })
})

test('every standard is within its own bounds', () => {
  for (const [code, rule] of Object.entries(oversightRules))
    expect([code, faultInLimits(rule, limitsOf(rule, {}))]).toEqual([code, null])
})

test('every event after which personal information leaves is counted, as bulk or as a look-up', () => {
  const personal = Object.entries(auditEvents).flatMap(([type, { personal: is }]) => (is ? [type] : []))
  const pushed = ['delivery.sent', 'verifications.sent', 'export.part-made']
  expect([...lookUps, 'changes.pulled', 'snapshot.pulled', ...pushed].toSorted()).toEqual(personal.toSorted())
  expect([...takings, ...pushed].toSorted()).toEqual(personal.toSorted())
})
