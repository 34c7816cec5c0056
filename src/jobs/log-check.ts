import { hashOf, nodesOf } from '../audit/merkle.ts'
import { nodeReader, tileOf } from '../audit/tiles.ts'
import { verifyLanes } from '../audit/verify.ts'
import { compareTree, readUnproven } from '../audit/verify-tree.ts'
import { SHA256, SM3, type TreeHash } from '../audit/tree-hash.ts'
import { raiseObjectAlert } from '../store/alerts.ts'
import { openAuditSnapshot, type AuditSnapshot } from '../store/audit-log.ts'
import { readTiles } from '../store/audit-tree.ts'
import type { Database, Query } from '../store/database.ts'
import {
  isCheckDue,
  listLogChecks,
  readLogCounts,
  saveLogCheck,
  type CheckScope,
  type LogCheck,
} from '../store/log-check.ts'
import { checkPlaces } from './check-places.ts'
import { repeat } from './repeat.ts'

/** How long after one look the next is due; half a minute less, so that it is over within ten minutes and a week. */
const dueMinutes = { new: 9.5, whole: 7 * 24 * 60 - 0.5 } as const satisfies Record<CheckScope, number>
const EVERY_MS = 15_000
/** Old entries that each look goes on with beside all new ones: a second or two. A log of fewer is looked at whole each time. */
const OLD_ENTRIES = 200_000
const TILE = 256

type Finding = Pick<LogCheck, 'state' | 'entries' | 'upto' | 'resumesAt' | 'fault'>

const startOfTile = (place: number): number => Math.floor(place / TILE) * TILE

/** The trees of the log of which something was signed, and their checkpoints. */
const signedTreesOf = ({ checkpoints, sm3Checkpoints }: AuditSnapshot) =>
  [
    { tree: SHA256, notes: checkpoints },
    { tree: SM3, notes: sm3Checkpoints },
  ].filter(({ tree, notes }) => tree === SHA256 || notes.length > 0)

/** Whether the tiles of a tree have the root that its newest checkpoint states. */
async function isAsSigned(query: Query, tree: TreeHash, notes: readonly string[]): Promise<boolean> {
  const newest = readUnproven(notes).at(-1)
  if (newest === undefined) return true
  const whole = { start: 0, end: newest.size }
  try {
    const read = nodeReader(await readTiles(query, nodesOf(whole).map(tileOf), tree.name), tree)
    return hashOf(whole, read, tree).equals(Buffer.from(newest.root))
  } catch {
    return false
  }
}

/** All new entries and the next old ones. Whoever changed, removed or put in an old one is found when its turn comes. */
async function checkNew(snapshot: AuditSnapshot, before: LogCheck | undefined): Promise<Finding> {
  const { query } = snapshot
  const { size, minIndex, waiting, entries } = await readLogCounts(query)
  const from = startOfTile(Math.max(minIndex, Math.min(before?.upto ?? 0, size)))
  const resumed = startOfTile(Math.max(minIndex, before?.resumesAt ?? 0))
  const old = resumed >= from || from - minIndex <= OLD_ENTRIES ? minIndex : resumed
  const oldEnd = Math.min(from, old + OLD_ENTRIES)
  const found = (fault: string | null): Finding => ({
    state: fault === null ? 'whole' : 'tampered',
    entries: size - from + (oldEnd - old),
    upto: fault === null ? size : from,
    resumesAt: fault === null ? oldEnd : old,
    fault,
  })
  const bad = (await checkPlaces(query, from, size)) ?? (await checkPlaces(query, old, oldEnd))
  if (bad !== null) return found(`${bad.fault}: ${bad.index}`)
  if (entries !== size - minIndex + waiting) return found('entries were removed, or put in beside the tree')
  for (const { tree, notes } of signedTreesOf(snapshot))
    if (!(await isAsSigned(query, tree, notes))) return found('the tree is not the one that was signed')
  return found(null)
}

/** Every lane and the whole tree against all checkpoints. Their signatures are for whoever has the key: `audit verify`. */
async function checkWhole(snapshot: AuditSnapshot): Promise<Finding> {
  const inLanes = await verifyLanes(snapshot.lanes, snapshot.entries, snapshot.pruned)
  const entries = 'entries' in inLanes ? inLanes.entries : 0
  const found = { entries, upto: snapshot.pruned.minIndex + entries, resumesAt: 0 }
  if (inLanes.state !== 'whole') return { ...found, state: inLanes.state, fault: inLanes.fault }
  for (const { tree, notes } of signedTreesOf(snapshot)) {
    const inTree = await compareTree(snapshot.leaves(tree), readUnproven(notes), snapshot.pruned, tree)
    if (inTree.state === 'tampered') return { ...found, state: 'tampered', fault: `${inTree.fault}: ${inTree.index}` }
    if (inTree.state === 'undecided') return { ...found, state: 'undecided', fault: inTree.fault }
  }
  return { ...found, state: 'whole', fault: null }
}

const checks = { new: checkNew, whole: checkWhole } as const

/** What the log of these databases is checked with. */
export interface LogCheckContext {
  readonly database: Database
  readonly databaseUrl: string
}

async function checkOn({ close }: Pick<AuditSnapshot, 'close'>, work: () => Promise<Finding>): Promise<Finding> {
  try {
    return await work()
  } finally {
    await close()
  }
}

/** Checks the log, keeps what was found, and raises the alarm where it was tampered with. Whole checks and alarms are audited. */
export async function checkLog({ database, databaseUrl }: LogCheckContext, scope: CheckScope): Promise<Finding> {
  const beganAt = new Date()
  const before = (await listLogChecks(database.query)).find((check) => check.scope === scope)
  const snapshot = await openAuditSnapshot(databaseUrl, 'gridbridge_app')
  const finding = await checkOn(snapshot, () => checks[scope](snapshot, before))
  await database.transaction(async (transaction) => {
    await saveLogCheck(transaction.query, { scope, beganAt, ...finding })
    const { state, entries, fault } = finding
    const details = { scope, state, ...(fault === null ? {} : { fault }) }
    const fact = {
      actor: 'system:scheduler',
      outcome: state === 'whole' ? 'ok' : 'failed',
      count: entries,
      details,
    } as const
    if (scope === 'whole' || state !== 'whole') await transaction.audit({ ...fact, type: 'log.checked' })
    if (state !== 'tampered') return
    const alert = { kind: 'log-tampered', object: 'audit/log', department: null, details } as const
    await raiseObjectAlert(transaction, alert)
  })
  return finding
}

/** Checks what is due: new entries every ten minutes, everything every week. Two replicas may do the same at once, which harms nothing. */
export async function checkDue(context: LogCheckContext): Promise<void> {
  for (const scope of ['new', 'whole'] as const)
    if (await isCheckDue(context.database.query, scope, dueMinutes[scope])) await checkLog(context, scope)
}

/** Checks the log on its timetable until the function that it returns is called. */
export const startLogCheck = (context: LogCheckContext, onError: (error: unknown) => void): (() => Promise<void>) =>
  repeat(() => checkDue(context), { everyMs: EVERY_MS, onError })
