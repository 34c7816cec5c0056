import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readCheckpoint } from '../../src/audit/checkpoint.ts'
import { publicKeyOf, readNote, writeVerifier } from '../../src/audit/note.ts'
import { verifyTree } from '../../src/audit/verify-tree.ts'
import type { Extent } from '../../src/jobs/evidence.ts'
import { checkLog } from '../../src/jobs/log-check.ts'
import { readLogVerifier } from '../../src/jobs/note-keys.ts'
import { catchUp, growTree } from '../../src/jobs/sequencer.ts'
import { openTrialSigners } from '../../src/jobs/signer-files.ts'
import { signTrees } from '../../src/jobs/signer.ts'
import { openAuditSnapshot } from '../../src/store/audit-log.ts'
import { openDatabase, type Database } from '../../src/store/database.ts'
import { codeOf } from '../support/coded-error.ts'
import { exportTo, hasPython, judgeWithBoth } from '../support/evidence.ts'
import { makeGmSigners, type GmSigners } from '../support/gm-log.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { alterPackage, flipBit, rewriteLane, signAgain, type AlteredPackage } from '../audit/altered-package.ts'

/** A log of 600 entries under the suite gm, signed at three sizes. */
let installation: TestInstallation
let sequencer: Database
let signing: Database
let folder: string
let signers: GmSigners
const at = (name: string): string => path.join(folder, name)

const write = (): Promise<void> =>
  installation.database.transaction(({ audit }) =>
    audit({ type: 'changes.pulled', actor: 'consumer:platform', outcome: 'ok', dataset: 'resident', count: 1 }),
  )

const sign = (): Promise<number> => signTrees(signing.query, [signers.sha256, signers.sm3])

async function grow(entries: number): Promise<void> {
  await Promise.all(Array.from({ length: entries }, write))
  while ((await growTree(sequencer, ['sha256', 'sm3'])) > 0) continue
}

beforeAll(async () => {
  installation = await openTestInstallation('gm', 3)
  const { databaseUrl: url } = installation
  sequencer = openDatabase({ url, processName: 'sequencer', connections: 1, role: 'gridbridge_sequencer' })
  signing = openDatabase({ url, processName: 'signer', connections: 1, role: 'gridbridge_signer' })
  folder = mkdtempSync(path.join(tmpdir(), 'gridbridge-gm-'))
  signers = makeGmSigners(folder)
  await catchUp(sequencer)
  for (const entries of [300, 40, 260]) {
    await grow(entries)
    await sign()
  }
})
afterAll(async () => {
  await Promise.all([sequencer.close(), signing.close()])
  await installation.close()
  rmSync(folder, { recursive: true })
})

async function verifyBoth() {
  const snapshot = await openAuditSnapshot(installation.ownerUrl)
  try {
    const judge = async (name: 'sha256' | 'sm3') => {
      const verifier = readLogVerifier(signers.verifiers[name])
      if (verifier === null) throw new Error('wanted a verifier')
      const notes = name === 'sm3' ? snapshot.sm3Checkpoints : snapshot.checkpoints
      const tree = 'kind' in verifier.publicKey ? verifier.publicKey.kind.tree : undefined
      return verifyTree(snapshot.leaves(tree), notes, { verifier, pruned: snapshot.pruned })
    }
    return { sha256: await judge('sha256'), sm3: await judge('sm3') }
  } finally {
    await snapshot.close()
  }
}

test('both trees are signed at one size, each by its key, and the product finds both whole', async () => {
  const whole = { state: 'whole', leaves: 600, checkpoints: 3, signed: 600 }
  expect(await verifyBoth()).toEqual({ sha256: whole, sm3: whole })
  const rows = await installation.asOwner<{ algorithm: string; note: string }>(
    'select algorithm, note from audit.checkpoint order by algorithm, size',
  )
  const heads = rows.map(({ note }) => readCheckpoint(readNote(note)?.text ?? ''))
  expect(heads.map((head) => `${head?.origin} ${head?.size}`)).toEqual(
    ['share/1', 'share/1/sm3'].flatMap((name) => [300, 340, 600].map((size) => `audit.example.gov.cn/${name} ${size}`)),
  )
  expect(heads[2]?.root).not.toEqual(heads[5]?.root)
})

test('the newest note that goes out is that of the suite, and a tree that is not signed stops what is personal', async () => {
  const open = async (suite: 'standard' | 'gm') => {
    const { databaseUrl: url } = installation
    const database = openDatabase({ url, processName: 'fresh', connections: 1, mostUnsignedSeconds: 60, suite })
    try {
      return await database.signing()
    } finally {
      await database.close()
    }
  }
  expect((await open('gm')).note).toMatch(/^audit\.example\.gov\.cn\/share\/1\/sm3\n600\n/)
  expect((await open('standard')).note).toMatch(/^audit\.example\.gov\.cn\/share\/1\n600\n/)
  await grow(20)
  await signTrees(signing.query, [signers.sha256])
  await installation.asOwner(`update audit.tree_growth set oldest = oldest - interval '61 s'`)
  expect([(await open('standard')).isBehind, (await open('gm')).isBehind]).toEqual([false, true])
  await sign()
  expect((await open('gm')).isBehind).toBe(false)
})

/** Does something to the database as a superuser, looks, and sets it back. */
async function altered<Result>(statement: string, look: () => Promise<Result>): Promise<Result> {
  const tables = ['entry', 'tile', 'tree', 'checkpoint']
  const { asOwner } = installation
  await asOwner(tables.map((name) => `create table public.kept_${name} as select * from audit.${name}`).join(';'))
  try {
    await asOwner(`set local session_replication_role = replica; ${statement}`)
    return await look()
  } finally {
    await asOwner(
      `set local session_replication_role = replica; ${tables
        .map(
          (name) =>
            `delete from audit.${name}; insert into audit.${name} select * from public.kept_${name}; drop table public.kept_${name}`,
        )
        .join(';')}`,
    )
  }
}

const flip = (byte: string, where: string): string =>
  `update audit.tile set hashes = set_byte(hashes, ${byte}, get_byte(hashes, ${byte}) # 1) where algorithm = 'sm3' and ${where}`

describe('nothing is signed of the tree over SM3 that does not continue what was signed of it last', () => {
  test.each([
    ['a tile that was changed', flip('4', 'tile_level = 1')],
    ['a tile that was removed', `delete from audit.tile where algorithm = 'sm3' and tile_level = 1`],
    ['a tree that was set back', `update audit.tree set size = 599 where algorithm = 'sm3'`],
    ['a tree that is gone', `delete from audit.tree where algorithm = 'sm3'`],
    [
      'tiles of the other tree in its place',
      `delete from audit.tile where algorithm = 'sm3'; update audit.tile set algorithm = 'sm3'`,
    ],
  ])('%s', async (_name, statement) => {
    await sign()
    const remembered = readFileSync(signers.sm3.signedFile, 'utf8')
    const code = await altered(statement, () => codeOf(() => signTrees(signing.query, [signers.sm3])))
    expect(code).toBe('AUDIT_FORKED')
    expect(readFileSync(signers.sm3.signedFile, 'utf8')).toBe(remembered)
    expect(await codeOf(sign)).toBe('none')
  })

  test('nor where it is not known what was signed last', async () => {
    const forgetful = { ...signers.sm3, signedFile: at('another') }
    expect(await codeOf(() => signTrees(signing.query, [forgetful]))).toBe('AUDIT_FORKED')
  })
})

describe('what a superuser alters is found by the SM2 key alone', () => {
  const body = `body = set_byte(body, 100, get_byte(body, 100) # 1)`
  const at77 = `(lane_id, lane_seq) = (select lane_id, lane_seq from audit.tree_leaf where leaf_index = 77)`
  test.each([
    ['a body', `update audit.entry set ${body} where ${at77}`, { state: 'tampered', index: 77 }],
    ['a body that is gone', `delete from audit.entry where ${at77}`, { state: 'tampered', index: 77 }],
    ['a tile', flip('32 * 9', 'tile_level = 0 and tile_index = 1'), { state: 'tampered', index: 265 }],
    [
      'a checkpoint with the signature of the other key',
      `update audit.checkpoint set note = (select note from audit.checkpoint as other where other.algorithm = 'sha256' and other.size = 340)
        where algorithm = 'sm3' and size = 340`,
      { state: 'undecided' },
    ],
  ])('%s', async (_name, statement, finding) => {
    expect((await altered(statement, verifyBoth)).sm3).toMatchObject(finding)
  })
})

const extents = {
  whole: { kind: 'whole' },
  range: { kind: 'range', from: 220, to: 300 },
} as const satisfies Record<string, Extent>

describe.skipIf(!(await hasPython()))('packages with both trees', () => {
  const judge = async (name: string) => {
    const { node, python } = await judgeWithBoth(at(name), ['bundle', at(name)])
    expect(python).toEqual(node)
    return node
  }
  const alter = (from: string, change: (made: AlteredPackage) => void): string => {
    const name = `${from}-altered`
    rmSync(at(name), { recursive: true, force: true })
    cpSync(at(from), at(name), { recursive: true })
    const made = alterPackage(at(name))
    change(made)
    made.reseal()
    return name
  }

  beforeAll(async () => {
    await sign()
    const { sha256, sm3 } = signers.verifiers
    for (const [name, extent] of Object.entries(extents))
      await exportTo(at(name), installation.ownerUrl, extent, sha256, sm3)
    await exportTo(at('one'), installation.ownerUrl, extents.range, sha256)
  })

  test.each([
    ['whole', { entries: 620, trees: ['sha256', 'sm3'] }],
    ['range', { entries: 80, checkpoints: 2, signed: 620, trees: ['sha256', 'sm3'] }],
    ['one', { entries: 80, checkpoints: 1, signed: 620, trees: ['sha256'] }],
  ])('both verifiers confirm them: %s', async (name, facts) => {
    expect(await judge(name)).toMatchObject({ code: 0, verdict: { state: 'whole', ...facts } })
  })

  test.each([
    ['whole', 'a tile', (made) => made.edit('sm3/tile/0/001', (bytes) => flipBit(bytes, 8 * 32 * 9)), { index: 265 }],
    ['range', 'a tile', (made) => made.edit('sm3/tile/0/000', (bytes) => flipBit(bytes, 8 * 32 * 230)), {}],
    ['range', 'a checkpoint', (made) => made.edit('sm3/checkpoints.ndjson', moveRoot), { fault: 'checkpoint-forged' }],
    ['whole', 'a lane, every tile over SHA-256 and its signature', rewriteAll, {}],
  ] as const satisfies readonly (readonly [string, string, (made: AlteredPackage) => void, object])[])(
    'in a package of the %s both find %s that was altered',
    async (from, _what, change, finding) => {
      expect(await judge(alter(from, change))).toMatchObject({ code: 1, verdict: { state: 'tampered', ...finding } })
    },
  )

  /** Another size under the same signature. */
  function moveRoot(bytes: Buffer): string {
    return bytes.toString().replace('/sm3\\n620\\n', '/sm3\\n619\\n')
  }

  /** What whoever has the database and the Ed25519 key can do. */
  function rewriteAll(made: AlteredPackage): void {
    made.editLines((lines) => rewriteLane(lines, 500))
    const note = signAgain(signers.sha256.origin, 620, made.rebuild(), signers.sha256.privateKey)
    writeFileSync(made.file('checkpoints.ndjson'), `${JSON.stringify({ size: 620, note })}\n`)
  }
})

test('the product checks both trees by itself', async () => {
  const context = { database: installation.database, databaseUrl: installation.databaseUrl }
  for (const scope of ['new', 'whole'] as const)
    expect(await checkLog(context, scope)).toMatchObject({ state: 'whole' })
  const found = await altered(flip('0', 'tile_level = 1'), () => checkLog(context, 'new'))
  expect(found).toMatchObject({ state: 'tampered', fault: 'the tree is not the one that was signed' })
})

test('the embedded installation signs both trees with keys that it finds again', () => {
  const open = (suite: 'standard' | 'gm') =>
    openTrialSigners(at('data'), suite).map(({ origin, privateKey, signedFile }) => [
      writeVerifier({ name: origin, publicKey: publicKeyOf(privateKey) }),
      path.basename(signedFile),
    ])
  const [first, ...others] = open('standard')
  expect(others).toEqual([])
  const both = open('gm')
  expect(both[0]).toEqual(first)
  expect(both[1]?.[1]).toBe('audit-signed.sm3')
  expect(both[1]?.[0]).toMatch(/^gridbridge\.trial\/audit\/1\/sm3\+/)
  expect(open('gm')).toEqual(both)
})
