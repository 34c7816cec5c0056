import { describe, expect, test } from 'vitest'
import { AppError, errorTable, toAppError, type ErrorCode } from '../src/errors.ts'

const codes = Object.keys(errorTable) as readonly ErrorCode[]

describe.each(codes)('%s', (code) => {
  const entry = errorTable[code]

  test('is told in both languages', () => {
    expect(entry.en).toMatch(/^[A-Z][\x20-\x7e]+[^.]$/)
    expect(entry.zh).toMatch(/^\p{Script=Han}/u)
    expect(entry.zh).not.toMatch(/[。.]$/)
  })

  test('has a status of HTTP for failures, and what may work later is not the fault of the caller', () => {
    expect(entry.status).toBeGreaterThanOrEqual(400)
    expect(entry.status).toBeLessThan(600)
    expect(!entry.retry || [409, 429, 500, 502, 503].includes(entry.status)).toBe(true)
  })

  test('is spelt in capitals and is what the error carries', () => {
    expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/)
    const error = new AppError(code, 'given 1, wanted 2')
    expect([error.code, error.status, error.retry, error.message]).toEqual([
      code,
      entry.status,
      entry.retry,
      `${entry.en}: given 1, wanted 2`,
    ])
    expect(new AppError(code).message).toBe(entry.en)
  })
})

test('no two codes are told in the same words', () => {
  expect(new Set(codes.map((code) => errorTable[code].en)).size).toBe(codes.length)
  expect(new Set(codes.map((code) => errorTable[code].zh)).size).toBe(codes.length)
})

test('what is not ours becomes INTERNAL with its cause and without its text', () => {
  const foreign = new TypeError('a value of a row')
  const coded = toAppError(foreign)
  expect([coded.code, coded.detail, coded.cause]).toEqual(['INTERNAL', '', foreign])
  expect(coded.message).not.toContain('row')
  expect(toAppError('text').code).toBe('INTERNAL')
  const own = new AppError('LEASE_LOST')
  expect(toAppError(own)).toBe(own)
})
