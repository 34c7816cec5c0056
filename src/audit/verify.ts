import { EMPTY_HEAD, leafHash, parseBody, type EntryColumns, type LaneEnd, type ParsedBody } from './entry.ts'
import type { LaneProgress } from './lane.ts'
import { isApprovalOf, NOTHING_PRUNED, type Pruned } from './pruned.ts'

/** An entry as it lies in the database: the body, its leaf hash and the columns that must be copies of the body. */
export interface StoredEntry extends EntryColumns {
  readonly laneId: string
  readonly laneSeq: number
  readonly body: Uint8Array
  readonly leaf: Uint8Array
  /** Hex SHA-256 of the manifest beside it; null: there is none. Not there where nobody looked. */
  readonly manifestDigest?: string | null
}

/** A lane as it claims to stand: how many entries it has and the leaf hash of the last. */
export interface StoredLane {
  readonly laneId: string
  readonly lastSeq: number
  readonly head: Uint8Array
}

export type Verdict =
  | {
      readonly state: 'whole'
      readonly entries: number
      readonly lanes: number
      /** How many entries were removed after their time; left out where none was. */
      readonly pruned?: number
    }
  | {
      readonly state: 'tampered'
      readonly entries: number
      readonly lane: string
      readonly seq: number
      readonly fault: string
    }
  | { readonly state: 'undecided'; readonly fault: string }

const columnNames = ['entryId', 'recordedAt', 'type', 'actor', 'outcome', 'feed', 'dataset', 'count'] as const

const sameBytes = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0

/** The checks of one entry against its place, in the order in which they are told. Each returns whether it holds. */
const entryChecks: readonly (readonly [
  fault: string,
  holds: (entry: StoredEntry, body: ParsedBody, expectedSeq: number) => boolean,
])[] = [
  ['an entry is missing or out of order here', (entry, _body, expectedSeq) => entry.laneSeq === expectedSeq],
  ['the leaf hash does not fit the body', (entry) => sameBytes(leafHash(entry.body), entry.leaf)],
  ['the body names another place', (entry, body) => body.laneId === entry.laneId && body.laneSeq === entry.laneSeq],
  ['a column is not a copy of the body', (entry, body) => columnNames.every((name) => entry[name] === body[name])],
  [
    'the persons beside it are not those that it names',
    ({ manifestDigest }, body) => manifestDigest === undefined || manifestDigest === body.subjectsDigest,
  ],
]

const REWRITTEN = 'the entry after it follows another one'

export interface Fault {
  readonly seq: number
  readonly fault: string
}

/** What is wrong at this place. An entry commits to the one before it, so where the two part, the one before was rewritten. */
export function faultOf(
  entry: StoredEntry,
  progress: LaneProgress,
  body: ParsedBody | null = parseBody(entry.body),
): Fault | null {
  const seq = Math.min(entry.laneSeq, progress.seq + 1)
  if (body === null) return { seq, fault: 'the body cannot be read' }
  const failed = entryChecks.find(([, holds]) => !holds(entry, body, progress.seq + 1))
  if (failed !== undefined) return { seq, fault: failed[0] }
  const follows = body.previous === Buffer.from(progress.head).toString('hex')
  return follows ? null : { seq: Math.max(1, progress.seq), fault: REWRITTEN }
}

export const NOTHING_YET: LaneProgress = { seq: 0, head: EMPTY_HEAD }

const endsThere = (end: LaneEnd, { seq, head }: LaneProgress): boolean =>
  end.seq === seq && end.head === Buffer.from(head).toString('hex')

/** A lane whose own row disagrees with its entries: cut at the end, or the row itself was changed. */
function cutLane(
  lanes: ReadonlyMap<string, StoredLane>,
  progressOf: (lane: string) => LaneProgress,
): [string, number] | null {
  for (const lane of lanes.values()) {
    const progress = progressOf(lane.laneId)
    if (progress.seq !== lane.lastSeq) return [lane.laneId, Math.min(progress.seq, lane.lastSeq) + 1]
    if (!sameBytes(progress.head, lane.head)) return [lane.laneId, progress.seq]
  }
  return null
}

/** What is wrong with a lane that was closed and does not end there. */
function faultAtClose(
  closed: readonly LaneEnd[],
  progressOf: (lane: string) => LaneProgress,
): { readonly lane: string; readonly seq: number; readonly fault: string } | null {
  const moved = closed.find((end) => !endsThere(end, progressOf(end.laneId)))
  if (moved === undefined) return null
  const seq = Math.min(moved.seq, progressOf(moved.laneId).seq) + 1
  return { lane: moved.laneId, seq, fault: 'the lane does not end where it was closed' }
}

/** What is wrong with a lane that has no entry any more, or that the log says was cut without anybody's leave. */
function faultAtEnd(
  lanes: ReadonlyMap<string, StoredLane>,
  progressOf: (lane: string) => LaneProgress,
  { pruned, isApproved }: { readonly pruned: Pruned; readonly isApproved: boolean },
): { readonly lane: string; readonly seq: number; readonly fault: string } | null {
  const cut = cutLane(lanes, progressOf)
  if (cut !== null) return { lane: cut[0], seq: cut[1], fault: 'the lane does not end where its row says' }
  const [lane = ''] = pruned.lanes.keys()
  if (pruned.minIndex === 0 && pruned.lanes.size === 0) return null
  return isApproved ? null : { lane, seq: 1, fault: 'entries were removed and nothing in the log allows it' }
}

/**
 * Checks every entry of every lane, and that a lane that was closed ends where it was closed. Entries come ordered by lane and place. Names
 * the first bad entry as (lane, seq). Where old months were removed, lanes go on from the ends that were kept, and an entry of the log has
 * to allow exactly that.
 * Without signatures a superuser who rewrites a whole lane and its row is not seen; the signed Merkle log closes that.
 */
export async function verifyLanes(
  lanes: readonly StoredLane[],
  entries: AsyncIterable<StoredEntry>,
  pruned: Pruned = NOTHING_PRUNED,
): Promise<Verdict> {
  const laneById = new Map(lanes.map((lane) => [lane.laneId, lane]))
  const closed: LaneEnd[] = []
  const seen = new Map(pruned.lanes)
  const progressOf = (lane: string): LaneProgress => seen.get(lane) ?? NOTHING_YET
  let count = 0
  let newest = 1
  let isApproved = false
  for await (const entry of entries) {
    count += 1
    const body = parseBody(entry.body)
    newest = Math.max(newest, body?.version ?? 1)
    const fault = laneById.has(entry.laneId)
      ? faultOf(entry, progressOf(entry.laneId), body)
      : { seq: 1, fault: 'the lane of this entry is missing' }
    if (fault !== null) return { state: 'tampered', entries: count, lane: entry.laneId, ...fault }
    seen.set(entry.laneId, { seq: entry.laneSeq, head: entry.leaf })
    if (body?.closes != null) closed.push(body.closes)
    isApproved ||= entry.type === 'pruning.approved' && isApprovalOf(entry.body, pruned)
  }
  const fault = faultAtClose(closed, progressOf) ?? faultAtEnd(laneById, progressOf, { pruned, isApproved })
  if (fault !== null) return { state: 'tampered', entries: count, ...fault }
  if (newest > 1) return { state: 'undecided', fault: `entries of version ${newest} are newer than this program` }
  const gone = pruned.minIndex === 0 ? {} : { pruned: pruned.minIndex }
  return { state: 'whole', entries: count, lanes: lanes.length, ...gone }
}
