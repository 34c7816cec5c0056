import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { hashOf, nodesOf } from '../../src/audit/merkle.ts'
import { nodeReader, tileOf } from '../../src/audit/tiles.ts'
import { SHA256 } from '../../src/audit/tree-hash.ts'
import { closeEndedLanes, growTree, startSequencer } from '../../src/jobs/sequencer.ts'
import { readTiles } from '../../src/store/audit-tree.ts'
import { openDatabase, type Database } from '../../src/store/database.ts'
import { makeEntry } from '../../src/audit/entry.ts'
import { verifyLog } from '../support/audit-log.ts'
import { codeOf } from '../support/coded-error.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'

let installation: TestInstallation
let sequencer: Database

beforeEach(async () => {
  installation = await openTestInstallation('sequencer')
  const { databaseUrl: url } = installation
  sequencer = openDatabase({ url, processName: 'sequencer', connections: 2, role: 'gridbridge_sequencer' })
})
afterEach(async () => {
  await sequencer.close()
  await installation.close()
})

const saved = { type: 'page.saved', actor: 'system:worker', outcome: 'ok' } as const

const append = (count: number): Promise<void> =>
  installation.database.transaction(({ audit }) => audit({ ...saved, count }))

async function appendMany(entries: number): Promise<void> {
  for (let first = 0; first < entries; first += 8)
    await Promise.all(Array.from({ length: Math.min(8, entries - first) }, (_, place) => append(first + place)))
}

async function growWhole(): Promise<number> {
  let grown = 0
  for (;;) {
    const placed = await growTree(sequencer)
    if (placed === 0) return grown
    grown += placed
  }
}

const sizeOf = async (): Promise<number> => {
  const [row] = await installation.asOwner<{ size: string | number }>('select size from audit.tree')
  return Number(row?.size)
}

/** The root by the definition of RFC 6962, from the entries as they lie in the database. */
async function rootByDefinition(): Promise<Buffer> {
  const rows = await installation.asOwner<{ leaf: Buffer }>(
    'select leaf from audit.tree_leaf join audit.entry using (lane_id, lane_seq) order by leaf_index',
  )
  const rootOf = (leaves: readonly Buffer[]): Buffer => {
    if (leaves.length <= 1) return leaves[0] ?? SHA256.empty
    const split = 2 ** (Math.ceil(Math.log2(leaves.length)) - 1)
    return SHA256.node(rootOf(leaves.slice(0, split)), rootOf(leaves.slice(split)))
  }
  return rootOf(rows.map(({ leaf }) => leaf))
}

async function rootFromTiles(): Promise<Buffer> {
  const whole = { start: 0, end: await sizeOf() }
  const tiles = await readTiles(sequencer.query, nodesOf(whole).map(tileOf))
  return hashOf(whole, nodeReader(tiles))
}

test('every entry gets one place, and the tiles have the root of all of them', async () => {
  await appendMany(300)
  expect(await growWhole()).toBe(300)
  expect(await rootFromTiles()).toEqual(await rootByDefinition())
  await appendMany(257)
  expect(await growWhole()).toBe(257)
  expect(await sizeOf()).toBe(557)
  expect(await rootFromTiles()).toEqual(await rootByDefinition())
  expect(await growTree(sequencer)).toBe(0)
})

test('an entry that is committed late, after others were placed, is placed as well', async () => {
  const { promise: waits, resolve: goOn } = Promise.withResolvers<void>()
  const late = installation.database.transaction(async ({ audit }) => {
    await audit({ ...saved, count: 1 })
    await waits
  })
  await appendMany(3)
  expect(await growWhole()).toBe(3)
  goOn()
  await late
  expect(await growWhole()).toBe(1)
  expect(await rootFromTiles()).toEqual(await rootByDefinition())
})

test('while many write, two sequencers place each entry once', async () => {
  const errors: unknown[] = []
  const stops = [0, 1].map(() => startSequencer(sequencer, (error) => errors.push(error)))
  await appendMany(400)
  while ((await sizeOf()) < 400) continue
  for (const stop of stops) await stop()
  expect(errors).toEqual([])
  expect(await sizeOf()).toBe(400)
  expect(await rootFromTiles()).toEqual(await rootByDefinition())
})

describe('the tree stops where the log is not as it was written', () => {
  const newest = '(lane_id, lane_seq) = (select lane_id, max(lane_seq) - 1 from audit.entry group by lane_id limit 1)'
  const last = '(lane_id, lane_seq) = (select lane_id, max(lane_seq) from audit.entry group by lane_id limit 1)'
  const tamperings = [
    ['the last entry of a lane was removed', `delete from audit.entry where ${last}`],
    ['an entry was removed', `delete from audit.entry where ${newest}`],
    [
      'a body was changed',
      `update audit.entry set body = convert_to(replace(convert_from(body, 'UTF8'), '"ok"', '"no"'), 'UTF8') where ${newest}`,
    ],
    ['a column was changed', `update audit.entry set actor = 'nobody' where ${newest}`],
    ['a leaf was changed', `update audit.entry set leaf = sha256(leaf) where ${newest}`],
  ] as const

  test.each(tamperings)('%s', async (_name, statement) => {
    for (let turn = 0; turn < 4; turn++) await append(turn)
    expect(await growWhole()).toBe(4)
    for (let turn = 0; turn < 4; turn++) await append(turn)
    await installation.asOwner(statement)
    expect(await codeOf(() => growTree(sequencer))).toBe('AUDIT_BROKEN')
    expect(await sizeOf()).toBe(4)
  })
})

describe('a lane whose connection is gone', () => {
  interface Ended {
    readonly lane: string
    readonly seq: number
    readonly head: Buffer
  }
  const readEnded = async (): Promise<readonly Ended[]> =>
    installation.asOwner<Ended>(
      'select lane_id as lane, last_seq::int as seq, head from audit.lane where closed_at is not null',
    )

  /** Appends to a lane as its writer did, with every hash as it should be. */
  const appendTo = ({ lane, seq, head }: Ended) => {
    const place = { entryId: randomUUID(), recordedAt: '2026-11-28T00:00:00.000000Z', laneId: lane, laneSeq: seq + 1 }
    const { body, leaf } = makeEntry({ ...saved, count: 1 }, { ...place, previous: head })
    return installation.asOwner('select audit.append($1, $2, $3, $4)', [lane, head, body, leaf])
  }

  async function closeOne(): Promise<Ended> {
    const gone = openDatabase({ url: installation.databaseUrl, processName: 'gone', connections: 1 })
    for (let count = 0; count < 3; count++) await gone.transaction(({ audit }) => audit({ ...saved, count }))
    await append(9)
    expect(await growWhole()).toBe(4)
    expect(await closeEndedLanes(sequencer)).toBe(0)
    await gone.close()
    while ((await closeEndedLanes(sequencer)) === 0) continue
    const [ended, ...others] = await readEnded()
    if (ended === undefined) throw new Error('no lane was closed')
    expect([ended.seq, others]).toEqual([3, []])
    return ended
  }

  test('is closed by an entry of the sequencer, once, and those that live are not', async () => {
    const ended = await closeOne()
    expect(await growWhole()).toBe(1)
    expect(await closeEndedLanes(sequencer)).toBe(0)
    await append(10)
    const entries = await installation.asOwner<{ body: string }>(
      `select convert_from(body, 'UTF8') as body from audit.entry where event_type = 'lane.closed'`,
    )
    expect(entries.map(({ body }) => JSON.parse(body) as object)).toEqual([
      expect.objectContaining({ details: { lane: ended.lane, seq: 3, head: ended.head.toString('hex') } }),
    ])
    expect(await verifyLog(installation.ownerUrl)).toMatchObject({ state: 'whole' })
  })

  test('takes nothing more, and what a superuser puts in or cuts off is found', async () => {
    const ended = await closeOne()
    await expect(appendTo(ended)).rejects.toThrow('another writer')
    await installation.asOwner('update audit.lane set closed_at = null where lane_id = $1', [ended.lane])
    await appendTo(ended)
    const fault = { state: 'tampered', lane: ended.lane, fault: 'the lane does not end where it was closed' }
    expect(await verifyLog(installation.ownerUrl)).toMatchObject({ ...fault, seq: 4 })
    await installation.asOwner('delete from audit.entry where lane_id = $1 and lane_seq > 2', [ended.lane])
    await installation.asOwner(
      `update audit.lane set last_seq = 2, head = entry.leaf from audit.entry
        where lane.lane_id = $1 and entry.lane_id = $1 and lane_seq = 2`,
      [ended.lane],
    )
    expect(await verifyLog(installation.ownerUrl)).toMatchObject({ ...fault, seq: 3 })
  })
})

test('who serves cannot touch the tree, and who builds the tree can touch nothing else', async () => {
  const { query } = installation.database
  const forbidden = [
    [query, 'insert into audit.tile values (0, 0, sha256(null))'],
    [query, 'update audit.tree set size = 0'],
    [query, 'delete from audit.tree_growth'],
    [query, 'select audit.close_lanes(1)'],
    [sequencer.query, 'select from gridbridge.record'],
    [sequencer.query, 'update audit.entry set actor = actor'],
    [sequencer.query, 'delete from audit.tree_leaf'],
    [sequencer.query, 'update audit.lane set closed_at = now()'],
    [sequencer.query, 'insert into audit.entry select * from audit.entry'],
  ] as const
  for (const [ask, statement] of forbidden) {
    await expect(ask(statement), statement).rejects.toThrow('SQLSTATE 42501')
  }
})
