import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { playRotate } from '../prove/rotate.ts'
import { openTestInstallation, type TestInstallation } from './support/installation.ts'

let installation: TestInstallation
let directory: string
beforeEach(async () => {
  installation = await openTestInstallation('rotate', 12)
  directory = mkdtempSync(path.join(tmpdir(), 'gridbridge-rotate-'))
})
afterEach(async () => {
  await installation.close()
  rmSync(directory, { recursive: true, force: true })
})

test('both kinds of keys rotate while a process serves and records are saved: nothing fails, nobody is told of what did not change, and a copy of all tables says nothing', async () => {
  const kekFile = path.join(directory, 'kek')
  writeFileSync(kekFile, `${inject('keyEncryptionKey')}\n`, { mode: 0o600 })
  const seed = Date.now() % 100_000
  const options = { records: 3000, canaries: 60, replicas: 1, seed, drainMs: 1000 }
  const verdict = await playRotate({ installation, kekFile }, options, directory)
  expect(verdict).toMatchObject({ seed, failed: 0, wrong: 0, spurious: 0, untold: 0, hits: [], openedWithoutKey: 0 })
  // Each canary's record or refused row, a signing secret, and the persons that were merged meanwhile.
  expect(verdict.openedWithKey).toBeGreaterThanOrEqual(61)
  expect(verdict).toMatchObject({ ok: true, oldKeyRefused: true, oldKekRefused: true })
}, 120_000)
