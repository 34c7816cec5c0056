import { expect, test } from 'vitest'
import { createTotpSecret, findTotpStep, totpCode, totpStep } from '../../src/security/totp.ts'

/** RFC 6238, appendix B: the ASCII secret 12345678901234567890 in Base32, and its codes of eight digits. */
const secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'

test.each([
  [59, '94287082'],
  [1_111_111_109, '07081804'],
  [1_111_111_111, '14050471'],
  [1_234_567_890, '89005924'],
  [2_000_000_000, '69279037'],
  [20_000_000_000, '65353130'],
])('at %d s the code is that of RFC 6238', (seconds, code) => {
  expect(totpCode(secret, totpStep(seconds * 1000), 8)).toBe(code)
})

test('a code is good in its step and the ones beside it, and no longer', () => {
  const now = Date.UTC(2026, 9, 10)
  const own = createTotpSecret()
  const code = totpCode(own, totpStep(now))
  expect(own).toMatch(/^[A-Z2-7]{32}$/)
  expect([-60, -30, 0, 30, 60].map((seconds) => findTotpStep(own, code, now + seconds * 1000) !== null)).toEqual([
    false,
    true,
    true,
    true,
    false,
  ])
  expect(findTotpStep(own, '', now)).toBeNull()
})
