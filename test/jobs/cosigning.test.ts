import { createPublicKey, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { FastifyInstance } from 'fastify'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { cosignedAt } from '../../src/audit/cosignature.ts'
import { publicKeyOf, readNote, writeVerifier, type NoteVerifier } from '../../src/audit/note.ts'
import { SHA256, SM3 } from '../../src/audit/tree-hash.ts'
import { buildWitnessServer } from '../../src/http/witness-server.ts'
import { haveCosigned, submitWith } from '../../src/jobs/cosigning.ts'
import { readLogVerifier } from '../../src/jobs/note-keys.ts'
import { catchUp, growTree } from '../../src/jobs/sequencer.ts'
import { createSigningKey } from '../../src/jobs/signer-files.ts'
import { signTree, signTrees, type Signer } from '../../src/jobs/signer.ts'
import { watchSigning } from '../../src/jobs/signing-watch.ts'
import { openWitness } from '../../src/jobs/witness-state.ts'
import { createEgressGuard } from '../../src/security/egress.ts'
import { openDatabase, type Database } from '../../src/store/database.ts'
import { codeOf } from '../support/coded-error.ts'
import { environmentOf, runCommand } from '../support/command-line.ts'
import { makeGmSigners } from '../support/gm-log.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { listen } from '../support/listen.ts'

const ORIGIN = 'audit.example.gov.cn/share/1'
const NAME = 'witness.example.gov.cn/w1'

let folder: string
let installation: TestInstallation
let sequencer: Database
let signing: Database
let signer: Signer
let witnessKey: KeyObject
let verifier: NoteVerifier
let server: FastifyInstance
let url: string

async function openServer(state: string): Promise<void> {
  const logs = [{ name: ORIGIN, publicKey: publicKeyOf(signer.privateKey) }]
  const options = { name: NAME, privateKey: witnessKey, logs, state: path.join(folder, state), isNewLog: true }
  server = buildWitnessServer(openWitness(options))
  url = await server.listen({ host: '127.0.0.1', port: 0 })
}

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'gridbridge-cosigning-'))
  installation = await openTestInstallation('cosigning')
  const { databaseUrl } = installation
  const one = { url: databaseUrl, connections: 1 }
  sequencer = openDatabase({ ...one, processName: 'sequencer', role: 'gridbridge_sequencer' })
  signing = openDatabase({ ...one, processName: 'signer', role: 'gridbridge_signer' })
  const privateKey = createSigningKey(path.join(folder, 'key'))
  signer = { origin: ORIGIN, privateKey, signedFile: path.join(folder, 'signed'), isNewLog: true }
  witnessKey = createSigningKey(path.join(folder, 'witness-key'))
  verifier = { name: NAME, publicKey: createPublicKey(witnessKey) }
  await openServer('state')
})
afterEach(async () => {
  await Promise.all([server.close(), sequencer.close(), signing.close()])
  await installation.close()
  rmSync(folder, { recursive: true })
})

async function grow(entries: number): Promise<void> {
  await installation.database.transaction(async ({ audit }) => {
    for (let count = 0; count < entries; count++)
      await audit({ type: 'page.saved', actor: 'system:worker', outcome: 'ok', count })
  })
  expect(await growTree(sequencer)).toBe(entries)
  await signTree(signing.query, signer)
}

const have = (at = url) =>
  haveCosigned(signing.query, { url: at, verifier }, submitWith(createEgressGuard(['loopback'])))

const readNewest = async (): Promise<number | null> => {
  const { note } = await openFresh()
  return cosignedAt(readNote(note ?? '') ?? { text: '', signatures: [] }, verifier)
}

/** The state as a process sees it that has just begun. */
async function openFresh() {
  const database = openDatabase({ url: installation.databaseUrl, processName: 'fresh', connections: 1 })
  try {
    return await database.signing()
  } finally {
    await database.close()
  }
}

test('each checkpoint is cosigned as the log grows, and the newest note carries it', async () => {
  await have()
  for (const entries of [5, 300, 1]) {
    await grow(entries)
    expect(await readNewest()).toBeNull()
    await have()
    await have()
    expect(Math.abs(((await readNewest()) ?? 0) - Date.now() / 1000)).toBeLessThan(20)
  }
})

test('what the witness cosigned and the database does not know, for whatever reason, is found by its answer', async () => {
  await grow(5)
  await have()
  await installation.asOwner('delete from audit.cosignature')
  await have()
  expect(await readNewest()).not.toBeNull()
  await grow(7)
  await installation.asOwner('delete from audit.cosignature')
  await have()
  expect(await readNewest()).not.toBeNull()
})

test('a witness that saw another tree is a fork, and one that does not answer is late, which raises an alert', async () => {
  await grow(300)
  await have()
  await installation.asOwner('delete from audit.cosignature')
  await installation.asOwner('delete from audit.checkpoint')
  await installation.asOwner(
    `update audit.tile set hashes = set_byte(hashes, 4, get_byte(hashes, 4) # 1) where tile_level = 1 or tile_index = 1`,
  )
  rmSync(signer.signedFile)
  await signTree(signing.query, signer)
  expect(await codeOf(() => have())).toBe('AUDIT_FORKED')
  await server.close()
  expect(await codeOf(() => have())).toBe('WITNESS_UNAVAILABLE')

  const openAlerts = () =>
    installation.asOwner(`select from gridbridge.alert where kind = 'witness-late' and cleared_at is null`)
  const limits = { witnesses: [NAME], witnessSeconds: 60 }
  await watchSigning(installation.database, limits)
  expect(await openAlerts()).toHaveLength(0)
  await installation.asOwner(`update audit.checkpoint set signed_at = signed_at - interval '61 s'`)
  await watchSigning(installation.database, limits)
  expect(await openAlerts()).toHaveLength(1)
  await openServer('another state')
  await have()
  await watchSigning(installation.database, limits)
  expect(await openAlerts()).toHaveLength(0)
})

test('an address that may not be called, a redirect and a false cosignature count for nothing', async () => {
  await grow(3)
  const guarded = haveCosigned(signing.query, { url, verifier }, submitWith(createEgressGuard(['10.0.0.0/8'])))
  expect(await codeOf(() => guarded)).toBe('WITNESS_UNAVAILABLE')
  const answers: readonly (readonly [number, Readonly<Record<string, string>>, string])[] = [
    [307, { location: `${url}/add-checkpoint` }, ''],
    [200, {}, ''],
    [200, {}, `— ${NAME} ${Buffer.alloc(76).toString('base64')}\n`],
    [200, {}, 'x'.repeat(100_000)],
    [500, {}, ''],
  ]
  for (const [status, headers, body] of answers) {
    const liar = createServer((_request, response) => response.writeHead(status, headers).end(body))
    const port = await listen(liar)
    expect(await codeOf(() => have(`http://127.0.0.1:${port}`)), `${status} ${body.length}`).toBe('WITNESS_UNAVAILABLE')
    liar.close()
  }
  expect(await installation.asOwner('select from audit.cosignature')).toEqual([])
})

test('a witness that knows the SM2 key cosigns the tree over SM3 as well, and one that does not is asked in vain and in peace', async () => {
  const { sha256, sm3, verifiers } = makeGmSigners(folder)
  await catchUp(sequencer)
  await server.close()
  const logs = [verifiers.sha256, verifiers.sm3].map(readLogVerifier).filter((log) => log !== null)
  const growBoth = async (entries: number): Promise<void> => {
    await installation.database.transaction(async ({ audit }) => {
      for (let count = 0; count < entries; count++)
        await audit({ type: 'page.saved', actor: 'a', outcome: 'ok', count })
    })
    await growTree(sequencer, ['sha256', 'sm3'])
    await signTrees(signing.query, [{ ...sha256, signedFile: path.join(folder, 'sha256') }, sm3])
  }
  const open = async (known: readonly NoteVerifier[], state: string): Promise<void> => {
    const options = { name: NAME, privateKey: witnessKey, logs: known, state: path.join(folder, state), isNewLog: true }
    server = buildWitnessServer(openWitness(options))
    url = await server.listen({ host: '127.0.0.1', port: 0 })
  }
  const cosigned = async () =>
    installation.asOwner<{ algorithm: string; size: number }>(
      'select algorithm, size::int as size from audit.cosignature order by algorithm, size',
    )
  const haveBoth = async (): Promise<void> => {
    for (const tree of [SHA256, SM3])
      await haveCosigned(signing.query, { url, verifier }, submitWith(createEgressGuard(['loopback'])), tree)
  }
  await open(logs.slice(0, 1), 'one')
  await growBoth(5)
  await haveBoth()
  expect(await cosigned()).toEqual([{ algorithm: 'sha256', size: 5 }])
  await server.close()
  await open(logs, 'both')
  for (const entries of [300, 1]) {
    await growBoth(entries)
    await haveBoth()
  }
  expect((await cosigned()).filter(({ algorithm }) => algorithm === 'sm3').map(({ size }) => size)).toEqual([305, 306])
  await installation.asOwner(`delete from audit.cosignature where algorithm = 'sm3'`)
  await installation.asOwner(`delete from audit.checkpoint where algorithm = 'sm3'`)
  await installation.asOwner(
    `update audit.tile set hashes = set_byte(hashes, 4, get_byte(hashes, 4) # 1) where algorithm = 'sm3' and tile_index = 1`,
  )
  rmSync(sm3.signedFile)
  await signTrees(signing.query, [sm3])
  expect(await codeOf(haveBoth)).toBe('AUDIT_FORKED')
})

test('gridbridge audit sign asks the witness, and audit verify wants its cosignature where it is given its key', async () => {
  await installation.database.transaction(({ audit }) => audit({ type: 'page.saved', actor: 'a', outcome: 'ok' }))
  await growTree(sequencer)
  const witness = writeVerifier(verifier, 'cosignature')
  const environment = {
    ...environmentOf(installation),
    WITNESS_URLS: url,
    WITNESS_VERIFIERS: witness,
    GRIDBRIDGE_EGRESS_ALLOW: 'loopback',
  }
  const key = path.join(folder, 'key')
  const sign = ['audit', 'sign', '--key', key, '--signed', signer.signedFile, '--name', ORIGIN, '--new-log', '--json']
  expect((await runCommand(sign, environment)).code).toBe(0)
  const log = writeVerifier({ name: ORIGIN, publicKey: publicKeyOf(signer.privateKey) })
  const verify = ['audit', 'verify', '--verifier', log, '--witness', witness, '--json']
  const { code, output } = await runCommand(verify, environment)
  expect([code, JSON.parse(output)]).toEqual([0, { state: 'whole', leaves: 1, checkpoints: 1, signed: 1, cosigned: 1 }])
  await installation.asOwner('delete from audit.cosignature')
  expect((await runCommand(verify, environment)).code).toBe(2)
})
