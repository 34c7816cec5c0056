import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loadCalendars } from '../../src/feeds/calendars.ts'
import { addWorkingDays, isWorkingDay } from '../../src/feeds/working-days.ts'
import { faultOf } from '../support/coded-error.ts'
import { makeFolder } from '../support/folder.ts'

const SCHEMAS = fileURLToPath(new URL('../../schemas/', import.meta.url))
const DAY_MS = 86_400_000

const noon = (date: string): Date => new Date(`${date}T12:00:00+08:00`)
const endOf = (date: string): Date => new Date(`${date}T23:59:59.999+08:00`)

const moments = fc.date({ min: noon('2025-01-01'), max: noon('2026-06-30'), noInvalidDate: true })
const terms = fc.integer({ min: 1, max: 60 })

describe('a term of working days', () => {
  test.each([
    ['is the next day in an ordinary week', '2026-03-11', 1, '2026-03-12'],
    ['leaves a weekend out', '2026-03-13', 1, '2026-03-16'],
    ['is two weeks when it is ten days', '2026-03-11', 10, '2026-03-25'],
    ['counts a Sunday that is worked', '2025-01-24', 1, '2025-01-26'],
    ['counts a Saturday that is worked', '2025-02-07', 1, '2025-02-08'],
    ['leaves the Spring Festival out', '2026-02-14', 1, '2026-02-24'],
    ['may begin on a day off', '2025-10-03', 1, '2025-10-09'],
    ['ends on the make-up Saturday after the National Day', '2025-10-08', 3, '2025-10-11'],
    ['goes over the turn of the year to the worked Sunday', '2025-12-31', 1, '2026-01-04'],
    ['of twenty days goes over the Spring Festival and both its make-up Saturdays', '2026-02-02', 20, '2026-03-06'],
  ])('%s', (_case, from, days, due) => {
    expect(addWorkingDays(noon(from), days)).toEqual({ due: endOf(due), isAssumed: false })
  })

  test('is counted in China Standard Time, whatever the day is in Greenwich', () => {
    const { due } = addWorkingDays(new Date('2026-03-11T16:00:00Z'), 1)
    expect(due.toISOString()).toBe('2026-03-13T15:59:59.999Z')
    expect(addWorkingDays(new Date('2026-03-11T15:59:59.999Z'), 1).due.toISOString()).toBe('2026-03-12T15:59:59.999Z')
  })

  test('says when it had to assume: a year without a calendar is Monday to Friday', () => {
    expect(addWorkingDays(noon('2026-12-31'), 1)).toEqual({ due: endOf('2027-01-01'), isAssumed: true })
    expect(addWorkingDays(noon('2026-12-30'), 1)).toEqual({ due: endOf('2026-12-31'), isAssumed: false })
    expect(addWorkingDays(noon('2019-09-30'), 5)).toEqual({ due: endOf('2019-10-07'), isAssumed: true })
  })

  test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('of %d days is refused', (days) => {
    expect(() => addWorkingDays(noon('2026-03-11'), days)).toThrow(RangeError)
  })

  test('ends on a working day, and as many working days are in it as were asked for', () => {
    fc.assert(
      fc.property(moments, terms, (from, days) => {
        const { due } = addWorkingDays(from, days)
        expect(isWorkingDay(due)).toBe(true)
        let worked = 0
        for (let at = from.getTime() + DAY_MS; at <= due.getTime(); at += DAY_MS)
          if (isWorkingDay(new Date(at))) worked += 1
        expect(worked).toBe(days)
      }),
    )
  })

  test('put after another is the sum of both, and never ends earlier when it begins later', () => {
    fc.assert(
      fc.property(moments, terms, terms, moments, (from, first, second, other) => {
        const { due } = addWorkingDays(from, first)
        expect(addWorkingDays(due, second)).toEqual(addWorkingDays(from, first + second))
        const [early, late] = from <= other ? [from, other] : [other, from]
        expect(addWorkingDays(early, first).due <= addWorkingDays(late, first).due).toBe(true)
      }),
    )
  })
})

describe('the calendars', () => {
  /** The file of 2026 with some members changed. */
  function loadWith(change: object): unknown {
    const directory = makeFolder('calendars-')
    cpSync(SCHEMAS, directory, { recursive: true })
    const file = join(directory, 'calendars', '2026.json')
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...change }))
    return loadCalendars(directory)
  }

  test.each([
    [2025, 28, 5],
    [2026, 33, 6],
  ])('of %d has %d days off and %d weekend days that are worked', (year, off, work) => {
    const calendar = loadCalendars().get(year)
    expect([calendar?.off.size, calendar?.work.size]).toEqual([off, work])
  })

  test.each([
    [{ edition: '' }, '/edition'],
    [{ source: 7 }, '/source'],
    [{ year: 2027 }, '/year'],
    [{ off: [] }, '/off'],
    [{ off: [{ name: '元旦', from: '2026-01-03', to: '2026-01-01' }] }, '/off'],
    [{ off: [{ name: '元旦', from: '2025-12-31', to: '2026-01-01' }] }, '/off'],
    [{ off: [{ name: '春节', from: '2026-02-29', to: '2026-02-29' }] }, '/off'],
    [{ work: ['2026-03-11'] }, '/work'],
    [{ work: ['2026-02-21'] }, '/work'],
  ])('refuse %o and name the place', (change, pointer) => {
    expect(faultOf(() => loadWith(change))).toMatch(
      new RegExp(`^SCHEMA_INVALID calendars/2026\\.json#${pointer}: wanted `),
    )
  })
})
