import { createPublicKey } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { NoteVerifier } from '../../src/audit/note.ts'
import { treesOf } from '../../src/audit/tree-hash.ts'
import { askToPrune, carryOutPruning } from '../../src/jobs/pruning.ts'
import { readLogVerifier } from '../../src/jobs/note-keys.ts'
import { catchUp } from '../../src/jobs/sequencer.ts'
import { signTrees, type Signer } from '../../src/jobs/signer.ts'
import { createSigningKey } from '../../src/jobs/signer-files.ts'
import { openDatabase, type Database } from '../../src/store/database.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { makeGmSigners } from '../support/gm-log.ts'
import { openOldLane, placeAll } from '../support/old-log.ts'

/** The 15th of the month that lies so many months back, at noon in China. */
export function monthsAgo(months: number): Date {
  const now = new Date(Date.now() + 8 * 3_600_000)
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 15, 4))
}

/** The beginning of that month in China. */
export function startOf(months: number): Date {
  const at = monthsAgo(months)
  return new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), 1) - 8 * 3_600_000)
}

/** A log of 37 months that was signed each month, and those who keep it. */
export interface OldLog {
  readonly installation: TestInstallation
  readonly signer: Database
  readonly verifier: NoteVerifier
  /** Of the tree over SM3; null under the suite standard. */
  readonly sm3Verifier: NoteVerifier | null
  /** Sizes of the trees that were signed. */
  readonly sizes: readonly number[]
  /** Gives everything that waits its place, and signs nothing. */
  readonly place: () => Promise<void>
  readonly sign: () => Promise<number>
  readonly ask: (until: Date, into?: string) => ReturnType<typeof askToPrune>
  readonly carryOut: (pruningId: number) => Promise<number>
  readonly close: () => Promise<void>
}

/** The oldest month has more entries than the others, one lane ends in it, and some of its entries were committed a month late. */
async function writeMonths(
  installation: TestInstallation,
  place: OldLog['place'],
  sign: OldLog['sign'],
): Promise<void> {
  const long = await openOldLane(installation)
  const old = await openOldLane(installation)
  const late = await openOldLane(installation)
  for (let month = 37; month >= 1; month--) {
    await long.write(monthsAgo(month), month === 37 ? 400 : 12)
    if (month === 37) await old.write(monthsAgo(37), 130)
    if (month === 36) {
      await place()
      await late.write(monthsAgo(37), 3)
    }
    await sign()
  }
}

export async function openOldLog(suite: 'standard' | 'gm' = 'standard'): Promise<OldLog> {
  const installation = await openTestInstallation('pruning')
  const folder = mkdtempSync(path.join(tmpdir(), 'gridbridge-pruning-'))
  const open = (role: 'gridbridge_sequencer' | 'gridbridge_signer' | 'gridbridge_pruner') =>
    openDatabase({ url: installation.databaseUrl, processName: role, connections: 2, role })
  const sequencer = open('gridbridge_sequencer')
  const signer = open('gridbridge_signer')
  const pruner = open('gridbridge_pruner')
  const privateKey = createSigningKey(path.join(folder, 'key'))
  const settings: Signer = {
    origin: 'audit.example/1',
    privateKey,
    signedFile: path.join(folder, 'signed'),
    isNewLog: true,
  }
  const sizes: number[] = []
  const gm = makeGmSigners(path.join(folder))
  const signers = suite === 'gm' ? [settings, gm.sm3] : [settings]
  if (suite === 'gm') await catchUp(sequencer)
  const place = (): Promise<void> => placeAll(sequencer, treesOf(suite))
  const sign = async (): Promise<number> => {
    await place()
    const isNewLog = sizes.length === 0
    const size = await signTrees(
      signer.query,
      signers.map((one) => ({ ...one, isNewLog })),
    )
    sizes.push(size)
    return size
  }
  await writeMonths(installation, place, sign)
  const { database } = installation
  return {
    installation,
    signer,
    verifier: { name: settings.origin, publicKey: createPublicKey(privateKey) },
    sm3Verifier: suite === 'gm' ? readLogVerifier(gm.verifiers.sm3) : null,
    sizes,
    place,
    sign,
    ask: (until, into = 'archive') =>
      askToPrune(database, { until, folder: path.join(folder, into), actor: 'operator:keeper' }),
    carryOut: (pruningId) => carryOutPruning({ application: database, pruner }, pruningId, 'operator:keeper'),
    close: async () => {
      for (const one of [sequencer, signer, pruner]) await one.close()
      await installation.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
