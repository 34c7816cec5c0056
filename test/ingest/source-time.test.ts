import { describe, expect, test } from 'vitest'
import { createTimeReader, readTime } from '../../src/ingest/source-time.ts'
import { createManifest } from '../feeds/sample-manifest.ts'

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

  test('is read as the manifest of an HTTP source says that it is written', () => {
    const manifest = createManifest()
    if (manifest.source.kind !== 'http') throw new Error('wanted an HTTP source')
    const window = { lookbackSeconds: 0, settleSeconds: 0, start: '2026-01-01T00:00:00Z' }
    const incremental = { window, tieBreaker: '/id', time: { format: 'epoch-seconds' } } as const
    const read = createTimeReader({ ...manifest, source: { ...manifest.source, incremental } })
    expect([at / 1000, String(at / 1000), '2026-11-01T00:00:00Z'].map((gxsj) => read({ gxsj }))).toEqual([at, at, null])
  })
})
