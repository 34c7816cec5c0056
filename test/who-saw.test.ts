import { expect, test } from 'vitest'
import { proveWhoSaw } from '../prove/who-saw.ts'

test('who saw a person is answered as a plain scan would, with proofs, also where the index is damaged', async () => {
  const verdict = await proveWhoSaw({ entries: 6000, persons: 20, damaged: 6, seed: 2026 })
  expect(verdict).toMatchObject({
    ok: true,
    wrong: 0,
    unproved: 0,
    wrongSearches: 0,
    damaged: { wrong: 0, alerts: 1, wrongAfter: 0, alertsAfter: 0 },
  })
  expect(verdict.proofs).toBe(verdict.sightings)
  expect(verdict.sightings).toBeGreaterThan(20)
}, 180_000)
