import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { verifyLanes } from '../src/audit/verify.ts'
import { loadConfig } from '../src/config.ts'
import { openInstallation } from '../src/installation.ts'
import { auditSnapshotOn } from '../src/store/audit-log.ts'
import type { Query } from '../src/store/database.ts'
import { openJudge, type Judge, type Verdict } from './judges.ts'
import { createRandom, type Random } from './random.ts'
import { exportLog, forgetLog, writeSignedLog, type KeptEvidence } from './signed-log.ts'
import { asSuperuser, queryOf } from './superuser.ts'
import { placeOf, tamperings, type Tampering } from './tamperings.ts'
import { treeTamperings, type Placed, type SignedLog, type TreeTampering } from './tree-tamperings.ts'

export interface TamperVerdict {
  readonly ok: boolean
  readonly seed: number
  readonly tamperings: number
  readonly found: number
  readonly named: number
  /** Tamperings of which the second implementation was asked too, and how often it said the same. */
  readonly asked: number
  readonly agreed: number
  readonly cleanLogs: number
  readonly falseAlarms: number
  /** Kinds of tampering that were not found or not named, with how often. */
  readonly missed: Readonly<Record<string, number>>
}

interface Attempt {
  readonly kind: string
  readonly found: boolean
  readonly named: boolean
  /** Null: the second implementation was not asked. */
  readonly agreed: boolean | null
}

/** What the attack needs beside the database: the evidence that was kept out of its reach, and who judges by it. */
interface Court {
  readonly kept: KeptEvidence
  readonly folder: string
  readonly judges: readonly [first: Judge, second: Judge]
  /** The second implementation is slower: it is asked of one tampering in so many. */
  readonly secondEach: number
}

/** Transactions between two checkpoints: some 310 entries, so that there is a tile above the lowest. */
const ROUNDS = [20, 25, 30, 35, 40, 30]

async function readLog(query: Query): Promise<SignedLog> {
  const entries = await query<Placed>(
    `select leaf_index::int as index, lane_id as "laneId", lane_seq::int as "laneSeq", body, leaf
       from audit.tree_leaf join audit.entry using (lane_id, lane_seq) order by leaf_index`,
  )
  const sizes = await query<{ size: number }>('select size::int from audit.checkpoint order by size')
  return { entries, sizes: sizes.map(({ size }) => size) }
}

const lanesOf = ({ entries }: SignedLog): readonly (readonly Placed[])[] =>
  [...Map.groupBy(entries, (entry) => entry.laneId).values()].filter((lane) => lane.length >= 4)

/** What only the lanes' own rows show: nothing of it was signed, and the program that reads the database finds it. */
const ofLanesAlone = (kind: string): boolean => kind.startsWith(`the lane's row`) || kind.startsWith('a forged entry')

async function attackLanes(client: pg.Client, { kind, work, places }: Tampering): Promise<Attempt> {
  await work(queryOf(client))
  const snapshot = await auditSnapshotOn(client)
  const verdict = await verifyLanes(snapshot.lanes, snapshot.entries, snapshot.pruned)
  const found = verdict.state === 'tampered'
  return { kind, found, named: found && places.includes(placeOf(verdict.lane, verdict.seq)), agreed: null }
}

/** The signed sizes around a place: what lies below the lower one was confirmed. */
function around(sizes: readonly number[], index: number): { readonly floor: number; readonly ceiling: number } {
  return {
    floor: sizes.findLast((size) => size <= index) ?? 0,
    ceiling: sizes.find((size) => size > index) ?? Infinity,
  }
}

/** Whether the verdict names the first bad place, as narrowly as what was left to it allows. */
function isNamed({ index, names }: TreeTampering, sizes: readonly number[], verdict: Verdict): boolean {
  const { index: from = -1, upTo = -1 } = verdict
  if (names === 'entry') return from === index && upTo === index + 1
  if (names === 'checkpoint') return from === index && upTo === index && verdict.fault === 'checkpoint-forged'
  if (names === 'tile') return from === index && upTo === index + 256
  const { floor, ceiling } = around(sizes, index)
  if (names === 'end') return from === floor && upTo === index + 1 && verdict.fault === 'log-shorter'
  return floor <= from && from <= index && index < upTo && upTo <= ceiling
}

async function attackTree(
  client: pg.Client,
  log: SignedLog,
  court: Court,
  tampering: TreeTampering,
  asksSecond: boolean,
): Promise<Attempt> {
  await tampering.work(queryOf(client))
  const folder = path.join(court.folder, 'package')
  await exportLog(client, folder, court.kept)
  const question = ['anchors', court.kept.anchors, folder, '--verifier', court.kept.verifier]
  const [first, second] = court.judges
  const [verdict, other] = await Promise.all([first.judge(question), asksSecond ? second.judge(question) : null])
  return {
    kind: tampering.kind,
    found: verdict.state === 'tampered',
    named: verdict.state === 'tampered' && isNamed(tampering, log.sizes, verdict),
    agreed: other === null ? null : JSON.stringify(other) === JSON.stringify(verdict),
  }
}

/** A tampering with a lane as one with the tree: the same work, and the place at which its first entry lies. */
function onTree(log: SignedLog, { kind, work, places }: Tampering): TreeTampering {
  const index = log.entries.findIndex((entry) => placeOf(entry.laneId, entry.laneSeq) === places[0])
  return { kind, work, index, names: 'entry' }
}

type Planned =
  | { readonly of: 'lanes'; readonly tampering: Tampering }
  | { readonly of: 'tree'; readonly tampering: TreeTampering }

/** Each kind in turn, on a lane and at a place that chance picks. */
function planTampering(log: SignedLog, number: number, pick: Random): Planned {
  const kind = number % (tamperings.length + treeTamperings.length)
  const onTheTree = treeTamperings[kind - tamperings.length]?.(log, pick)
  if (onTheTree !== undefined) return { of: 'tree', tampering: onTheTree }
  const lanes = lanesOf(log)
  const tampering = tamperings[kind]?.(lanes[pick(lanes.length)] ?? [], pick)
  if (tampering === undefined) throw new Error('wanted a tampering')
  return ofLanesAlone(tampering.kind) ? { of: 'lanes', tampering } : { of: 'tree', tampering: onTree(log, tampering) }
}

async function attackLog(client: pg.Client, court: Court, count: number, seed: number): Promise<readonly Attempt[]> {
  const pick = createRandom(seed)
  const log = await readLog(queryOf(client))
  const attempts: Attempt[] = []
  for (let number = 0; number < count; number++) {
    const { of, tampering } = planTampering(log, number, pick)
    const asksSecond = number % court.secondEach === 0
    await client.query('savepoint whole')
    attempts.push(
      of === 'lanes'
        ? await attackLanes(client, tampering)
        : await attackTree(client, log, court, tampering, asksSecond),
    )
    await client.query('rollback to savepoint whole')
  }
  return attempts
}

/** A log that nobody touched, judged by both implementations and by the program that reads the database. True: a false alarm. */
async function alarms(client: pg.Client, court: Court): Promise<boolean> {
  const { kept, judges } = court
  const folder = path.join(court.folder, 'clean')
  await exportLog(client, folder, kept)
  const question = ['anchors', kept.anchors, folder, '--verifier', kept.verifier]
  const verdicts = await Promise.all(judges.map((judge) => judge.judge(question)))
  const snapshot = await auditSnapshotOn(client)
  const lanes = await verifyLanes(snapshot.lanes, snapshot.entries)
  return [...verdicts, lanes].some(({ state }) => state !== 'whole')
}

/** Clean logs, each written anew over several connections while its tree grows and is signed. */
async function countAlarms(url: string, court: Court, logs: number): Promise<number> {
  const owner = new pg.Client({ connectionString: url })
  await owner.connect()
  let count = 0
  for (let number = 0; number < logs; number++) {
    await forgetLog(queryOf(owner))
    const kept = await writeSignedLog(url, court.folder, [10 + (number % 7), 12])
    if (await asSuperuser(url, (client) => alarms(client, { ...court, kept }))) count += 1
  }
  await owner.end()
  return count
}

function summarise(
  seed: number,
  attempts: readonly Attempt[],
  clean: { readonly cleanLogs: number; readonly falseAlarms: number },
): TamperVerdict {
  const missed = attempts.filter((attempt) => !attempt.named || attempt.agreed === false)
  const asked = attempts.filter(({ agreed }) => agreed !== null)
  const counted = Object.groupBy(missed, (attempt) => attempt.kind)
  return {
    ok: missed.length === 0 && clean.falseAlarms === 0,
    seed,
    tamperings: attempts.length,
    found: attempts.filter((attempt) => attempt.found).length,
    named: attempts.filter((attempt) => attempt.named).length,
    asked: asked.length,
    agreed: asked.filter(({ agreed }) => agreed === true).length,
    ...clean,
    missed: Object.fromEntries(Object.entries(counted).map(([kind, of]) => [kind, of?.length ?? 0])),
  }
}

/**
 * Single tamperings with a real signed log by a superuser, each rolled back after. The log is exported as it lies there and judged by a
 * verifier in another process that has nothing but the key and the checkpoints that were kept: every tampering must be found and its first
 * bad place named. Logs that nobody touched must verify.
 */
export async function proveTamper(options: {
  readonly tamperings: number
  readonly cleanLogs: number
  readonly seed: number
  readonly secondEach: number
}): Promise<TamperVerdict> {
  const data = mkdtempSync(path.join(tmpdir(), 'gridbridge-tamper-'))
  const installation = await openInstallation(loadConfig({ GRIDBRIDGE_DATA: data }), 'tamper', 3)
  const { databaseUrl: url } = installation
  const judges = [openJudge('node'), openJudge('python')] as const
  const folder = mkdtempSync(path.join(tmpdir(), 'gridbridge-court-'))
  try {
    const kept = await writeSignedLog(url, folder, ROUNDS)
    const court = { kept, folder, judges, secondEach: options.secondEach }
    const attempts = await asSuperuser(url, (client) => attackLog(client, court, options.tamperings, options.seed))
    const falseAlarms = await countAlarms(url, court, options.cleanLogs)
    return summarise(options.seed, attempts, { cleanLogs: options.cleanLogs, falseAlarms })
  } finally {
    for (const one of judges) await one.close()
    await installation.close()
    for (const made of [data, folder]) rmSync(made, { recursive: true, force: true })
  }
}
