import { generateKeyPairSync } from 'node:crypto'
import { writeCheckpoint } from '../src/audit/checkpoint.ts'
import { canonicalJson, leafHash } from '../src/audit/entry.ts'
import { hashOf } from '../src/audit/merkle.ts'
import { signNote, writeNote } from '../src/audit/note.ts'
import { growTiles, nodeReader } from '../src/audit/tiles.ts'
import { saveTiles } from '../src/store/audit-tree.ts'
import type { Query } from '../src/store/database.ts'
import type { Random } from './random.ts'
import type { Lying } from './tamperings.ts'

/** An entry as it lies in the tree. */
export interface Placed extends Lying {
  readonly index: number
}

/** A signed log as a superuser finds it: its entries by their places, and the sizes at which it was signed. */
export interface SignedLog {
  readonly entries: readonly Placed[]
  readonly sizes: readonly number[]
}

/** What was done, and where the first bad place is. */
export interface TreeTampering {
  readonly kind: string
  readonly work: (query: Query) => Promise<unknown>
  readonly index: number
  /**
   * `entry`: exactly this one must be named. `window`: everything was made to fit, so nothing but the signed sizes around it can be known.
   * `end`: the log ends here, and nothing confirms what is left behind the last size below.
   * `checkpoint`: no entry, but the checkpoint of this size. `tile`: 256 entries under one hash.
   */
  readonly names: 'entry' | 'window' | 'end' | 'checkpoint' | 'tile'
}

const WHERE = 'where lane_id = $1 and lane_seq = $2'

function entryAt(log: SignedLog, index: number): Placed {
  const entry = log.entries[index]
  if (entry === undefined) throw new Error('wanted an entry')
  return entry
}

/** Makes every tile fit these leaves, as a database's administrator would. */
async function rebuild(query: Query, leaves: readonly Buffer[]): Promise<void> {
  await query('delete from audit.tile')
  await saveTiles(query, growTiles(0, [], leaves))
  await query('update audit.tree set size = $1', [leaves.length])
}

const leavesOf = (entries: readonly { readonly leaf: Buffer }[]): Buffer[] => entries.map(({ leaf }) => leaf)

function rewrite(entry: Placed, change: Readonly<Record<string, unknown>>): Placed {
  const body = JSON.parse(entry.body.toString()) as Record<string, unknown>
  const bytes = Buffer.from(canonicalJson({ ...body, ...change } as never))
  return { ...entry, body: bytes, leaf: leafHash(bytes) }
}

/** An entry with another object, and all behind it in its lane, each following the one before. */
function rewriteLane(log: SignedLog, from: Placed): readonly Placed[] {
  let head = ''
  return log.entries.map((entry) => {
    if (entry.laneId !== from.laneId || entry.laneSeq < from.laneSeq) return entry
    const rewritten = rewrite(entry, entry === from ? { object: 'run/999999' } : { previous: head })
    head = rewritten.leaf.toString('hex')
    return rewritten
  })
}

async function saveBodies(query: Query, log: SignedLog, entries: readonly Placed[]): Promise<void> {
  for (const entry of entries) {
    if (entry === log.entries[entry.index]) continue
    await query(`update audit.entry set body = $3, leaf = $4 ${WHERE}`, [
      entry.laneId,
      entry.laneSeq,
      entry.body,
      entry.leaf,
    ])
  }
}

/** Each kind of tampering with the tree and what it is over. `pick` chooses within the kind. */
export const treeTamperings: readonly ((log: SignedLog, pick: Random) => TreeTampering)[] = [
  function swapPlaces(log, pick) {
    const one = pick(log.entries.length - 1)
    const other = one + 1 + pick(log.entries.length - one - 1)
    const [first, second] = [entryAt(log, one), entryAt(log, other)]
    return {
      kind: 'two places of the tree swapped',
      index: one,
      names: 'entry',
      work: async (query) => {
        await query('delete from audit.tree_leaf where leaf_index in ($1, $2)', [one, other])
        const place = 'insert into audit.tree_leaf (leaf_index, lane_id, lane_seq) values ($1, $2, $3)'
        await query(place, [one, second.laneId, second.laneSeq])
        await query(place, [other, first.laneId, first.laneSeq])
      },
    }
  },
  function putIn(log, pick) {
    const entry = entryAt(log, pick(log.entries.length))
    const lane = crypto.randomUUID()
    const { body, leaf } = rewrite(entry, { laneId: lane, laneSeq: 1, previous: '0'.repeat(64) })
    return {
      kind: 'an entry put into the tree',
      index: entry.index,
      names: 'entry',
      work: async (query) => {
        await query(
          `insert into audit.entry (entry_id, recorded_at, lane_id, lane_seq, event_type, actor, outcome, body, leaf)
             select gen_random_uuid(), recorded_at, $3, 1, event_type, actor, outcome, $4, $5 from audit.entry ${WHERE}`,
          [entry.laneId, entry.laneSeq, lane, body, leaf],
        )
        await query('update audit.tree_leaf set leaf_index = -1 - leaf_index where leaf_index >= $1', [entry.index])
        await query('update audit.tree_leaf set leaf_index = -leaf_index where leaf_index < 0')
        await query('insert into audit.tree_leaf (leaf_index, lane_id, lane_seq) values ($1, $2, 1)', [
          entry.index,
          lane,
        ])
      },
    }
  },
  function cutTail(log, pick) {
    const signed = log.sizes[0] ?? 0
    const size = signed + pick(log.entries.length - signed)
    return {
      kind: 'the tail cut, with its checkpoints, and the tree rebuilt',
      index: size,
      names: 'end',
      work: async (query) => {
        await query('delete from audit.checkpoint where size > $1', [size])
        await query(
          'delete from audit.entry using audit.tree_leaf where tree_leaf.lane_id = entry.lane_id and tree_leaf.lane_seq = entry.lane_seq and leaf_index >= $1',
          [size],
        )
        await query('delete from audit.tree_leaf where leaf_index >= $1', [size])
        await rebuild(query, leavesOf(log.entries.slice(0, size)))
      },
    }
  },
  function setBack(log, pick) {
    const size = 1 + pick(log.entries.length - 1)
    return {
      kind: 'the size of the tree set back',
      index: size,
      names: 'end',
      work: (query) => query('update audit.tree set size = $1', [size]),
    }
  },
  function dropRange(log, pick) {
    const from = pick(log.entries.length - 1)
    const to = from + 1 + pick(log.entries.length - from)
    return {
      kind: 'a range of entries dropped',
      index: from,
      names: 'entry',
      work: (query) =>
        query(
          `delete from audit.entry using audit.tree_leaf where tree_leaf.lane_id = entry.lane_id
             and tree_leaf.lane_seq = entry.lane_seq and leaf_index >= $1 and leaf_index < $2`,
          [from, to],
        ),
    }
  },
  function dropRangeAndRebuild(log, pick) {
    const from = pick(log.entries.length - 40)
    const to = from + 1 + pick(30)
    return {
      kind: 'a range of entries dropped, those behind it moved up and the tree rebuilt',
      index: from,
      names: 'window',
      work: async (query) => {
        await query('delete from audit.tree_leaf where leaf_index >= $1 and leaf_index < $2', [from, to])
        await query('update audit.tree_leaf set leaf_index = -(leaf_index - $1) where leaf_index >= $2', [
          to - from,
          to,
        ])
        await query('update audit.tree_leaf set leaf_index = -leaf_index where leaf_index < 0')
        await rebuild(query, leavesOf(log.entries.toSpliced(from, to - from)))
      },
    }
  },
  function rewriteAndRebuild(log, pick) {
    const entry = entryAt(log, pick(log.entries.length))
    const changed = log.entries.with(entry.index, rewrite(entry, { object: 'run/999999' }))
    return {
      kind: 'an entry rewritten and the tree rebuilt',
      index: entry.index,
      names: 'window',
      work: async (query) => {
        await saveBodies(query, log, changed)
        await rebuild(query, leavesOf(changed))
      },
    }
  },
  function rewriteLaneAndRebuild(log, pick) {
    const entry = entryAt(log, pick(log.entries.length))
    const changed = rewriteLane(log, entry)
    return {
      kind: 'a lane rewritten from an entry on and the tree rebuilt',
      index: entry.index,
      names: 'window',
      work: async (query) => {
        await saveBodies(query, log, changed)
        await rebuild(query, leavesOf(changed))
      },
    }
  },
  function rewriteWholeLane(log, pick) {
    const { laneId } = entryAt(log, pick(log.entries.length))
    const first = log.entries.findIndex((entry) => entry.laneId === laneId)
    const changed = rewriteLane(log, entryAt(log, first))
    return {
      kind: 'a whole lane rewritten, every entry following the one before',
      index: first,
      names: 'entry',
      work: (query) => saveBodies(query, log, changed),
    }
  },
  function resign(log, pick) {
    const entry = entryAt(log, pick(log.entries.length))
    const changed = rewriteLane(log, entry)
    const leaves = leavesOf(changed)
    const { privateKey } = generateKeyPairSync('ed25519')
    return {
      kind: 'a lane rewritten, the tree rebuilt and signed again with another key',
      index: entry.index,
      names: 'window',
      work: async (query) => {
        await saveBodies(query, log, changed)
        await rebuild(query, leaves)
        const origin = 'audit.example.gov.cn/share/1'
        for (const size of log.sizes) {
          const root = hashOf({ start: 0, end: size }, nodeReader(growTiles(0, [], leaves.slice(0, size))))
          const note = writeNote(signNote(writeCheckpoint({ origin, size, root }), origin, privateKey))
          await query('update audit.checkpoint set note = $2 where size = $1', [size, note])
        }
      },
    }
  },
  function editCheckpoint(log, pick) {
    const size = log.sizes[pick(log.sizes.length)] ?? 0
    const place = pick(160)
    return {
      kind: 'a character of a checkpoint',
      index: size,
      names: 'checkpoint',
      work: (query) =>
        query(
          `update audit.checkpoint set note = overlay(note placing
             case substr(note, $2, 1) when '7' then '8' else '7' end from $2 for 1) where size = $1`,
          [size, place + 1],
        ),
    }
  },
  function editTile(log, pick) {
    const index = pick(log.entries.length)
    return {
      kind: 'a bit of a hash in the lowest tile',
      index,
      names: 'entry',
      work: (query) =>
        query(
          'update audit.tile set hashes = set_byte(hashes, $2, get_byte(hashes, $2) # 1) where tile_level = 0 and tile_index = $1',
          [Math.floor(index / 256), (index % 256) * 32 + pick(32)],
        ),
    }
  },
  function editUpperTile(_log, pick) {
    return {
      kind: 'a bit of a hash in a tile above',
      index: 0,
      names: 'tile',
      work: (query) =>
        query(
          'update audit.tile set hashes = set_byte(hashes, $1, get_byte(hashes, $1) # 1) where tile_level = 1 and tile_index = 0',
          [pick(32)],
        ),
    }
  },
]
