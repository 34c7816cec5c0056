import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { leafHash } from '../src/audit/entry.ts'
import { verifyLanes, type Verdict } from '../src/audit/verify.ts'
import { loadConfig } from '../src/config.ts'
import { openInstallation } from '../src/installation.ts'
import { auditSnapshotOn } from '../src/store/audit-log.ts'
import { seededRandom } from './kill.ts'

export interface TamperVerdict {
  readonly ok: boolean
  readonly seed: number
  readonly mutations: number
  readonly found: number
  readonly named: number
  readonly falseAlarms: number
  /** Kinds of mutation that were not found or not named, with how often. */
  readonly missed: Readonly<Record<string, number>>
}

interface Place {
  readonly laneId: string
  readonly laneSeq: number
}

interface Target extends Place {
  readonly body: Buffer
  /** Last entry of its lane. */
  readonly last: boolean
}

/** What a superuser might do to one entry. `names` is the place that the verifier must name, or null where any of the lane will do. */
interface Mutation {
  readonly kind: string
  readonly apply: (client: pg.Client, target: Target, random: () => number) => Promise<boolean>
  readonly names: (target: Target) => number
}

const here = 'lane_id = $1 and lane_seq = $2'
const place = (target: Place): readonly unknown[] => [target.laneId, target.laneSeq]

async function change(client: pg.Client, text: string, values: readonly unknown[]): Promise<boolean> {
  const { rowCount } = await client.query(text, [...values])
  return (rowCount ?? 0) > 0
}

function flipBit(bytes: Buffer, random: () => number): Buffer {
  const flipped = Buffer.from(bytes)
  const at = Math.floor(random() * bytes.length)
  flipped[at] = (flipped[at] ?? 0) ^ (1 << Math.floor(random() * 8))
  return flipped
}

/** Another count in the body, as somebody would who wants to hide how much was seen; still good JSON. */
const forge = (body: Buffer): Buffer => Buffer.from(body.toString('utf8').replace(/"outcome":"ok"/, '"outcome":"no"'))

const column = (name: string, value: string): Mutation => ({
  kind: `column ${name}`,
  apply: (client, target) => change(client, `update audit.entry set ${name} = ${value} where ${here}`, place(target)),
  names: (target) => target.laneSeq,
})

const mutations: readonly Mutation[] = [
  {
    kind: 'bit of the body',
    apply: (client, target, random) =>
      change(client, `update audit.entry set body = $3 where ${here}`, [
        ...place(target),
        flipBit(target.body, random),
      ]),
    names: (target) => target.laneSeq,
  },
  {
    kind: 'body and its leaf hash',
    apply: (client, target) =>
      change(client, `update audit.entry set body = $3, leaf = $4, outcome = 'no' where ${here}`, [
        ...place(target),
        forge(target.body),
        leafHash(forge(target.body)),
      ]),
    // The entry is consistent with itself; the one behind it no longer follows, or the lane's end no longer fits.
    names: (target) => (target.last ? target.laneSeq : target.laneSeq + 1),
  },
  {
    kind: 'delete',
    apply: (client, target) => change(client, `delete from audit.entry where ${here}`, place(target)),
    names: (target) => target.laneSeq,
  },
  {
    kind: 'swap with the next',
    apply: async (client, target) => {
      if (target.last) return false
      await client.query(`update audit.entry set lane_seq = -1 where ${here}`, [...place(target)])
      await client.query(`update audit.entry set lane_seq = $2 where lane_id = $1 and lane_seq = $2 + 1`, [
        ...place(target),
      ])
      return change(
        client,
        'update audit.entry set lane_seq = $2 + 1 where lane_id = $1 and lane_seq = -1',
        place(target),
      )
    },
    names: (target) => target.laneSeq,
  },
  {
    kind: 'lane cut short',
    apply: async (client, target) => {
      if (!target.last) return false
      await client.query(`delete from audit.entry where ${here}`, [...place(target)])
      return change(client, 'update audit.lane set last_seq = $2 - 1 where lane_id = $1', place(target))
    },
    names: (target) => target.laneSeq - 1,
  },
  column('actor', `'consumer:nobody'`),
  column('count', 'coalesce(count, 0) + 1'),
  column('event_type', `'page.read'`),
  column('recorded_at', `recorded_at + interval '1 second'`),
  column('leaf', `sha256('other')`),
]

async function readTargets(client: pg.Client): Promise<readonly Target[]> {
  const { rows } = await client.query<Target>(
    `select lane_id as "laneId", lane_seq::int as "laneSeq", body, lane_seq = last_seq as last
       from audit.entry join audit.lane using (lane_id) order by lane_id, lane_seq`,
  )
  return rows
}

async function verify(client: pg.Client): Promise<Verdict> {
  const snapshot = await auditSnapshotOn(client)
  return verifyLanes(snapshot.lanes, snapshot.entries)
}

/** A real log: three connections' lanes, with transactions that rolled back between. */
async function writeLog(
  database: Awaited<ReturnType<typeof openInstallation>>['database'],
  entries: number,
): Promise<void> {
  const write = async (index: number): Promise<void> => {
    const work = database.transaction(async ({ audit }) => {
      await audit({
        type: 'changes.pulled',
        actor: `consumer:platform-${index % 3}`,
        outcome: 'ok',
        dataset: 'resident',
        count: index,
      })
      if (index % 7 === 0) throw new Error('rolled back')
    })
    await work.catch(() => undefined)
  }
  for (let done = 0; done < entries; done += 3) await Promise.all([write(done), write(done + 1), write(done + 2)])
}

interface Attempt {
  readonly kind: string
  readonly found: boolean
  readonly named: boolean
}

async function attack(client: pg.Client, targets: readonly Target[], random: () => number): Promise<Attempt | null> {
  const mutation = mutations[Math.floor(random() * mutations.length)]
  const target = targets[Math.floor(random() * targets.length)]
  if (mutation === undefined || target === undefined) return null
  await client.query('savepoint whole')
  const applied = await mutation.apply(client, target, random)
  const verdict = applied ? await verify(client) : null
  await client.query('rollback to savepoint whole')
  if (verdict === null) return null
  const found = verdict.state === 'tampered'
  const named = found && verdict.lane === target.laneId && verdict.seq === mutation.names(target)
  return { kind: mutation.kind, found, named }
}

/**
 * Single mutations of a real log by a superuser, each rolled back after: every one must be found and the entry named, and the
 * untouched log must verify before and after.
 */
export async function proveTamper(options: {
  readonly mutations: number
  readonly seed: number
}): Promise<TamperVerdict> {
  const data = mkdtempSync(path.join(tmpdir(), 'gridbridge-tamper-'))
  const installation = await openInstallation(loadConfig({ GRIDBRIDGE_DATA: data }), 'tamper', 3)
  const client = new pg.Client({ connectionString: installation.databaseUrl })
  try {
    await writeLog(installation.database, 60)
    await client.connect()
    await client.query('begin')
    const random = seededRandom(options.seed)
    const targets = await readTargets(client)
    const before = await verify(client)
    const attempts: Attempt[] = []
    while (attempts.length < options.mutations) {
      const attempt = await attack(client, targets, random)
      if (attempt !== null) attempts.push(attempt)
    }
    const after = await verify(client)
    return judge(options.seed, attempts, [before, after])
  } finally {
    await client.end()
    await installation.close()
    rmSync(data, { recursive: true, force: true })
  }
}

function judge(seed: number, attempts: readonly Attempt[], clean: readonly Verdict[]): TamperVerdict {
  const missed = attempts.filter((attempt) => !attempt.named)
  const falseAlarms = clean.filter((verdict) => verdict.state !== 'whole').length
  const counted = Object.groupBy(missed, (attempt) => attempt.kind)
  return {
    ok: missed.length === 0 && falseAlarms === 0,
    seed,
    mutations: attempts.length,
    found: attempts.filter((attempt) => attempt.found).length,
    named: attempts.filter((attempt) => attempt.named).length,
    falseAlarms,
    missed: Object.fromEntries(Object.entries(counted).map(([kind, of]) => [kind, of?.length ?? 0])),
  }
}
