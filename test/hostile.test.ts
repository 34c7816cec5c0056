import { expect, test } from 'vitest'
import { proveHostile } from '../prove/hostile.ts'

test(
  'hostile inputs come to their coded end, in bounded memory, and hurt no other source',
  { timeout: 180_000 },
  async () => {
    const verdict = await proveHostile({ together: 20 })
    expect(verdict.failed).toEqual([])
    expect(verdict.ok).toBe(true)
  },
)
