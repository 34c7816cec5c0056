import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Extent } from '../../src/jobs/evidence.ts'
import {
  exportTo,
  hasEmptyNetworks,
  hasPython,
  judgeWithBoth,
  openSignedLog,
  type SignedLog,
} from '../support/evidence.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'

let installation: TestInstallation
let log: SignedLog
let folder: string
const at = (name: string): string => path.join(folder, name)

const extents = {
  whole: { kind: 'whole' },
  range: { kind: 'range', from: 100, to: 400 },
  times: { kind: 'between', from: '2020-01-01T00:00:00Z', to: null },
} as const satisfies Record<string, Extent>

beforeAll(async () => {
  installation = await openTestInstallation('evidence', 3)
  folder = mkdtempSync(path.join(tmpdir(), 'gridbridge-evidence-'))
  log = openSignedLog(installation, folder)
  for (const entries of [300, 40, 260]) await log.grow(entries)
  for (const [name, extent] of Object.entries(extents))
    await exportTo(at(name), installation.ownerUrl, extent, log.verifier)
  const ids = await installation.asOwner<{ id: string }>(
    'select entry_id as id from audit.tree_leaf join audit.entry using (lane_id, lane_seq) where leaf_index in (0, 255, 599)',
  )
  await exportTo(
    at('entries'),
    installation.ownerUrl,
    { kind: 'entries', entryIds: ids.map(({ id }) => id) },
    log.verifier,
  )
  const [note] = await installation.asOwner<{ note: string }>('select note from audit.checkpoint where size = 340')
  mkdirSync(at('kept'))
  writeFileSync(at('kept/340'), note?.note ?? '')
})
afterAll(async () => {
  await log.close()
  await installation.close()
  rmSync(folder, { recursive: true })
})

const isolated = ['unshare', '-n', '--']

describe.skipIf(!(await hasPython()) || !(await hasEmptyNetworks()))(
  'in a network of its own that holds nothing',
  () => {
    test.each([
      ['whole', { entries: 600, checkpoints: 3, signed: 600 }],
      ['range', { entries: 300, checkpoints: 1, signed: 600 }],
      ['times', { entries: 600, checkpoints: 1, signed: 600 }],
      ['entries', { entries: 3, checkpoints: 1, signed: 600 }],
    ])('both verifiers confirm a package: %s', async (name, facts) => {
      const { node, python } = await judgeWithBoth(at(name), ['bundle', at(name)], isolated)
      expect(node).toMatchObject({ code: 0, verdict: { state: 'whole', ...facts } })
      expect(python).toEqual(node)
    })

    test('one entry and kept checkpoints too', async () => {
      for (const given of [
        ['entry', at('range/proofs/255.tlog-proof')],
        ['anchors', at('kept'), at('whole')],
      ]) {
        const { node, python } = await judgeWithBoth(at('whole'), given, isolated)
        expect(node, given[0]).toMatchObject({ code: 0, verdict: { state: 'whole' } })
        expect(python, given[0]).toEqual(node)
      }
    })
  },
)
