import { createPublicKey } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readCheckpoint } from '../../src/audit/checkpoint.ts'
import { isSignedBy, readNote, writeVerifier, type NoteVerifier } from '../../src/audit/note.ts'
import { growTree } from '../../src/jobs/sequencer.ts'
import { signTree, type Signer } from '../../src/jobs/signer.ts'
import { createSigningKey } from '../../src/jobs/signer-files.ts'
import { openDatabase, type Database } from '../../src/store/database.ts'
import { verifyLog } from '../support/audit-log.ts'
import { codeOf } from '../support/coded-error.ts'
import { environmentOf, runCommand } from '../support/command-line.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'

const ORIGIN = 'audit.example.gov.cn/share/1'

let installation: TestInstallation
let sequencer: Database
let signing: Database
let signer: Signer
let verifier: NoteVerifier

beforeEach(async () => {
  installation = await openTestInstallation('signer')
  const { databaseUrl: url } = installation
  sequencer = openDatabase({ url, processName: 'sequencer', connections: 1, role: 'gridbridge_sequencer' })
  signing = openDatabase({ url, processName: 'signer', connections: 1, role: 'gridbridge_signer' })
  const folder = mkdtempSync(path.join(tmpdir(), 'gridbridge-signer-'))
  const privateKey = createSigningKey(path.join(folder, 'key'))
  signer = { origin: ORIGIN, privateKey, signedFile: path.join(folder, 'signed'), isNewLog: false }
  verifier = { name: ORIGIN, publicKey: createPublicKey(privateKey) }
})
afterEach(async () => {
  await signing.close()
  await sequencer.close()
  await installation.close()
  rmSync(path.dirname(signer.signedFile), { recursive: true })
})

const saved = { type: 'page.saved', actor: 'system:worker', outcome: 'ok' } as const

async function grow(entries: number): Promise<void> {
  await installation.database.transaction(async ({ audit }) => {
    for (let count = 0; count < entries; count++) await audit({ ...saved, count })
  })
  expect(await growTree(sequencer)).toBe(entries)
}

const sign = (change: Partial<Signer> = {}): Promise<number> => signTree(signing.query, { ...signer, ...change })
const beginLog = (): Promise<number> => sign({ isNewLog: true })

async function readPublished(): Promise<readonly string[]> {
  const rows = await installation.asOwner<{ note: string }>('select note from audit.checkpoint order by size')
  return rows.map(({ note }) => note)
}

test('each tree is signed as it grows, by a key that anybody can check it with', async () => {
  await grow(300)
  expect(await beginLog()).toBe(300)
  await grow(40)
  expect(await sign()).toBe(340)
  expect(await sign()).toBe(340)
  const notes = (await readPublished()).map(readNote)
  expect(notes.map((note) => readCheckpoint(note?.text ?? '')?.size)).toEqual([300, 340])
  expect(notes.every((note) => note !== null && isSignedBy(note, verifier))).toBe(true)
})

test('a checkpoint that was remembered and not published before a crash is published by the next signing', async () => {
  await grow(5)
  await beginLog()
  await installation.asOwner('delete from audit.checkpoint')
  expect(await sign()).toBe(5)
  expect(await readPublished()).toHaveLength(1)
})

/** What a superuser does to the log and its tree, so that both fit each other again. */
const rewrite = async (): Promise<void> => {
  await installation.asOwner('delete from audit.tile')
  await installation.asOwner('delete from audit.tree_leaf')
  await installation.asOwner('delete from audit.lane_end')
  await installation.asOwner('update audit.tree set size = 0')
  await installation.asOwner('delete from audit.entry')
  await installation.asOwner('delete from audit.lane')
  await installation.asOwner('delete from audit.tree_growth')
}

describe('nothing is signed that does not continue what was signed last', () => {
  const forks: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['a log that was written anew', () => rewrite().then(() => growAnew(310))],
    ['a log that was written anew to the same length', () => rewrite().then(() => growAnew(300))],
    ['a log that was cut', () => rewrite().then(() => growAnew(200))],
    ['a tree that was set back', () => installation.asOwner('update audit.tree set size = 299')],
    ['a tree that says more than it has', () => installation.asOwner('update audit.tree set size = 301')],
    [
      'a tile that was changed',
      () =>
        installation.asOwner(
          'update audit.tile set hashes = set_byte(hashes, 4, get_byte(hashes, 4) # 1) where tile_level = 1 or tile_index = 1',
        ),
    ],
    ['a tile that was removed', () => installation.asOwner('delete from audit.tile where tile_level = 1')],
  ]

  async function growAnew(entries: number): Promise<void> {
    const { databaseUrl: url } = installation
    const database = openDatabase({ url, processName: 'rewriter', connections: 1 })
    await database.transaction(async ({ audit }) => {
      for (let count = 0; count < entries; count++) await audit({ ...saved, count })
    })
    await database.close()
    await growTree(sequencer)
  }

  test.each(forks)('%s', async (_name, attack) => {
    await grow(300)
    await beginLog()
    const remembered = readFileSync(signer.signedFile, 'utf8')
    await attack()
    expect(await codeOf(() => sign())).toBe('AUDIT_FORKED')
    expect(readFileSync(signer.signedFile, 'utf8')).toBe(remembered)
    expect(await readPublished()).toHaveLength(1)
  })

  test('a log of which the signer has forgotten what it signed, or another log', async () => {
    await grow(3)
    expect(await codeOf(() => sign())).toBe('AUDIT_FORKED')
    await beginLog()
    expect(await codeOf(() => sign({ origin: 'another/1' }))).toBe('AUDIT_FORKED')
    rmSync(signer.signedFile)
    expect(await codeOf(() => sign())).toBe('AUDIT_FORKED')
    expect(await codeOf(beginLog)).toBe('AUDIT_FORKED')
    writeFileSync(signer.signedFile, 'nonsense')
    expect(await codeOf(() => sign())).toBe('KEY_UNAVAILABLE')
  })
})

describe('gridbridge audit verify with what was signed', () => {
  const verifying = async () => {
    const kept = path.join(path.dirname(signer.signedFile), 'kept')
    const [note = ''] = await readPublished()
    writeFileSync(kept, note)
    const anchors = ['--verifier', writeVerifier(verifier), '--checkpoint', kept]
    return async () => {
      const { code, output } = await runCommand(['audit', 'verify', '--json', ...anchors], environmentOf(installation))
      return [code, JSON.parse(output)] as const
    }
  }

  test('a log that goes on is whole', async () => {
    await grow(300)
    await beginLog()
    const verify = await verifying()
    await grow(20)
    expect(await verify()).toEqual([0, { state: 'whole', leaves: 320, checkpoints: 2, signed: 300 }])
  })

  test('a log that was written anew, of which every lane is whole, is not', async () => {
    await grow(30)
    await beginLog()
    const verify = await verifying()
    await rewrite()
    await installation.asOwner('delete from audit.checkpoint')
    const { databaseUrl: url } = installation
    const database = openDatabase({ url, processName: 'rewriter', connections: 1 })
    for (let count = 0; count < 40; count++) await database.transaction(({ audit }) => audit({ ...saved, count }))
    await database.close()
    await growTree(sequencer)
    expect((await verifyLog(installation.ownerUrl)).state).toBe('whole')
    expect(await verify()).toEqual([
      1,
      { state: 'tampered', index: 0, fault: 'the entry is not the one that was signed' },
    ])
  })
})

test('the signer can read the tree and publish, and nothing else', async () => {
  const forbidden = [
    'select from audit.entry',
    'update audit.tree set size = 0',
    'delete from audit.checkpoint',
    `update audit.checkpoint set note = ''`,
    'select from gridbridge.record',
  ]
  for (const statement of forbidden) {
    await expect(signing.query(statement), statement).rejects.toThrow('SQLSTATE 42501')
  }
  await expect(
    installation.database.query('insert into audit.checkpoint (size, note) values (1, $1)', ['']),
  ).rejects.toThrow('SQLSTATE 42501')
})
