import { afterAll, beforeAll, expect, test } from 'vitest'
import { playFeed } from '../prove/feed.ts'
import { openTestInstallation, type TestInstallation } from './support/installation.ts'

let installation: TestInstallation
beforeAll(async () => {
  installation = await openTestInstallation('feed', 12)
})
afterAll(() => installation.close())

test('three consumers that pull and two that are pushed to end with what is stored, whatever order writers commit in', async () => {
  const seed = Date.now() % 100_000
  const verdict = await playFeed(installation, { writers: 12, seconds: 5, seed })
  expect(verdict).toMatchObject({ seed, wrong: 0, older: 0, pulledTwice: 0 })
  // The same reader without the fence loses changes in the same seconds.
  expect(verdict).toMatchObject({ ok: true, unfencedWrong: expect.toSatisfy((wrong: number) => wrong > 0) as number })
}, 60_000)
