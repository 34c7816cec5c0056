import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openJudge, type Judge } from '../../prove/judges.ts'
import { createRandom } from '../../prove/random.ts'
import type { Extent } from '../../src/jobs/evidence.ts'
import { environmentOf, runCommand } from '../support/command-line.ts'
import {
  exportTo,
  hasEmptyNetworks,
  hasPython,
  judgeWithBoth,
  openSignedLog,
  type SignedLog,
} from '../support/evidence.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { alterations } from './alterations.ts'
import { alterPackage, flipBit, type AlteredPackage } from './altered-package.ts'

const SEED = 20_261_129

let installation: TestInstallation
let log: SignedLog
let folder: string
const at = (name: string): string => path.join(folder, name)

const extents = {
  whole: { kind: 'whole' },
  range: { kind: 'range', from: 220, to: 300 },
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
      ['range', { entries: 80, checkpoints: 1, signed: 600 }],
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

describe.skipIf(!(await hasPython()))('a package that was altered', () => {
  let judges: readonly Judge[]
  beforeAll(() => {
    judges = [openJudge('node'), openJudge('python')]
  })
  afterAll(async () => {
    for (const judge of judges) await judge.close()
  })

  /** What both say to a copy that was altered, which must be the same in every word. */
  async function judgeAltered(of: string, alter: (folder: AlteredPackage) => void) {
    const copy = at('altered')
    cpSync(at(of), copy, { recursive: true })
    try {
      alter(alterPackage(copy))
      const given = ['bundle', copy, '--verifier', log.verifier]
      const [node, python] = await Promise.all(judges.map((judge) => judge.judge(given)))
      expect(python).toEqual(node)
      return node
    } finally {
      rmSync(copy, { recursive: true })
    }
  }

  test.each(alterations)('of $of: $name', async ({ of, alter, expected }) => {
    expect(await judgeAltered(of, alter)).toMatchObject(expected)
  })

  test(`any single bit of any file (seed ${SEED})`, async () => {
    const pick = createRandom(SEED)
    const of = ['whole', 'range']
    const unseen: string[] = []
    for (let turn = 0; turn < 24; turn++) {
      let name = ''
      const verdict = await judgeAltered(of[turn % of.length] ?? '', ({ names, edit }) => {
        const files = names()
        name = files[pick(files.length)] ?? ''
        edit(name, (bytes) => flipBit(bytes, pick(bytes.length * 8)))
      })
      // The manifest lists the others and nothing in the package lists it; its digest is in the log.
      if (name !== 'manifest.json' && verdict?.state === 'whole') unseen.push(`${turn} ${name}`)
    }
    expect(unseen).toEqual([])
  })

  test('the log cut with its last checkpoints looks whole, and is not against one that was kept', async () => {
    const copy = at('cut')
    cpSync(at('whole'), copy, { recursive: true })
    const { editLines, edit, rebuild, reseal } = alterPackage(copy)
    editLines((lines) => lines.slice(0, 300))
    edit('checkpoints.ndjson', (bytes) => bytes.toString().split('\n', 1).join('') + '\n')
    rmSync(path.join(copy, 'tile'), { recursive: true })
    rebuild()
    reseal((manifest) => Object.assign(manifest, { to: 300, size: 300 }))
    for (const judge of judges) {
      expect(await judge.judge(['bundle', copy])).toMatchObject({ state: 'whole', entries: 300 })
      expect(await judge.judge(['anchors', at('kept'), copy])).toMatchObject({
        state: 'tampered',
        index: 300,
        fault: 'log-shorter',
      })
    }
  })
})

describe('gridbridge audit export', () => {
  const exporting = (given: readonly string[]) =>
    runCommand(['audit', 'export', '--verifier', log.verifier, '--json', ...given], {
      ...environmentOf(installation),
      OWNER_DATABASE_URL: installation.ownerUrl,
    })

  test('writes a package, and the log holds who made it and the digest of its manifest', async () => {
    const { code, output } = await exporting(['--out', at('exported'), '--from-index', '3', '--to-index', '7'])
    const made = JSON.parse(output) as { manifest: string }
    expect([code, made]).toMatchObject([0, { kind: 'range', entries: 4, signed: 600 }])
    const digest = createHash('sha256')
      .update(readFileSync(at('exported/manifest.json')))
      .digest('hex')
    const [entry] = await installation.asOwner<{ body: Buffer }>(
      `select body from audit.entry where event_type = 'evidence.exported'`,
    )
    expect(JSON.parse(entry?.body.toString() ?? '')).toMatchObject({ count: 4, outputDigest: digest })
    expect(made.manifest).toBe(digest)
  })

  test.each([
    ['two extents', ['--all', '--from-index', '0', '--to-index', '1'], 'USAGE_INVALID'],
    ['no extent', [], 'USAGE_INVALID'],
    ['half a range', ['--from-index', '3'], 'USAGE_INVALID'],
    ['what is not signed', ['--from-index', '590', '--to-index', '601'], 'EVIDENCE_UNSIGNED'],
    ['nothing', ['--from', '2020-01-01T00:00:00Z', '--to', '2020-01-02T00:00:00Z'], 'EVIDENCE_EMPTY'],
    ['an entry that is not there', ['--entry', '00000000-0000-4000-8000-000000000000'], 'EVIDENCE_EMPTY'],
  ])('refuses %s and leaves nothing behind', async (_name, extent, refusal) => {
    const { code, errors } = await exporting(['--out', at('refused'), ...extent])
    expect([code, errors.split(':')[0]]).toEqual([2, refusal])
    expect(readdirSync(folder).filter((name) => name.startsWith('refused'))).toEqual([])
  })
})
