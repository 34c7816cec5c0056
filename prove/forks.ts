import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { growTiles } from '../src/audit/tiles.ts'
import { loadConfig } from '../src/config.ts'
import { toAppError } from '../src/errors.ts'
import { openInstallation } from '../src/installation.ts'
import { growTree } from '../src/jobs/sequencer.ts'
import { createSigningKey } from '../src/jobs/signer-files.ts'
import { signTree, type Signer } from '../src/jobs/signer.ts'
import { saveTiles } from '../src/store/audit-tree.ts'
import { openDatabase, type Query } from '../src/store/database.ts'
import { createRandom, type Random } from './random.ts'
import { writeLog } from './signed-log.ts'
import { asSuperuser, queryOf } from './superuser.ts'

export interface ForksVerdict {
  readonly ok: boolean
  readonly seed: number
  readonly forks: number
  readonly refused: number
  /** Trees that only grew, between the forks. */
  readonly honest: number
  readonly signed: number
}

/** Leaves added at most behind what was signed, so that forks end before, at and after it. */
const MOST_ADDED = 600
/** One tree in so many is honest: a signer that refuses everything proves nothing. */
const HONEST_EACH = 10

const newLeaves = (count: number): readonly Buffer[] => Array.from({ length: count }, () => randomBytes(32))

/** Other leaves from some place on, up to before, at or behind the end: all hashes above them are made to fit. */
function forkOf(leaves: readonly Buffer[], pick: Random): readonly Buffer[] {
  const kept = leaves.slice(0, pick(leaves.length))
  return [...kept, ...newLeaves(1 + pick(leaves.length - kept.length + MOST_ADDED))]
}

const grownFrom = (leaves: readonly Buffer[], pick: Random): readonly Buffer[] => [
  ...leaves,
  ...newLeaves(1 + pick(MOST_ADDED)),
]

/** Puts a whole tree of these leaves into the database, as its administrator could, and asks for a signature. */
async function offer(query: Query, signer: Signer, leaves: readonly Buffer[]): Promise<'signed' | 'refused'> {
  const signed = readFileSync(signer.signedFile, 'utf8')
  await query('savepoint whole')
  try {
    await query('delete from audit.tile')
    await saveTiles(query, growTiles(0, [], leaves))
    await query('update audit.tree set size = $1', [leaves.length])
    await signTree(query, signer)
    return 'signed'
  } catch (error) {
    if (toAppError(error).code !== 'AUDIT_FORKED') throw error
    return 'refused'
  } finally {
    await query('rollback to savepoint whole')
    writeFileSync(signer.signedFile, signed)
  }
}

async function placeAll(url: string): Promise<void> {
  const sequencer = openDatabase({ url, processName: 'sequencer', connections: 1, role: 'gridbridge_sequencer' })
  await growTree(sequencer)
  await sequencer.close()
}

async function readLeaves(query: Query): Promise<readonly Buffer[]> {
  const rows = await query<{ leaf: Buffer }>(
    'select leaf from audit.tree_leaf join audit.entry using (lane_id, lane_seq) order by leaf_index',
  )
  return rows.map(({ leaf }) => leaf)
}

async function offerForks(query: Query, signer: Signer, count: number, seed: number): Promise<ForksVerdict> {
  const pick = createRandom(seed)
  await signTree(query, { ...signer, isNewLog: true })
  const leaves = await readLeaves(query)
  const counted = { forks: 0, refused: 0, honest: 0, signed: 0 }
  for (let turn = 0; counted.forks < count; turn++) {
    const isHonest = turn % HONEST_EACH === 0
    const answer = await offer(query, signer, isHonest ? grownFrom(leaves, pick) : forkOf(leaves, pick))
    counted[isHonest ? 'honest' : 'forks'] += 1
    if (answer === (isHonest ? 'signed' : 'refused')) counted[answer] += 1
  }
  return { ok: counted.refused === counted.forks && counted.signed === counted.honest, seed, ...counted }
}

/**
 * Trees that a database's administrator rewrote from a random place on, every hash fitting, offered to the signer: none may be signed, and
 * every tree that only grew must be.
 */
export async function proveForks(options: { readonly forks: number; readonly seed: number }): Promise<ForksVerdict> {
  const data = mkdtempSync(path.join(tmpdir(), 'gridbridge-forks-'))
  const installation = await openInstallation(loadConfig({ GRIDBRIDGE_DATA: data }), 'forks', 3)
  try {
    await writeLog(installation.database, 300)
    const files = { privateKey: createSigningKey(path.join(data, 'key')), signedFile: path.join(data, 'signed') }
    const signer = { ...files, origin: 'audit.example.gov.cn/share/1', isNewLog: false }
    await placeAll(installation.databaseUrl)
    return await asSuperuser(installation.databaseUrl, (client) =>
      offerForks(queryOf(client), signer, options.forks, options.seed),
    )
  } finally {
    await installation.close()
    rmSync(data, { recursive: true, force: true })
  }
}
