import { expect, inject, test } from 'vitest'
import { playFaults } from '../prove/faults.ts'
import { openTestInstallation } from './support/installation.ts'

test('nothing leaves without its committed audit entry while the audit log fails, hangs and dies, and replicas are killed', async () => {
  const installation = await openTestInstallation('faults', 4)
  try {
    const seed = Date.now() % 100_000
    const environment = { GRIDBRIDGE_KEK: inject('keyEncryptionKey') }
    const options = { requests: 2000, chance: 0.01, killEveryMs: 5000, silenceEveryMs: 2000, seed }
    const verdict = await playFaults(installation, environment, options)
    // How long a failure takes on a busy machine is for the long proof; here it only has to end.
    expect(verdict).toMatchObject({ seed, unaudited: 0, recovered: 200 })
    expect(verdict.slowestMs).toBeLessThan(10_000)
    for (const times of [verdict.received, verdict.kills, verdict.silences, ...Object.values(verdict.faults)])
      expect(times).toBeGreaterThan(0)
  } finally {
    await installation.close()
  }
}, 120_000)
