import { randomBytes } from 'node:crypto'
import { deflateSync, gzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import { isCitizenNumber, isMobile } from '../src/feeds/formats.ts'
import { openCanaryBook, type Canary } from '../prove/taint-canaries.ts'
import { formNames, formsOf, writeAs } from '../prove/taint-forms.ts'
import { kindOfServerEntry } from '../prove/taint-kinds.ts'
import { mutations } from '../prove/taint-lines.ts'
import { findStaleMutations } from '../prove/taint-mutations.ts'
import { openPacked } from '../prove/taint-openings.ts'
import { openFinder } from '../prove/taint-search.ts'
import { proveTaint, type TaintVerdict } from '../prove/taint.ts'

const book = openCanaryBook()
const people = Array.from({ length: 50 }, () => book.take())
const canaries = book.canaries()
const finder = openFinder(canaries)
const noise = randomBytes(64)
const between = (...parts: readonly (Buffer | string)[]): Buffer =>
  Buffer.concat(parts.map((part) => Buffer.from(part)))

describe('canaries', () => {
  test('every value belongs to one person and to one field', () => {
    expect(new Set(canaries.map(({ value }) => value)).size).toBe(canaries.length)
  })

  test('numbers are right in form and of a county and a time of which nobody is alive', () => {
    expect(
      people.every(
        ({ certNumber, permitNo, phone }) =>
          isCitizenNumber(certNumber) && isCitizenNumber(permitNo) && isMobile(phone),
      ),
    ).toBe(true)
    expect(people.every(({ certNumber }) => /^510599190[1-5]/.test(certNumber))).toBe(true)
  })

  test('the last eight characters of a number are unique too', () => {
    const numbers = people.flatMap(({ certNumber, permitNo }) => [certNumber, permitNo])
    expect(new Set(numbers.map((number) => number.slice(-8))).size).toBe(numbers.length)
  })
})

describe('the search', () => {
  test('finds every canary in every form, wherever it stands', () => {
    const missed = canaries.filter(({ field, value }) =>
      formsOf(value).some(({ form, bytes }) => {
        const found = finder.find(between(noise, ' ', bytes, ' ', noise))
        return !found.some((finding) => finding.field === field && finding.form === form)
      }),
    )
    expect(missed.map(({ field }) => field)).toEqual([])
  })

  test.each(formNames.filter((form) => form !== 'last-8'))('writes a name in the form %s that it finds', (form) => {
    const { value } = canaries.find(({ field }) => field === 'name') as Canary
    expect(finder.find(between(noise, writeAs(form, value), noise)).map(({ field }) => field)).toContain('name')
  })

  test.each([0, 1, 2, 3, 4, 5])('finds a number inside Base64 that begins %i bytes before it', (offset) => {
    const text = between('x'.repeat(offset), canaries[0]?.value ?? '', 'tail').toString('base64')
    expect(finder.find(Buffer.from(text))).toEqual([{ field: 'certNumber', form: 'base64' }])
  })

  test('finds nothing in four megabytes of chance, in masked values and in the last digits of a longer number', () => {
    const { certNumber = '', phone = '' } = people[0] ?? {}
    const masked = `${certNumber.slice(0, 6)}********${certNumber.slice(-4)} ${phone.slice(0, 3)}****${phone.slice(-4)} 9${certNumber.slice(-8)}`
    expect(finder.find(between(randomBytes(4_194_304), masked))).toEqual([])
  })
})

test('every mutation of the full proof still fits the product, and each has a place, a field and a form of its own', () => {
  expect(findStaleMutations()).toEqual([])
  expect(mutations.length).toBeGreaterThanOrEqual(25)
  expect(new Set(mutations.map(({ sink }) => sink)).size).toBe(mutations.length)
  expect(new Set(mutations.map(({ field, form, sink }) => `${field ?? sink} ${form}`)).size).toBeGreaterThan(25)
})

describe('what is packed', () => {
  const { value } = canaries.find(({ field }) => field === 'certNumber') as Canary
  const json = JSON.stringify({ certNumber: value })
  const packings: readonly (readonly [string, Buffer])[] = [
    ['gzip', gzipSync(json)],
    ['deflate', deflateSync(json)],
    ['gzip in Base64', Buffer.from(gzipSync(json).toString('base64'))],
    ['deflate in Base64 for addresses', Buffer.from(deflateSync(json).toString('base64url'))],
  ]
  test.each(packings)('is opened before it is searched: %s', (_how, packed) => {
    const opened = [...openPacked(between(noise, ' ', packed, ' ', noise))]
    expect(opened.flatMap((bytes) => finder.find(bytes)).map(({ field }) => field)).toContain('certNumber')
  })
})

describe('the log of the database', () => {
  const at = '2026-11-29 01:00:00.000 UTC [7]'
  test.each([
    ['statement log', `${at} LOG:  statement: select 1`],
    ['statement log', `${at} LOG:  duration: 0.1 ms  execute <unnamed>: select 1`],
    ['query plans', `${at} LOG:  duration: 0.1 ms  plan:\n\tQuery Text: select 1`],
    ['server log', `${at} ERROR:  division by zero`],
  ])('%s', (kind, entry) => {
    expect(kindOfServerEntry(entry)).toBe(kind)
  })
})

const CANARIES = 40
// Some 60 s; on a machine that does much else it may take five times as long.
const MOST_MS = 420_000

describe('the product, played with canaries', () => {
  let verdict: TaintVerdict
  beforeAll(async () => {
    verdict = await proveTaint({ canaries: CANARIES, withMutations: false })
  }, MOST_MS)

  test('holds and tells no clear value anywhere but in sealed columns', () => {
    expect(verdict.hits).toEqual([])
  })

  test('was played as planned: every rule refused rows, every failing source failed in its way, everything was delivered', () => {
    expect(verdict.played.faults).toEqual([])
  })

  test('holds the values inside the sealed columns', () => {
    expect(verdict.played.opened).toBe(verdict.played.records)
  })

  test('is searched with eyes that see: a planted leak is found in every kind of place', () => {
    expect(verdict.blind).toEqual([])
  })

  test('passes', () => {
    expect(verdict.ok).toBe(true)
  })
})
