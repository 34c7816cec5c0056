import { expect, test } from 'vitest'
import { proveAddresses } from '../prove/addresses.ts'

test(
  'no way of writing a forbidden address gets through any door, nor a redirect, nor a name that changes its mind',
  { timeout: 120_000 },
  async () => {
    const { connections, deaf, forms, doors, ok } = await proveAddresses()
    expect({ connections, deaf }).toEqual({ connections: [], deaf: [] })
    expect(forms).toBeGreaterThanOrEqual(300)
    expect(doors).toBe(8)
    expect(ok).toBe(true)
  },
)
