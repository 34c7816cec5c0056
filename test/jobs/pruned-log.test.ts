import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
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
import { readNote } from '../../src/audit/note.ts'
import { nodeReader, tileOf } from '../../src/audit/tiles.ts'
import { verifyLanes } from '../../src/audit/verify.ts'
import { verifyTree } from '../../src/audit/verify-tree.ts'
import { agreeToPrune } from '../../src/jobs/pruning.ts'
import { openAuditSnapshot } from '../../src/store/audit-log.ts'
import { readTiles } from '../../src/store/audit-tree.ts'
import { codeOf } from '../support/coded-error.ts'
import type { TestInstallation } from '../support/installation.ts'
import { openOldLog, startOf, type OldLog } from './pruning-stage.ts'

/** 37 months, of which one was removed. */
let log: OldLog
let installation: TestInstallation
let newest = 0
let archive = ''
let told: readonly unknown[]

beforeAll(async () => {
  log = await openOldLog()
  installation = log.installation
  const asked = await log.ask(startOf(36))
  archive = asked.archive
  await agreeToPrune(installation.database, asked.pruningId, 'account:auditor')
  await log.place()
  const tooSoon = await codeOf(() => log.carryOut(asked.pruningId))
  await log.sign()
  const [removed, again] = [await log.carryOut(asked.pruningId), await log.carryOut(asked.pruningId)]
  told = [asked.firstIndex, asked.minIndex, tooSoon, removed, again]
  newest = await log.sign()
})
afterAll(() => log.close())

test('what was approved is removed once its approval was signed, and once', () => {
  expect(told).toEqual([0, 512, 'PRUNING_REFUSED', 512, 512])
})

async function verifyAll(notes: readonly string[] = []) {
  const snapshot = await openAuditSnapshot(installation.ownerUrl)
  try {
    const inLanes = await verifyLanes(snapshot.lanes, snapshot.entries, snapshot.pruned)
    const kept = [...snapshot.checkpoints, ...notes]
    const inTree = await verifyTree(snapshot.leaves(), kept, { verifier: log.verifier, pruned: snapshot.pruned })
    return { inLanes, inTree }
  } finally {
    await snapshot.close()
  }
}

async function readHashes(ranges: readonly LeafRange[]): Promise<readonly Buffer[]> {
  const read = nodeReader(await readTiles(log.signer.query, ranges.flatMap(nodesOf).map(tileOf)))
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
  expect(row).toEqual({ leaf: 512, tile: 2, checkpoints: new Set(log.sizes).size })
})

test('the rest verifies: lanes from their kept ends, the tree against everything that was signed', async () => {
  const { inLanes, inTree } = await verifyAll()
  expect(inLanes).toMatchObject({ state: 'whole', entries: newest - 512, pruned: 512 })
  const behind = new Set(log.sizes.filter((size) => size >= 512)).size
  expect(inTree).toEqual({ state: 'whole', leaves: newest, checkpoints: behind, signed: newest })
})

test('every entry that is left has its proof, in every later tree that was signed', async () => {
  const rows = await installation.asOwner<{ index: string; body: Buffer }>(
    'select leaf_index as index, body from audit.tree_leaf join audit.entry using (lane_id, lane_seq) order by 1',
  )
  let proofs = 0
  for (const size of [...new Set(log.sizes)].filter((one) => one > 512)) {
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
  for (const size of [...new Set(log.sizes)].filter((one) => one >= 512)) heads.push(await headAt(size))
  for (const older of heads)
    for (const newer of heads.filter(({ size }) => size > older.size)) {
      const proof = await readHashes(consistencyRanges(older.size, { start: 0, end: newer.size }))
      expect(isConsistent(older, newer, proof), `${older.size} → ${newer.size}`).toBe(true)
    }
  expect(heads.length).toBeGreaterThan(30)
})

test('a second time there is nothing old enough', async () => {
  expect(await codeOf(() => log.ask(startOf(36), 'again'))).toBe('PRUNING_REFUSED')
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

test('a superuser who removes a month and leaves every hash right is found, because nothing in the log allows it', async () => {
  const range = Buffer.concat([
    ...(await readHashes(
      nodesOf({ start: 0, end: 768 }).map(({ level, index }) => ({
        start: index * 2 ** level,
        end: (index + 1) * 2 ** level,
      })),
    )),
  ])
  await installation.asOwner(`
    insert into audit.lane_start select * from audit.lane_ends_below(768) on conflict (lane_id) do update set seq = excluded.seq, head = excluded.head;
    delete from audit.entry using audit.tree_leaf
     where entry.lane_id = tree_leaf.lane_id and entry.lane_seq = tree_leaf.lane_seq and leaf_index < 768;
    delete from audit.tree_leaf where leaf_index < 768;
    update audit.state set min_index = 768, compact_range = decode('${range.toString('hex')}', 'hex')`)
  const { inLanes, inTree } = await verifyAll()
  expect(inTree.state).toBe('whole')
  expect(inLanes).toMatchObject({ state: 'tampered', fault: 'entries were removed and nothing in the log allows it' })
})
