import { afterEach, beforeEach, expect, test } from 'vitest'
import { playFeed } from '../prove/feed.ts'
import { playSnapshot } from '../prove/snapshot.ts'
import { openTestInstallation, type TestInstallation } from './support/installation.ts'

let installation: TestInstallation
beforeEach(async () => {
  installation = await openTestInstallation('feed', 12)
})
afterEach(() => installation.close())

test('three consumers that pull and two that are pushed to end with what is stored, whatever order writers commit in', async () => {
  const seed = Date.now() % 100_000
  const verdict = await playFeed(installation, { writers: 12, seconds: 5, seed })
  expect(verdict).toMatchObject({ seed, wrong: 0, older: 0, pulledTwice: 0 })
  // The same reader without the fence loses changes in the same seconds.
  expect(verdict).toMatchObject({ ok: true, unfencedWrong: expect.toSatisfy((wrong: number) => wrong > 0) as number })
}, 60_000)

test('a snapshot that is taken while records change, and the feed after it, come to what is stored, each version once', async () => {
  const seed = Date.now() % 100_000
  const verdict = await playSnapshot(installation, { records: 10_000, seed })
  expect(verdict).toMatchObject({ ok: true, seed, wrong: 0, twice: 0 })
}, 60_000)
