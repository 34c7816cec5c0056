import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { hashOf, nodesOf } from '../../src/audit/merkle.ts'
import { SM3 } from '../../src/audit/tree-hash.ts'
import { nodeReader, tileOf } from '../../src/audit/tiles.ts'
import { verifyTree } from '../../src/audit/verify-tree.ts'
import { readLogVerifier } from '../../src/jobs/note-keys.ts'
import { catchUp, growTree, startSequencer } from '../../src/jobs/sequencer.ts'
import { signTrees } from '../../src/jobs/signer.ts'
import { openAuditSnapshot } from '../../src/store/audit-log.ts'
import { readTiles, readTreeSizes } from '../../src/store/audit-tree.ts'
import { openDatabase, type Database } from '../../src/store/database.ts'
import { codeOf } from '../support/coded-error.ts'
import { environmentOf, runCommand } from '../support/command-line.ts'
import { makeGmSigners, type GmSigners } from '../support/gm-log.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'

/** An installation of the suite standard with a log that is signed. */
let installation: TestInstallation
let sequencer: Database
let signing: Database
let signers: GmSigners
let folder: string

const write = (entries: number): Promise<void> =>
  installation.database.transaction(async ({ audit }) => {
    for (let count = 0; count < entries; count++)
      await audit({ type: 'page.saved', actor: 'system:worker', outcome: 'ok', count })
  })

beforeEach(async () => {
  installation = await openTestInstallation('suite-change', 3)
  const { databaseUrl: url } = installation
  sequencer = openDatabase({ url, processName: 'sequencer', connections: 1, role: 'gridbridge_sequencer' })
  signing = openDatabase({ url, processName: 'signer', connections: 1, role: 'gridbridge_signer' })
  folder = mkdtempSync(path.join(tmpdir(), 'gridbridge-suite-'))
  signers = makeGmSigners(folder)
  await write(300)
  await growTree(sequencer)
  await signTrees(signing.query, [signers.sha256])
})
afterEach(async () => {
  await Promise.all([sequencer.close(), signing.close()])
  await installation.close()
  rmSync(folder, { recursive: true })
})

const sizes = async () => Object.fromEntries(await readTreeSizes(signing.query))

/** RFC 6962 §2.1 as it is written there, over the bodies as they lie in the database. */
async function rootByDefinition(): Promise<Buffer> {
  const rows = await installation.asOwner<{ body: Buffer }>(
    'select body from audit.tree_leaf join audit.entry using (lane_id, lane_seq) order by leaf_index',
  )
  const rootOf = (leaves: readonly Buffer[]): Buffer => {
    if (leaves.length <= 1) return leaves[0] ?? SM3.empty
    const split = 2 ** (Math.ceil(Math.log2(leaves.length)) - 1)
    return SM3.node(rootOf(leaves.slice(0, split)), rootOf(leaves.slice(split)))
  }
  return rootOf(rows.map(({ body }) => SM3.leaf(body)))
}

async function rootFromTiles(): Promise<Buffer> {
  const whole = { start: 0, end: (await readTreeSizes(signing.query)).get('sm3') ?? 0 }
  const tiles = await readTiles(signing.query, nodesOf(whole).map(tileOf), 'sm3')
  return hashOf(whole, nodeReader(tiles, SM3), SM3)
}

async function verifySm3() {
  const snapshot = await openAuditSnapshot(installation.ownerUrl)
  try {
    const verifier = readLogVerifier(signers.verifiers.sm3)
    if (verifier === null) throw new Error('wanted a verifier')
    return await verifyTree(snapshot.leaves(SM3), snapshot.sm3Checkpoints, { verifier })
  } finally {
    await snapshot.close()
  }
}

test('the tree over SM3 is built from the first entry on, behind the other one, and then grows with it', async () => {
  expect(await sizes()).toEqual({ sha256: 300 })
  for (let turn = 0; turn < 7; turn++) await write(300)
  await growTree(sequencer, ['sha256', 'sm3'])
  await growTree(sequencer, ['sha256', 'sm3'])
  expect(await sizes()).toEqual({ sha256: 2400 })
  expect(await catchUp(sequencer)).toBe(2000)
  await signTrees(signing.query, [signers.sm3])
  expect(await verifySm3()).toEqual({ state: 'whole', leaves: 2000, checkpoints: 1, signed: 2000 })
  expect([await catchUp(sequencer), await catchUp(sequencer)]).toEqual([400, 0])
  expect(await rootFromTiles()).toEqual(await rootByDefinition())
  await write(5)
  const errors: unknown[] = []
  const stop = startSequencer(sequencer, (error) => errors.push(error), 'gm')
  while ((await sizes())['sm3'] !== 2405) await wait(20)
  await stop()
  expect(errors).toEqual([])
  expect(await sizes()).toEqual({ sha256: 2405, sm3: 2405 })
  expect(await rootFromTiles()).toEqual(await rootByDefinition())
  expect(await signTrees(signing.query, [signers.sha256, signers.sm3])).toBe(2405)
})

test.each([
  ['changed', 'update audit.entry set body = set_byte(body, 100, get_byte(body, 100) # 1)'],
  ['removed', 'delete from audit.entry'],
])('an entry that was %s before stops it, and the tree over SHA-256 goes on', async (_how, statement) => {
  await installation.asOwner(
    `${statement} where (lane_id, lane_seq) = (select lane_id, lane_seq from audit.tree_leaf where leaf_index = 200)`,
  )
  expect(await codeOf(() => catchUp(sequencer))).toBe('AUDIT_BROKEN')
  await write(3)
  const errors: unknown[] = []
  const stop = startSequencer(sequencer, (error) => errors.push(error), 'gm')
  while ((await sizes())['sha256'] !== 303) await wait(20)
  await stop()
  expect(errors.length).toBeGreaterThan(0)
  expect(await sizes()).toEqual({ sha256: 303 })
})

test(
  'gridbridge audit key, sign, verify and export with both keys, beside each other',
  { timeout: 240_000 },
  async () => {
    const environment = { ...environmentOf(installation), GRIDBRIDGE_SUITE: 'gm' }
    const run = async (...given: readonly string[]) => {
      const { code, output } = await runCommand(['audit', ...given, '--json'], environment)
      return [code, JSON.parse(output || '{}') as Record<string, unknown>] as const
    }
    await installation.asOwner('delete from audit.checkpoint')
    await catchUp(sequencer)
    const name = 'audit.example.gov.cn/share/2'
    const at = (file: string): string => path.join(folder, file)
    const [, { verifier }] = await run('key', at('a'), '--name', name)
    const [, { verifier: sm2Verifier }] = await run('key', at('b'), '--name', name, '--suite', 'gm')
    expect(sm2Verifier).toMatch(/^audit\.example\.gov\.cn\/share\/2\/sm3\+[0-9a-f]{8}\+\/2dt/)
    const sign = ['sign', '--key', at('a'), '--signed', at('s'), '--name', name, '--new-log']
    expect((await run(...sign))[0]).toBe(2)
    expect(await run(...sign, '--sm2-key', at('b'))).toEqual([0, { size: 300 }])
    for (const key of [verifier, sm2Verifier])
      expect(await run('verify', '--verifier', String(key))).toEqual([
        0,
        { state: 'whole', leaves: 300, checkpoints: 1, signed: 300 },
      ])
    const keys = ['--verifier', String(verifier), '--verifier', String(sm2Verifier)]
    expect(await run('export', '--all', '--out', at('package'), ...keys)).toMatchObject([0, { signed: 300 }])
  },
)
