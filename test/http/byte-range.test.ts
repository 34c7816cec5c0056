import { describe, expect, test } from 'vitest'
import { readByteRange } from '../../src/http/byte-range.ts'
import { codeOf } from '../support/coded-error.ts'

describe('a range of a file of 100 bytes', () => {
  test.each<readonly [string | undefined, readonly [number, number] | null]>([
    ['bytes=0-9', [0, 9]],
    ['bytes=90-', [90, 99]],
    ['bytes=90-1000', [90, 99]],
    ['bytes=-10', [90, 99]],
    ['bytes=-1000', [0, 99]],
    ['bytes=99-99', [99, 99]],
    [undefined, null],
    ['', null],
    ['bytes=', null],
    ['bytes=-', null],
    ['bytes=9-0', null],
    ['bytes=0-9,20-29', null],
    ['lines=0-9', null],
    ['bytes=a-b', null],
    ['bytes=0x1-9', null],
    ['bytes= 0-9', null],
    [`bytes=${'9'.repeat(400)}-`, null],
  ])('%s', (header, wanted) => {
    expect(readByteRange(header, 100)).toEqual(wanted === null ? null : { from: wanted[0], to: wanted[1] })
  })

  test.each(['bytes=100-', 'bytes=100-200', 'bytes=999999999999999-', 'bytes=-0'])(
    '%s is not there',
    async (header) => {
      expect(await codeOf(() => readByteRange(header, 100))).toBe('RANGE_UNSATISFIABLE')
    },
  )
})
