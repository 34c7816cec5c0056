import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { loadConfig } from '../src/config.ts'
import { openInstallation } from '../src/installation.ts'
import { indexEntries, indexPersons, rebuildIndex } from '../src/jobs/audit-index.ts'
import { growTree } from '../src/jobs/sequencer.ts'
import { createSigningKey } from '../src/jobs/signer-files.ts'
import { signTree } from '../src/jobs/signer.ts'
import type { KeyRing } from '../src/security/key-ring.ts'
import type { AskedPerson } from '../src/sharing/records.ts'
import { tokenOf } from '../src/sharing/who-saw.ts'
import { openDatabase, type Database } from '../src/store/database.ts'
import { createRandom } from './random.ts'
import { askEverybody, scanAll, searchAll, timesOf, type Asking, type Times } from './who-saw-asks.ts'
import { writeBulk, type LogPlan } from './who-saw-log.ts'

export interface WhoSawVerdict {
  readonly ok: boolean
  readonly seed: number
  readonly entries: number
  /** Persons in all manifests. */
  readonly named: number
  readonly persons: number
  readonly sightings: number
  /** Answers that are not what a plain scan of every manifest finds. */
  readonly wrong: number
  readonly proofs: number
  readonly unproved: number
  /** Milliseconds of a first page of 50. */
  readonly person: Times
  readonly search: Times
  readonly wrongSearches: number
  readonly damaged: {
    readonly asked: number
    readonly wrong: number
    readonly alerts: number
    readonly times: Times
    /** Answers and alerts after the index was made anew. */
    readonly wrongAfter: number
    readonly alertsAfter: number
  }
}

interface Stage extends Asking {
  readonly sequencer: Database
  readonly people: readonly AskedPerson[]
}

/** Citizen numbers of nobody, born in 1900. */
const personOf = (number: number): AskedPerson => ({
  certType: '111',
  certNumber: `51050419000312${String(number).padStart(3, '0')}X`,
})

const bucketOf = (keys: KeyRing, person: AskedPerson): number => tokenOf(keys, person).readUInt16BE(0) >> 4

/** Loses the blocks of one person's bucket, changes a byte in those of the next, cuts those of the third, and so on. */
async function damage({ owner, context }: Stage, people: readonly AskedPerson[]): Promise<void> {
  const ways = [
    'delete from audit.posting_block where bucket = $1',
    'update audit.posting_block set postings = set_byte(postings, 0, get_byte(postings, 0) # 1) where bucket = $1',
    `update audit.posting_block set postings = substring(postings from 15), digest = sha256(substring(postings from 15)) where bucket = $1`,
  ]
  for (const [place, person] of people.entries())
    await owner.query(ways[place % ways.length] ?? '', [bucketOf(context.keys, person)])
}

async function countAlerts(owner: pg.Client): Promise<number> {
  const { rows } = await owner.query<{ alerts: number }>(
    `select count(*)::int as alerts from gridbridge.alert where kind = 'audit-index-broken' and cleared_at is null`,
  )
  return rows[0]?.alerts ?? 0
}

async function askDamaged(stage: Stage, people: readonly AskedPerson[]): Promise<WhoSawVerdict['damaged']> {
  await damage(stage, people)
  const asked = await askEverybody(stage, people)
  const alerts = await countAlerts(stage.owner)
  await rebuildIndex(stage.sequencer)
  await stage.owner.query(`update gridbridge.alert set cleared_at = now() where kind = 'audit-index-broken'`)
  const after = await askEverybody(stage, people)
  return {
    asked: people.length,
    wrong: asked.wrong,
    alerts,
    times: timesOf(asked.times),
    wrongAfter: after.wrong,
    alertsAfter: await countAlerts(stage.owner),
  }
}

/** Gives every entry its place; returns how many there are. */
async function placeAll(sequencer: Database): Promise<void> {
  while ((await growTree(sequencer)) > 0) continue
}

export interface WhoSawOptions {
  readonly entries: number
  readonly persons: number
  readonly damaged: number
  readonly seed: number
}

async function buildLog(
  owner: pg.Client,
  sequencer: Database,
  plan: LogPlan,
  signer: Parameters<typeof signTree>[1],
  sign: Database,
): Promise<number> {
  const named = await writeBulk(owner, plan)
  await placeAll(sequencer)
  await indexEntries(sequencer)
  await indexPersons(sequencer)
  // Some of the newest wait for the index, as they do at any moment.
  const late = { ...plan, entries: Math.ceil(plan.entries / 200) }
  const namedLate = await writeBulk(owner, late, plan.entries)
  await placeAll(sequencer)
  await indexEntries(sequencer)
  await owner.query('analyze')
  await signTree(sign.query, signer)
  return named + namedLate
}

/** Plants persons in a log and asks who saw each of them. */
export async function proveWhoSaw({ entries, persons, damaged, seed }: WhoSawOptions): Promise<WhoSawVerdict> {
  const data = mkdtempSync(path.join(tmpdir(), 'gridbridge-who-saw-'))
  const installation = await openInstallation(loadConfig({ GRIDBRIDGE_DATA: data }), 'who-saw', 4)
  const { databaseUrl: url, database, keys } = installation
  const owner = new pg.Client({ connectionString: url })
  const sequencer = openDatabase({ url, processName: 'sequencer', connections: 2, role: 'gridbridge_sequencer' })
  const sign = openDatabase({ url, processName: 'signer', connections: 1, role: 'gridbridge_signer' })
  const close = async (): Promise<void> => {
    await Promise.all([owner.end(), sequencer.close(), sign.close()])
    await installation.close()
    rmSync(data, { recursive: true, force: true })
  }
  try {
    await owner.connect()
    const people = Array.from({ length: persons }, (_, number) => personOf(number))
    const planted = people.map((person) => tokenOf(keys, person))
    // The whole log spans 36 months.
    const plan = { entries, paceMs: (1095 * 86_400_000) / entries, pick: createRandom(seed), planted }
    const origin = 'audit.example/who-saw/1'
    const privateKey = createSigningKey(path.join(data, 'audit-key'))
    const signer = { origin, privateKey, signedFile: path.join(data, 'signed'), isNewLog: true }
    const named = await buildLog(owner, sequencer, plan, signer, sign)
    const truth = await scanAll(owner, planted)
    const stage = { context: { database, keys, auditDeadlineMs: 5000 }, sequencer, owner, people, truth }
    return await judge(stage, { entries, named, damaged, seed })
  } finally {
    await close()
  }
}

async function judge(
  stage: Stage,
  {
    entries,
    named,
    damaged,
    seed,
  }: { readonly entries: number; readonly named: number; readonly damaged: number; readonly seed: number },
): Promise<WhoSawVerdict> {
  const { people, truth } = stage
  const { rows } = await stage.owner.query<{ size: number }>('select size from audit.tree')
  const asked = await askEverybody(stage, people)
  const searched = await searchAll(stage, rows[0]?.size ?? 0)
  const broken = await askDamaged(stage, people.slice(0, damaged))
  const person = timesOf(asked.times)
  const search = timesOf(searched.times)
  const faults = [asked.wrong, asked.unproved, searched.wrong, broken.wrong, broken.wrongAfter, broken.alertsAfter]
  return {
    ok: faults.every((count) => count === 0) && broken.alerts === 1 && person.p99 <= 1000 && search.p99 <= 1000,
    seed,
    entries,
    named,
    persons: people.length,
    sightings: [...truth.values()].reduce((sum, places) => sum + places.length, 0),
    wrong: asked.wrong,
    proofs: asked.proofs,
    unproved: asked.unproved,
    person,
    search,
    wrongSearches: searched.wrong,
    damaged: broken,
  }
}
