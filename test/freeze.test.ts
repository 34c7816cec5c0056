import { afterAll, beforeAll, expect, test } from 'vitest'
import { playFreeze } from '../prove/freeze.ts'
import { environmentOf } from './support/command-line.ts'
import { openTestInstallation, type TestInstallation } from './support/installation.ts'

let installation: TestInstallation
beforeAll(async () => {
  installation = await openTestInstallation('freeze')
})
afterAll(() => installation.close())

test('three replicas under load stop with the freeze, and go on where they were when it is lifted', async () => {
  const verdict = await playFreeze(installation, environmentOf(installation), { rows: 3000, frozenMs: 6000 })
  expect(verdict).toMatchObject({ ok: true, disclosedAfter: 0, pagesWhileFrozen: 0, lost: 0, doubled: 0 })
}, 180_000)
