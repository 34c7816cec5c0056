import { createHash, createPublicKey } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readCheckpoint } from '../../src/audit/checkpoint.ts'
import { leafHash } from '../../src/audit/entry.ts'
import {
  consistencyRanges,
  hashOf,
  inclusionRanges,
  isConsistent,
  nodesOf,
  rootByInclusion,
  type LeafRange,
} from '../../src/audit/merkle.ts'
import { readNote, type NoteVerifier } from '../../src/audit/note.ts'
import { nodeReader, tileOf } from '../../src/audit/tiles.ts'
import { verifyLanes } from '../../src/audit/verify.ts'
import { verifyTree } from '../../src/audit/verify-tree.ts'
import { agreeToPrune, askToPrune, carryOutPruning } from '../../src/jobs/pruning.ts'
import { signTree, type Signer } from '../../src/jobs/signer.ts'
import { createSigningKey } from '../../src/jobs/signer-files.ts'
import { openAuditSnapshot } from '../../src/store/audit-log.ts'
import { readTiles } from '../../src/store/audit-tree.ts'
import { openDatabase, type Database } from '../../src/store/database.ts'
import { codeOf } from '../support/coded-error.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { openOldLane, placeAll, type OldLane } from '../support/old-log.ts'

let installation: TestInstallation
let folder: string
let databases: Readonly<Record<'sequencer' | 'signer' | 'pruner', Database>>
let signer: Signer
let verifier: NoteVerifier
let lanes: Readonly<Record<'long' | 'old', OldLane>>
const sizes: number[] = []

/** The 15th of the month that lies so many months back, at noon in China. */
function monthsAgo(months: number): Date {
  const now = new Date(Date.now() + 8 * 3_600_000)
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 15, 4))
}
/** The beginning of that month in China. */
function startOf(months: number): Date {
  const at = monthsAgo(months)
  return new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), 1) - 8 * 3_600_000)
}

async function sign(): Promise<void> {
  await placeAll(databases.sequencer)
  sizes.push(await signTree(databases.signer.query, signer))
  signer = { ...signer, isNewLog: false }
}

beforeAll(async () => {
  installation = await openTestInstallation('pruning')
  folder = mkdtempSync(path.join(tmpdir(), 'gridbridge-pruning-'))
  const open = (role: 'gridbridge_sequencer' | 'gridbridge_signer' | 'gridbridge_pruner') =>
    openDatabase({ url: installation.databaseUrl, processName: role, connections: 2, role })
  databases = {
    sequencer: open('gridbridge_sequencer'),
    signer: open('gridbridge_signer'),
    pruner: open('gridbridge_pruner'),
  }
  const privateKey = createSigningKey(path.join(folder, 'key'))
  signer = { origin: 'audit.example/1', privateKey, signedFile: path.join(folder, 'signed'), isNewLog: true }
  verifier = { name: signer.origin, publicKey: createPublicKey(privateKey) }
  lanes = { long: await openOldLane(installation), old: await openOldLane(installation) }
  const late = await openOldLane(installation)
  // 37 months: the oldest has more entries, one lane ends in it, and one of its entries was committed a month late.
  for (let month = 37; month >= 1; month--) {
    await lanes.long.write(monthsAgo(month), month === 37 ? 400 : 12)
    if (month === 37) await lanes.old.write(monthsAgo(37), 130)
    if (month === 36) {
      await placeAll(databases.sequencer)
      await late.write(monthsAgo(37), 3)
    }
    await sign()
  }
})
afterAll(async () => {
  for (const database of Object.values(databases)) await database.close()
  await installation.close()
  rmSync(folder, { recursive: true, force: true })
})

async function verifyAll(notes: readonly string[] = []) {
  const snapshot = await openAuditSnapshot(installation.ownerUrl)
  try {
    const inLanes = await verifyLanes(snapshot.lanes, snapshot.entries, snapshot.pruned)
    const inTree = await verifyTree(snapshot.leaves(), [...snapshot.checkpoints, ...notes], verifier, snapshot.pruned)
    return { inLanes, inTree }
  } finally {
    await snapshot.close()
  }
}

async function readHashes(ranges: readonly LeafRange[]): Promise<readonly Buffer[]> {
  const read = nodeReader(await readTiles(databases.signer.query, ranges.flatMap(nodesOf).map(tileOf)))
  return ranges.map((range) => hashOf(range, read))
}

async function headAt(size: number) {
  const [row] = await installation.asOwner<{ note: string }>('select note from audit.checkpoint where size = $1', [
    size,
  ])
  const head = readCheckpoint(readNote(row?.note ?? '')?.text ?? '')
  if (head === null) throw new Error('wanted a checkpoint')
  return head
}

const ask = (until: Date, into = 'archive') =>
  askToPrune(installation.database, { until, folder: path.join(folder, into), actor: 'operator:keeper' })
const carryOut = (pruningId: number) =>
  carryOutPruning({ application: installation.database, pruner: databases.pruner }, pruningId, 'operator:keeper')
const countEntries = async (): Promise<number> => {
  const [row] = await installation.asOwner<{ n: string }>('select count(*) as n from audit.entry')
  return Number(row?.n)
}

describe('nobody can remove what is younger than 36 months', () => {
  test('not by asking for a younger month, nor for one that is not over', async () => {
    expect(await codeOf(() => ask(startOf(35)))).toBe('PRUNING_REFUSED')
    expect(await codeOf(() => ask(new Date()))).toBe('PRUNING_REFUSED')
  })

  /** What the application could write into the request, had it been taken over, and what the database says. */
  const lies = [
    [
      'a younger month',
      { period_until: `audit.prunable_until() + interval '1 month'` },
      'it is younger than 36 months',
    ],
    [
      'a month that is not whole',
      { period_until: `audit.prunable_until() - interval '1 day'` },
      'it does not end with a month',
    ],
    ['more entries than are old', { min_index: '768' }, 'an entry is younger than the months, or is missing'],
    ['an end of the log that nobody signed', { min_index: '1000192' }, 'it is not signed'],
    ['other ends of lanes', { lanes_digest: `sha256('')` }, 'the lanes end elsewhere'],
    ['a beginning that is not the log’s', { first_index: '256' }, 'the log was pruned since'],
    ['nobody who approved', { approved_by: 'null' }, 'no second person approved it'],
    ['an approval that is not in the log', {}, 'its approval is not in the signed log'],
  ] as const

  test.each(lies)('not by claiming %s', async (_name, lie) => {
    const before = await countEntries()
    const { pruningId } = await ask(startOf(36), `lie-${_name}`)
    const { query } = installation.database
    const columns = {
      period_from: 'period_from',
      period_until: 'period_until',
      first_index: 'first_index',
      min_index: 'min_index',
      compact_range: 'compact_range',
      lanes_digest: 'lanes_digest',
      archive_sha256: 'archive_sha256',
      archive_sm3: 'archive_sm3',
      requested_by: 'requested_by',
      ...lie,
    }
    const { approved_by: approver = `'account:made-up'`, ...told } = columns as typeof columns & {
      approved_by?: string
    }
    const [row] = await query<{ id: number }>(
      `insert into audit.pruning (${Object.keys(told).join(', ')})
         select ${Object.values(told).join(', ')} from audit.pruning where pruning_id = $1 returning pruning_id as id`,
      [pruningId],
    )
    await query(`update audit.pruning set approved_by = ${approver} where pruning_id = $1`, [row?.id])
    const refused = await carryOut(row?.id ?? 0).catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'PRUNING_REFUSED', detail: lies.find(([name]) => name === _name)?.[2] })
    expect(await countEntries()).toBe(before + 1)
  })

  test('nor by approving it oneself', async () => {
    const { pruningId } = await ask(startOf(36), 'self')
    expect(await codeOf(() => agreeToPrune(installation.database, pruningId, 'operator:keeper'))).toBe('SECOND_PERSON')
    const self = installation.database.query(
      `update audit.pruning set approved_by = requested_by where pruning_id = ${pruningId}`,
    )
    await expect(self).rejects.toThrow('SQLSTATE 23514')
  })

  test('not as the application, as the pruner or as the auditor, whatever they say to the database', async () => {
    const { databaseUrl } = installation
    const statements = [
      'delete from audit.entry',
      'delete from audit.tree_leaf',
      'delete from audit.tile',
      'delete from audit.checkpoint',
      'delete from audit.lane',
      'delete from audit.lane_start',
      'truncate audit.entry',
      'update audit.entry set recorded_at = recorded_at',
      'update audit.state set min_index = 512',
      `update audit.pruning set period_until = now()`,
      `update audit.pruning set done_at = now()`,
      'delete from audit.pruning',
      'alter table audit.entry disable trigger entry_time',
      `create or replace function audit.prunable_until() returns timestamptz language sql as 'select now()'`,
      'select audit.refusal_to_prune(pruning) from audit.pruning',
    ]
    for (const role of ['gridbridge_app', 'gridbridge_pruner', 'gridbridge_auditor']) {
      const client = new Client({ connectionString: databaseUrl, options: `-c role=${role}` })
      await client.connect()
      const calls = role === 'gridbridge_pruner' ? [] : ['select audit.prune(1)']
      for (const statement of [...statements, ...calls]) {
        const error: unknown = await client.query(statement).catch((thrown: unknown) => thrown)
        expect((error as { code?: string }).code, `${role}: ${statement}`).toBe('42501')
      }
      await client.end()
    }
  })

  test('not by dating a new entry back', async () => {
    const { query } = installation.database
    const back = `select audit.open_lane('00000000-0000-4000-8000-000000000001', 'x')`
    await query(back)
    const body = Buffer.from(
      JSON.stringify({
        entryId: '00000000-0000-4000-8000-000000000002',
        recordedAt: monthsAgo(40).toISOString(),
        laneId: '00000000-0000-4000-8000-000000000001',
        laneSeq: 1,
        type: 'access.denied',
        actor: 'unknown',
        outcome: 'denied',
      }),
    )
    const append = query(`select audit.append('00000000-0000-4000-8000-000000000001', $1, $2, $3)`, [
      Buffer.alloc(32),
      body,
      leafHash(body),
    ])
    await expect(append).rejects.toThrow('SQLSTATE GB003')
    await installation.asOwner(`delete from audit.lane where lane_id = '00000000-0000-4000-8000-000000000001'`)
  })
})

describe('after 37 months one month is removed', () => {
  let newest = 0
  let archive = ''

  beforeAll(async () => {
    const asked = await ask(startOf(36))
    archive = asked.archive
    expect(asked).toMatchObject({ firstIndex: 0, minIndex: 512 })
    await agreeToPrune(installation.database, asked.pruningId, 'account:auditor')
    expect(await codeOf(() => carryOut(asked.pruningId))).toBe('PRUNING_REFUSED')
    await sign()
    expect(await carryOut(asked.pruningId)).toBe(512)
    expect(await carryOut(asked.pruningId)).toBe(512)
    await sign()
    newest = sizes.at(-1) ?? 0
  })

  test('the archive holds every entry that went, byte for byte', async () => {
    const lines = gunzipSync(readFileSync(archive)).toString('utf8').trimEnd().split('\n')
    expect(lines).toHaveLength(512)
    const [entry] = await installation.asOwner<{ said: Record<string, string> }>(
      `select convert_from(body, 'UTF8')::jsonb->'details' as said from audit.entry where event_type = 'pruning.approved'`,
    )
    expect(entry?.said).toMatchObject({
      minIndex: 512,
      archiveSha256: createHash('sha256').update(readFileSync(archive)).digest('hex'),
      archiveSm3: createHash('sm3').update(readFileSync(archive)).digest('hex'),
    })
  })

  test('nothing below the place is left but hashes, and all checkpoints stay', async () => {
    const [row] = await installation.asOwner(
      `select (select min(leaf_index) from audit.tree_leaf)::int as leaf, (select min(tile_index) from audit.tile where tile_level = 0)::int as tile,
              (select count(*) from audit.checkpoint)::int as checkpoints`,
    )
    expect(row).toEqual({ leaf: 512, tile: 2, checkpoints: new Set(sizes).size })
  })

  test('the rest verifies: lanes from their kept ends, the tree against everything that was signed', async () => {
    const { inLanes, inTree } = await verifyAll()
    expect(inLanes).toMatchObject({ state: 'whole', entries: newest - 512, pruned: 512 })
    const behind = new Set(sizes.filter((size) => size >= 512)).size
    expect(inTree).toEqual({ state: 'whole', leaves: newest, checkpoints: behind, signed: newest })
  })

  test('every entry that is left has its proof, in every later tree that was signed', async () => {
    const rows = await installation.asOwner<{ index: string; body: Buffer }>(
      'select leaf_index as index, body from audit.tree_leaf join audit.entry using (lane_id, lane_seq) order by 1',
    )
    let proofs = 0
    for (const size of [...new Set(sizes)].filter((one) => one > 512)) {
      const { root } = await headAt(size)
      const below = rows.filter(({ index }) => Number(index) < size)
      for (const { index, body } of size === newest ? below : below.slice(-3)) {
        const leaf = { index: Number(index), hash: leafHash(body) }
        const hashes = await readHashes(inclusionRanges(leaf.index, { start: 0, end: size }))
        expect(rootByInclusion(leaf, size, hashes)).toEqual(root)
        proofs += 1
      }
    }
    expect(proofs).toBeGreaterThan(rows.length)
  })

  test('every later tree is proven to continue every one from the place on', async () => {
    const heads = []
    for (const size of [...new Set(sizes)].filter((one) => one >= 512)) heads.push(await headAt(size))
    for (const older of heads)
      for (const newer of heads.filter(({ size }) => size > older.size)) {
        const proof = await readHashes(consistencyRanges(older.size, { start: 0, end: newer.size }))
        expect(isConsistent(older, newer, proof), `${older.size} → ${newer.size}`).toBe(true)
      }
    expect(heads.length).toBeGreaterThan(30)
  })

  test('a second time there is nothing old enough', async () => {
    expect(await codeOf(() => ask(startOf(36), 'again'))).toBe('PRUNING_REFUSED')
  })

  const tamperings = [
    [
      'more is removed than was approved',
      'delete from audit.entry where (lane_id, lane_seq) in (select lane_id, lane_seq from audit.tree_leaf where leaf_index = 512)',
    ],
    ['the end of a lane is changed', 'update audit.lane_start set head = sha256(head)'],
    ['the end of a lane that is gone is moved', 'update audit.lane_start set seq = seq - 1'],
    ['the hashes of what is gone are changed', 'update audit.state set compact_range = sha256(compact_range)'],
    ['the approval is taken for another place', 'update audit.state set min_index = 768'],
  ] as const

  test.each(tamperings)('%s, and it is seen', async (_name, statement) => {
    const { asOwner } = installation
    await asOwner(
      'create table public.kept_entry as select * from audit.entry; create table public.kept_start as select * from audit.lane_start; create table public.kept_state as select * from audit.state',
    )
    try {
      await asOwner(statement)
      const { inLanes, inTree } = await verifyAll()
      expect([inLanes.state, inTree.state]).toContain('tampered')
    } finally {
      await asOwner(`delete from audit.entry; insert into audit.entry select * from public.kept_entry; delete from audit.lane_start;
        insert into audit.lane_start select * from public.kept_start; delete from audit.state; insert into audit.state select * from public.kept_state;
        drop table public.kept_entry, public.kept_start, public.kept_state`)
    }
    expect((await verifyAll()).inLanes.state).toBe('whole')
  })
})
