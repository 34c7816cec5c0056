import { afterAll, beforeAll, expect, test } from 'vitest'
import { compareWithModel } from '../../prove/sharing.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'

let installation: TestInstallation
beforeAll(async () => {
  installation = await openTestInstallation('sharing-model')
})
afterAll(() => installation.close())

test('what leaves is what a small model of the agreements lets leave, with either layer alone too', async () => {
  const seed = Date.now() % 100_000
  const verdict = await compareWithModel(installation, { records: 60, agreements: 8, seed })
  expect(verdict).toMatchObject({ ok: true, seed, differences: 0, selectionAlone: 0, shareAlone: 0, first: null })
  expect(verdict.cases).toBe(60 * 8 * installation.datasets.size)
})
