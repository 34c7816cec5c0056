import { hash } from 'node:crypto'
import { expect, test } from 'vitest'
import { isApprovalOf, isRangeOf, rangeDigest, type Pruned } from '../../src/audit/pruned.ts'
import { SHA256, SM3 } from '../../src/audit/tree-hash.ts'

const head = Buffer.alloc(32, 7)
const pruned: Pruned = {
  minIndex: 768,
  compactRange: [Buffer.alloc(32, 1), Buffer.alloc(32, 2)],
  lanes: new Map([
    ['b', { seq: 2, head }],
    ['a', { seq: 1, head }],
  ]),
}
const lanes = hash('sha256', `a 1 ${head.toString('hex')}\nb 2 ${head.toString('hex')}\n`)

const approval = (change: Readonly<Record<string, unknown>>, recordedAt = '2026-11-29T00:00:00.000000Z'): Buffer =>
  Buffer.from(
    JSON.stringify({
      recordedAt,
      details: {
        minIndex: 768,
        range: rangeDigest(pruned.compactRange),
        lanes,
        until: '2023-10-31T16:00:00.000Z',
        ...change,
      },
    }),
  )

test('an approval allows exactly what it names', () => {
  expect(isApprovalOf(approval({}), pruned)).toBe(true)
  const others = [{ minIndex: 1024 }, { range: lanes }, { lanes: rangeDigest(pruned.compactRange) }, { until: 'never' }]
  for (const change of others) expect(isApprovalOf(approval(change), pruned), JSON.stringify(change)).toBe(false)
  expect(isApprovalOf(Buffer.from('{}'), pruned)).toBe(false)
  const both = { ...pruned, sm3Range: [Buffer.alloc(32, 3)] }
  expect(isApprovalOf(approval({}), both)).toBe(false)
  expect(isApprovalOf(approval({ rangeSm3: rangeDigest(pruned.compactRange) }), both)).toBe(false)
  expect(isApprovalOf(approval({ rangeSm3: rangeDigest(both.sm3Range) }), both)).toBe(true)
})

test('an approval of what was not 36 whole months old in China allows nothing', () => {
  expect(isApprovalOf(approval({}, '2026-10-31T16:00:00.000000Z'), pruned)).toBe(true)
  expect(isApprovalOf(approval({}, '2026-10-31T15:59:59.999999Z'), pruned)).toBe(false)
  expect(isApprovalOf(approval({ until: '2023-10-31T16:00:00.001Z' }), pruned)).toBe(false)
})

test('a compact range has a hash for each perfect subtree', () => {
  expect(isRangeOf(pruned, SHA256)).toBe(true)
  expect(isRangeOf({ ...pruned, minIndex: 1024 }, SHA256)).toBe(false)
  expect(isRangeOf(pruned, SM3)).toBe(false)
  expect(isRangeOf({ ...pruned, compactRange: [], sm3Range: pruned.compactRange }, SM3)).toBe(true)
})
