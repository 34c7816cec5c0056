import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readCheckpoint } from '../../src/audit/checkpoint.ts'
import { isSignedBy, readNote } from '../../src/audit/note.ts'
import { startSequencer } from '../../src/jobs/sequencer.ts'
import { startSigner } from '../../src/jobs/signer.ts'
import { watchSigning } from '../../src/jobs/signing-watch.ts'
import { openDatabase, type Database } from '../../src/store/database.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerConsumer, registerFeed, residentRows, storeRows } from '../support/ledger.ts'
import { bearerOf, openDoor } from './door.ts'

const MOST_SECONDS = 3
const ORIGIN = 'audit.example.gov.cn/share/1'

let installation: TestInstallation
let server: FastifyInstance
let authorization = ''
let database: Database
let building: Database
let signing: Database
let stopBuilding: () => Promise<void>
const folder = mkdtempSync(path.join(tmpdir(), 'gridbridge-unsigned-'))
const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const errors: unknown[] = []

beforeAll(async () => {
  installation = await openTestInstallation('api')
  const { databaseUrl: url } = installation
  database = openDatabase({ url, processName: 'api', connections: 4, mostUnsignedSeconds: MOST_SECONDS })
  building = openDatabase({ url, processName: 'sequencer', connections: 1, role: 'gridbridge_sequencer' })
  signing = openDatabase({ url, processName: 'signer', connections: 1, role: 'gridbridge_signer' })
  stopBuilding = startSequencer(building, (error) => errors.push(error))
  server = await openDoor({ ...installation, database })
  const feed = await registerFeed(installation, 'LZ-GA-RK-001')
  await storeRows(installation, feed, residentRows(1, 3))
  authorization = await bearerOf(server, await registerConsumer(installation, 'grid-platform'))
})
afterAll(async () => {
  await stopBuilding()
  await Promise.all([server.close(), database.close(), building.close(), signing.close()])
  await installation.close()
  rmSync(folder, { recursive: true })
})

const sign = () =>
  startSigner(
    signing,
    [{ origin: ORIGIN, privateKey, signedFile: path.join(folder, 'signed'), isNewLog: true }],
    (error) => errors.push(error),
  )

const pull = (of = 'changes') => server.inject({ url: `/api/v1/datasets/resident/${of}`, headers: { authorization } })

/** Asks again and again; returns how many milliseconds it took until the answer was this one. */
async function until(status: number, withinMs: number): Promise<number> {
  const startedAt = Date.now()
  while ((await pull()).statusCode !== status) {
    if (Date.now() - startedAt > withinMs) throw new Error(`no ${status} within ${withinMs} ms`)
    await wait(100)
  }
  return Date.now() - startedAt
}

const noteOf = (header: unknown) => readNote(Buffer.from(String(header), 'base64').toString('utf8'))

describe('without a signer', () => {
  test('answers stop when the oldest entry is too old, and nothing but answers with data', async () => {
    await until(503, 1000 * (MOST_SECONDS + 3))
    const answer = await pull()
    expect(answer.json()).toMatchObject({ status: 503, code: 'AUDIT_UNSIGNED', retry: true })
    expect(answer.body).not.toContain('R-1')
    expect(answer.headers['gridbridge-checkpoint']).toBeUndefined()
    expect((await pull('snapshot')).json()).toMatchObject({ code: 'AUDIT_UNSIGNED' })
    const ready = await server.inject('/readyz')
    expect(ready.json()).toMatchObject({ state: 'ok', disclosures: 'stopped' })
    expect(ready.json<{ unsignedSeconds: number }>().unsignedSeconds).toBeGreaterThan(MOST_SECONDS)
    expect((await server.inject('/metrics')).body).toMatch(/^gridbridge_audit_unsigned_seconds [3-9]/m)
    expect((await server.inject({ url: '/api/v1/notices', headers: { authorization } })).statusCode).toBe(200)
  })

  test('nothing was written down of what was not answered', async () => {
    const before = await installation.asOwner(`select from audit.entry where event_type like '%.pulled'`)
    expect((await pull()).statusCode).toBe(503)
    expect(await installation.asOwner(`select from audit.entry where event_type like '%.pulled'`)).toEqual(before)
  })
})

test('answers go on within seconds of signing, each with the newest checkpoint, and stop again when the signer is gone', async () => {
  const stop = sign()
  expect(await until(200, 10_000)).toBeLessThan(10_000)
  await wait(2500)
  for (const of of ['changes', 'snapshot', 'reconciliation']) {
    const note = noteOf((await pull(of)).headers['gridbridge-checkpoint'])
    expect(note !== null && isSignedBy(note, { name: ORIGIN, publicKey })).toBe(true)
    expect(readCheckpoint(note?.text ?? '')?.size).toBeGreaterThan(0)
  }
  expect((await server.inject('/readyz')).json()).toMatchObject({ disclosures: 'open' })
  await stop()
  expect(await until(503, 1000 * (MOST_SECONDS + 3))).toBeGreaterThan(1000 * (MOST_SECONDS - 2))
  const again = sign()
  await until(200, 10_000)
  await again()
  expect(errors).toEqual([])
})

test('a minute without a checkpoint raises an alert, which signing takes back', async () => {
  const none = { witnesses: [], witnessSeconds: 300 }
  const openAlerts = () =>
    installation.asOwner(`select from gridbridge.alert where kind = 'signing-behind' and cleared_at is null`)
  await installation.database.transaction(({ audit }) =>
    audit({ type: 'page.saved', actor: 'system:worker', outcome: 'ok' }),
  )
  await until(503, 1000 * (MOST_SECONDS + 3))
  await watchSigning(database, none)
  expect(await openAlerts()).toHaveLength(0)
  await installation.asOwner(`update audit.tree_growth set oldest = oldest - interval '61 s'`)
  await wait(1500)
  await watchSigning(database, none)
  expect(await openAlerts()).toHaveLength(1)
  const stop = sign()
  await until(200, 10_000)
  await watchSigning(database, none)
  await stop()
  expect(await openAlerts()).toHaveLength(0)
})
