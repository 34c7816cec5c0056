import { hash } from 'node:crypto'
import type { LaneProgress } from './lane.ts'
import { nodesOf } from './merkle.ts'
import type { TreeHash } from './tree-hash.ts'

/** What is left of the entries that were removed after their time: where the log begins now, and the hashes that it goes on from. */
export interface Pruned {
  /** The first place of the tree that still has its entry; 0 where nothing was removed. */
  readonly minIndex: number
  /** The hashes of the perfect subtrees below it, the largest first. */
  readonly compactRange: readonly Buffer[]
  /** The same of the tree over SM3; not there where that had not begun. */
  readonly sm3Range?: readonly Buffer[]
  /** Where each lane of which something was removed goes on. */
  readonly lanes: ReadonlyMap<string, LaneProgress>
}

export const NOTHING_PRUNED: Pruned = { minIndex: 0, compactRange: [], lanes: new Map() }

/** Entries of provision are kept so long at least (网络数据安全管理条例 Art. 12: three years). */
const KEPT_MONTHS = 36

/** The hashes that a tree goes on from. */
export const rangeOf = ({ compactRange, sm3Range = [] }: Pruned, { name }: TreeHash): readonly Buffer[] =>
  name === 'sm3' ? sm3Range : compactRange

/** Whether there are as many hashes as the place asks for. */
export const isRangeOf = (pruned: Pruned, tree: TreeHash): boolean =>
  nodesOf({ start: 0, end: pruned.minIndex }).length === rangeOf(pruned, tree).length

/** SHA-256 over the hashes of a compact range, in hexadecimal. */
export const rangeDigest = (compactRange: readonly Buffer[]): string => hash('sha256', Buffer.concat([...compactRange]))

/** SHA-256 over `<lane> <seq> <head>` of every lane, by name, a line each, in hexadecimal; audit.lanes_digest does the same. */
function lanesDigest(lanes: ReadonlyMap<string, LaneProgress>): string {
  const lines = [...lanes]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([lane, { seq, head }]) => `${lane} ${seq} ${Buffer.from(head).toString('hex')}\n`)
  return hash('sha256', lines.join(''))
}

/** The months that had passed 36 months before `at`: nothing younger than the beginning of that month, in UTC+8, may be removed. */
function prunableUntil(at: Date): Date {
  const local = new Date(at.getTime() + 8 * 3_600_000)
  return new Date(Date.UTC(local.getUTCFullYear(), local.getUTCMonth() - KEPT_MONTHS, 1) - 8 * 3_600_000)
}

interface Approval {
  readonly recordedAt?: unknown
  readonly details?: Readonly<Record<string, unknown>>
}

/** Whether the body of a `pruning.approved` allows what was removed: this place, these hashes, these ends of lanes, and old enough. */
export function isApprovalOf(body: Uint8Array, pruned: Pruned): boolean {
  const { recordedAt, details = {} } = JSON.parse(Buffer.from(body).toString('utf8')) as Approval
  const until = Date.parse(String(details['until']))
  return (
    details['minIndex'] === pruned.minIndex &&
    details['range'] === rangeDigest(pruned.compactRange) &&
    (pruned.sm3Range === undefined || details['rangeSm3'] === rangeDigest(pruned.sm3Range)) &&
    details['lanes'] === lanesDigest(pruned.lanes) &&
    until <= prunableUntil(new Date(String(recordedAt))).getTime()
  )
}
