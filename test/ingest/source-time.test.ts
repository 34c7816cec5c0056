import { describe, expect, test } from 'vitest'
import { readTime } from '../../src/ingest/source-time.ts'

const at = Date.parse('2026-11-01T00:00:00Z')

describe('the time that a source states', () => {
  test.each([
    ['2026-11-01T08:00:00+08:00'],
    ['2026-11-01T00:00:00Z'],
    ['2026-11-01 08:00:00'],
    ['2026-11-01T08:00:00.000000+0800'],
    [new Date(at)],
  ])('is understood: %s', (written) => {
    expect(readTime(written)).toBe(at)
  })

  test.each([
    ['yesterday'],
    ['2026-11-01'],
    ['2026-13-01 08:00:00'],
    [''],
    [20_261_101],
    [null],
    [undefined],
    [{}],
    [new Date('x')],
  ])('is none where it is no time: %s', (written) => {
    expect(readTime(written)).toBeNull()
  })

  test('is none where it lies more than a day ahead, or its row would be the newest for ever', () => {
    expect(readTime('2026-11-02T00:00:00Z', at)).toBe(at + 86_400_000)
    expect(readTime('2026-11-02T00:00:01Z', at)).toBeNull()
  })
})
