import { spawn, spawnSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { rmSync } from 'node:fs'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { Client } from 'pg'
import { writeVerifier } from '../../src/audit/note.ts'
import { planPackage, writePackage, type Extent } from '../../src/jobs/evidence.ts'
import { growTree } from '../../src/jobs/sequencer.ts'
import { signTree } from '../../src/jobs/signer.ts'
import { evidenceOn } from '../../src/store/audit-evidence.ts'
import { openDatabase } from '../../src/store/database.ts'
import type { TestInstallation } from './installation.ts'
import { needService } from './services.ts'

const ORIGIN = 'audit.example.gov.cn/share/1'

/** The key of a log, and its entries signed as they grow. */
export interface SignedLog {
  readonly privateKey: KeyObject
  readonly verifier: string
  /** Writes entries over several lanes, gives them their places and signs the tree. */
  readonly grow: (entries: number) => Promise<void>
  readonly close: () => Promise<void>
}

export function openSignedLog(installation: TestInstallation, folder: string): SignedLog {
  const { databaseUrl: url } = installation
  const { privateKey } = generateKeyPairSync('ed25519')
  const sequencer = openDatabase({ url, processName: 'sequencer', connections: 1, role: 'gridbridge_sequencer' })
  const signing = openDatabase({ url, processName: 'signer', connections: 1, role: 'gridbridge_signer' })
  const signer = { origin: ORIGIN, privateKey, signedFile: path.join(folder, 'signed') }
  let isNewLog = true
  return {
    privateKey,
    verifier: writeVerifier({ name: ORIGIN, publicKey: createPublicKey(privateKey) }),
    grow: async (entries) => {
      const event = { type: 'changes.pulled', actor: 'consumer:platform', outcome: 'ok', dataset: 'resident' } as const
      const write = (count: number): Promise<void> =>
        installation.database.transaction(async ({ audit }) => audit({ ...event, count }))
      await Promise.all(Array.from({ length: entries }, (_, count) => write(count)))
      while ((await growTree(sequencer)) > 0) continue
      await signTree(signing.query, { ...signer, isNewLog })
      isNewLog = false
    },
    close: async () => {
      await sequencer.close()
      await signing.close()
    },
  }
}

/** Writes a package of what lies there, as `audit export` does; with the tree over SM3 where its key is given too. */
export async function exportTo(
  folder: string,
  ownerUrl: string,
  extent: Extent,
  verifier: string,
  sm3Verifier?: string,
): Promise<void> {
  const client = new Client({ connectionString: ownerUrl })
  await client.connect()
  try {
    await client.query('begin read only')
    const evidence = await evidenceOn(client)
    rmSync(folder, { recursive: true, force: true })
    const plan = await planPackage(evidence, extent, sm3Verifier !== undefined)
    const verifiers = [verifier, sm3Verifier ?? ''].filter((one) => one !== '')
    await writePackage(evidence, plan, { folder, verifiers, madeAt: '2026-11-28T00:00:00.000Z' })
  } finally {
    await client.end()
  }
}

export interface Judged {
  readonly code: number | null
  readonly verdict: unknown
}

/** Runs one verifier of a package as its README says, with nothing in its environment, and where it is wanted in a network of its own. */
async function runVerifier(program: readonly string[], given: readonly string[]): Promise<Judged> {
  const [command = '', ...before] = program
  const child = spawn(command, [...before, ...given, '--json'], {
    env: { PATH: process.env['PATH'], PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<number | null>((resolve) => {
    child.once('exit', resolve)
  })
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)])
  const code = await ended
  try {
    return { code, verdict: JSON.parse(output) as unknown }
  } catch {
    return { code, verdict: `${output}${errors}` }
  }
}

/** What both implementations of a package answer to a command. */
export async function judgeWithBoth(
  folder: string,
  given: readonly string[],
  within: readonly string[] = [],
): Promise<{ readonly node: Judged; readonly python: Judged }> {
  const [node, python] = await Promise.all([
    runVerifier([...within, process.execPath, path.join(folder, 'audit-verify.mjs')], given),
    runVerifier([...within, 'python3', path.join(folder, 'audit_verify.py')], given),
  ])
  return { node, python }
}

const starts = (command: string, given: readonly string[]): boolean => spawnSync(command, given).status === 0

export const hasPython = (): Promise<boolean> => needService('python3', () => starts('python3', ['--version']))

/** Whether a process may have a network of its own, in which there is nothing. */
export const hasEmptyNetworks = (): Promise<boolean> =>
  needService('unshare -n (as root)', () => starts('unshare', ['-n', 'true']))
