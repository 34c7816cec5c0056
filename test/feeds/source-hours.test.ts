import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { blackoutAheadMs, blackoutLeftMs, blackoutMinutes, dayIn, dayLeftMs } from '../../src/feeds/source-hours.ts'

const HOUR = 3_600_000
const timezone = 'Asia/Shanghai'
/** A moment by the wall clock of Shanghai. */
const at = (time: string): Date => new Date(`2026-11-24T${time}:00+08:00`)

describe('blackout hours', () => {
  test.each([
    ['07:59', 0],
    ['08:00', 10 * HOUR],
    ['17:30', HOUR / 2],
    ['18:00', 0],
    ['23:00', 7 * HOUR],
    ['05:00', HOUR],
    ['06:00', 0],
  ])('at %s the source may be called in %i ms', (time, left) => {
    expect(blackoutLeftMs({ timezone, blackout: ['08:00-18:00', '22:00-06:00'] }, at(time))).toBe(left)
  })

  test('are hours of the schedule, not of this machine', () => {
    const blackout = ['08:00-18:00']
    expect(blackoutLeftMs({ timezone: 'UTC', blackout }, at('09:00'))).toBe(0)
    expect(blackoutLeftMs({ timezone: 'UTC', blackout }, at('17:00'))).toBe(9 * HOUR)
  })

  test('that are not named leave the source free', () => {
    expect(blackoutLeftMs({ timezone }, at('03:00'))).toBe(0)
    expect(blackoutAheadMs({ timezone }, at('03:00'))).toBe(Infinity)
  })

  test('the next one is told ahead', () => {
    expect(blackoutAheadMs({ timezone, blackout: ['08:00-18:00', '22:00-24:00'] }, at('07:00'))).toBe(HOUR)
    expect(blackoutAheadMs({ timezone, blackout: ['08:00-18:00', '22:00-24:00'] }, at('19:00'))).toBe(3 * HOUR)
  })

  test('end at the time that is told, whatever they are', () => {
    const time = fc.integer({ min: 0, max: 1439 })
    const text = (minute: number): string =>
      `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
    fc.assert(
      fc.property(time, time, time, (from, to, now) => {
        fc.pre(from !== to)
        const hours = { timezone, blackout: [`${text(from)}-${text(to)}`] }
        const left = blackoutLeftMs(hours, at(text(now)))
        expect(blackoutLeftMs(hours, new Date(at(text(now)).getTime() + left))).toBe(0)
        expect(left).toBeLessThan(24 * HOUR)
      }),
    )
  })

  test('are added up without counting a minute twice', () => {
    expect(blackoutMinutes(['08:00-18:00', '17:00-19:00', '23:00-01:00'])).toBe(13 * 60)
    expect(blackoutMinutes(['00:00-12:00', '12:00-24:00'])).toBe(24 * 60)
  })
})

test('a day begins and ends with the time zone', () => {
  expect(dayIn(timezone, new Date('2026-11-23T16:00:00Z'))).toBe('2026-11-24')
  expect(dayIn('UTC', new Date('2026-11-23T16:00:00Z'))).toBe('2026-11-23')
  expect(dayLeftMs(timezone, at('23:00'))).toBe(HOUR)
})
