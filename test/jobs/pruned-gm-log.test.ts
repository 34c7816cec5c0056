import { afterAll, beforeAll, expect, test } from 'vitest'
import { SM3 } from '../../src/audit/tree-hash.ts'
import { verifyLanes } from '../../src/audit/verify.ts'
import { verifyTree } from '../../src/audit/verify-tree.ts'
import { agreeToPrune } from '../../src/jobs/pruning.ts'
import { openAuditSnapshot } from '../../src/store/audit-log.ts'
import { codeOf } from '../support/coded-error.ts'
import { openOldLog, startOf, type OldLog } from './pruning-stage.ts'

/** 37 months under the suite gm, of which one was removed. */
let log: OldLog
let newest = 0
let told: readonly unknown[]

beforeAll(async () => {
  log = await openOldLog('gm')
  const { asOwner, database } = log.installation
  const unsigned = await codeOf(async () => {
    await asOwner(`create table public.kept as select * from audit.checkpoint where algorithm = 'sm3'`)
    await asOwner(`delete from audit.checkpoint where algorithm = 'sm3'`)
    await log.ask(startOf(36), 'unsigned')
  })
  await asOwner('insert into audit.checkpoint select * from public.kept')
  const { pruningId, minIndex } = await log.ask(startOf(36))
  await agreeToPrune(database, pruningId, 'account:auditor')
  await log.sign()
  told = [unsigned, minIndex, await log.carryOut(pruningId)]
  newest = await log.sign()
}, 240_000)
afterAll(() => log.close())

async function verifyAll() {
  const { sm3Verifier: verifier, installation } = log
  const snapshot = await openAuditSnapshot(installation.ownerUrl)
  try {
    if (verifier === null) throw new Error('wanted a verifier')
    const { pruned } = snapshot
    const inLanes = await verifyLanes(snapshot.lanes, snapshot.entries, pruned)
    const inSha256 = await verifyTree(snapshot.leaves(), snapshot.checkpoints, { verifier: log.verifier, pruned })
    const inSm3 = await verifyTree(snapshot.leaves(SM3), snapshot.sm3Checkpoints, { verifier, pruned })
    return { inLanes, inSha256, inSm3 }
  } finally {
    await snapshot.close()
  }
}

test('what no SM2 key signed stays, and what both did goes once it was approved', () => {
  expect(told).toEqual(['PRUNING_REFUSED', 512, 512])
})

test('the rest verifies in both trees', async () => {
  const checkpoints = new Set(log.sizes.filter((size) => size >= 512)).size
  const whole = { state: 'whole', leaves: newest, checkpoints, signed: newest }
  expect(await verifyAll()).toEqual({
    inLanes: expect.objectContaining({ state: 'whole', pruned: 512 }),
    inSha256: whole,
    inSm3: whole,
  })
})

test.each([
  ['are changed', 'sha256(compact_range_sm3)'],
  ['are taken away', 'null'],
])('the hashes over SM3 of what is gone %s, and it is seen', async (_what, value) => {
  const { asOwner } = log.installation
  await asOwner('create table public.state as select * from audit.state')
  await asOwner(`update audit.state set compact_range_sm3 = ${value}`)
  const { inSm3 } = await verifyAll()
  await asOwner('delete from audit.state; insert into audit.state select * from public.state; drop table public.state')
  expect(inSm3).toMatchObject({ state: 'tampered' })
})
