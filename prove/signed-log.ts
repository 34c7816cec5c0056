import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type pg from 'pg'
import { writeVerifier } from '../src/audit/note.ts'
import { planPackage, writePackage } from '../src/jobs/evidence.ts'
import { growTree } from '../src/jobs/sequencer.ts'
import { signTree } from '../src/jobs/signer.ts'
import { evidenceOn } from '../src/store/audit-evidence.ts'
import { openDatabase, type Database, type Query } from '../src/store/database.ts'

/** What a judge holds of a log beside it: the key, and checkpoints that were kept out of reach. */
export interface KeptEvidence {
  readonly verifier: string
  readonly anchors: string
}

/** A real log: several connections' lanes, two entries a transaction, with one in seven rolled back. */
export async function writeLog(database: Database, transactions: number): Promise<void> {
  const write = (count: number): Promise<void> =>
    database.transaction(async ({ audit, query }) => {
      // Held open a moment, so that the pool has to use every connection.
      await query('select pg_sleep(0.002)')
      const entry = { actor: 'system:worker', outcome: 'ok', dataset: 'resident' } as const
      await audit({ ...entry, type: 'page.saved', feed: 'LZ-GA-RK-001', count })
      await audit({ ...entry, type: 'changes.pulled', actor: 'consumer:platform', count })
      if (count % 7 === 3) throw new Error('rolled back')
    })
  await Promise.allSettled(Array.from({ length: transactions }, (_, count) => write(count)))
}

const ORIGIN = 'audit.example.gov.cn/share/1'

/**
 * Writes a log over several connections, while it is given its places and signed as it grows, and keeps what was signed in `folder`.
 * `rounds` are numbers of transactions; after each the tree is signed.
 */
export async function writeSignedLog(url: string, folder: string, rounds: readonly number[]): Promise<KeptEvidence> {
  const [writer, sequencer, signing] = [
    openDatabase({ url, processName: 'writer', connections: 4 }),
    openDatabase({ url, processName: 'sequencer', connections: 1, role: 'gridbridge_sequencer' }),
    openDatabase({ url, processName: 'signer', connections: 1, role: 'gridbridge_signer' }),
  ]
  const { privateKey } = generateKeyPairSync('ed25519')
  const anchors = path.join(folder, 'anchors')
  rmSync(anchors, { recursive: true, force: true })
  mkdirSync(anchors, { recursive: true })
  const signer = { origin: ORIGIN, privateKey, signedFile: path.join(folder, 'signed') }
  rmSync(signer.signedFile, { force: true })
  let isNewLog = true
  for (const transactions of rounds) {
    const writing = writeLog(writer, transactions)
    await growTree(sequencer)
    await writing
    while ((await growTree(sequencer)) > 0) continue
    await signTree(signing.query, { ...signer, isNewLog })
    isNewLog = false
  }
  const notes = await signing.query<{ size: number; note: string }>('select size, note from audit.checkpoint')
  for (const { size, note } of notes) writeFileSync(path.join(anchors, String(size)), note)
  await Promise.all([writer, sequencer, signing].map((database) => database.close()))
  return { verifier: writeVerifier({ name: ORIGIN, publicKey: createPublicKey(privateKey) }), anchors }
}

/** Makes the log one that nobody has written to, as only a superuser can. */
export async function forgetLog(query: Query): Promise<void> {
  await query(
    'truncate audit.entry, audit.lane, audit.tree_growth, audit.tree_leaf, audit.lane_end, audit.tile, audit.cosignature, audit.checkpoint',
  )
  await query('update audit.tree set size = 0')
}

/** Exports what lies in the log, as the client's transaction sees it. */
export async function exportLog(client: pg.Client, folder: string, { verifier }: KeptEvidence): Promise<void> {
  rmSync(folder, { recursive: true, force: true })
  const evidence = await evidenceOn(client)
  const plan = await planPackage(evidence, { kind: 'whole' })
  await writePackage(evidence, plan, { folder, verifiers: [verifier], madeAt: '2026-11-28T00:00:00.000Z' })
}
