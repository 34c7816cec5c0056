import { createPublicKey, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { writeCheckpoint, type Checkpoint } from '../src/audit/checkpoint.ts'
import { cosignedAt } from '../src/audit/cosignature.ts'
import { consistencyRanges, hashOf } from '../src/audit/merkle.ts'
import { publicKeyOf, readNote, signNote, writeNote } from '../src/audit/note.ts'
import { growTiles, nodeReader } from '../src/audit/tiles.ts'
import { writeSubmission } from '../src/audit/witness.ts'
import { loadConfig } from '../src/config.ts'
import { toAppError } from '../src/errors.ts'
import { buildWitnessServer } from '../src/http/witness-server.ts'
import { openInstallation } from '../src/installation.ts'
import { growTree } from '../src/jobs/sequencer.ts'
import { createSigningKey, readSigned } from '../src/jobs/signer-files.ts'
import { signTree, type Signer } from '../src/jobs/signer.ts'
import { openWitness, type Witness } from '../src/jobs/witness-state.ts'
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
  /** By a witness, though the key of the log had signed them. */
  readonly refusedByWitness: number
  /** Trees that only grew, between the forks. */
  readonly honest: number
  readonly signed: number
  readonly cosigned: number
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

/** A witness with its door, and what it cosigned before any fork. */
interface WitnessStage {
  readonly witness: Witness
  readonly address: string
  readonly base: Checkpoint
}

/** Signs the tree of these leaves with the stolen key of the log, proves what can be proved of it, and asks the witness. */
async function offerWitness(
  { witness, address, base }: WitnessStage,
  { origin, privateKey }: Signer,
  leaves: readonly Buffer[],
): Promise<'cosigned' | 'refused'> {
  const whole = { start: 0, end: leaves.length }
  const read = nodeReader(growTiles(0, [], leaves))
  const note = signNote(writeCheckpoint({ origin, size: whole.end, root: hashOf(whole, read) }), origin, privateKey)
  const oldSize = Math.min(base.size, whole.end)
  const proof = consistencyRanges(oldSize, whole).map((range) => hashOf(range, read))
  const body = writeSubmission({ oldSize, proof, note })
  const answer = await fetch(`${address}/add-checkpoint`, { method: 'POST', body })
  const text = await answer.text()
  witness.remember(base)
  if (answer.status === 409 || answer.status === 422) return 'refused'
  const publicKey = createPublicKey(witness.privateKey)
  const cosigned = readNote(`${writeNote(note)}${text}`)
  if (cosigned !== null && cosignedAt(cosigned, { name: witness.name, publicKey }) !== null) return 'cosigned'
  throw new Error(`the witness answered ${answer.status}`)
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

async function openStage(signer: Signer): Promise<WitnessStage & { readonly close: () => Promise<void> }> {
  const folder = path.dirname(signer.signedFile)
  const base = readSigned(signer.signedFile)
  if (base === null) throw new Error('nothing was signed')
  const witness = openWitness({
    name: 'witness.example.gov.cn/w1',
    privateKey: createSigningKey(path.join(folder, 'witness-key')),
    logs: [{ name: signer.origin, publicKey: publicKeyOf(signer.privateKey) }],
    state: path.join(folder, 'witness'),
    isNewLog: true,
  })
  witness.remember(base)
  const server = buildWitnessServer(witness)
  const address = await server.listen({ host: '127.0.0.1', port: 0 })
  return { witness, address, base, close: () => server.close() }
}

async function offerForks(query: Query, signer: Signer, count: number, seed: number): Promise<ForksVerdict> {
  const pick = createRandom(seed)
  await signTree(query, { ...signer, isNewLog: true })
  const leaves = await readLeaves(query)
  const stage = await openStage(signer)
  const counted = { forks: 0, refused: 0, refusedByWitness: 0, honest: 0, signed: 0, cosigned: 0 }
  for (let turn = 0; counted.forks < count; turn++) {
    const isHonest = turn % HONEST_EACH === 0
    const offered = isHonest ? grownFrom(leaves, pick) : forkOf(leaves, pick)
    counted[isHonest ? 'honest' : 'forks'] += 1
    const answer = await offer(query, signer, offered)
    if (answer === (isHonest ? 'signed' : 'refused')) counted[answer] += 1
    const witnessed = await offerWitness(stage, signer, offered)
    if (witnessed === (isHonest ? 'cosigned' : 'refused')) counted[isHonest ? 'cosigned' : 'refusedByWitness'] += 1
  }
  await stage.close()
  const areRefused = counted.refused === counted.forks && counted.refusedByWitness === counted.forks
  return {
    ok: areRefused && counted.signed === counted.honest && counted.cosigned === counted.honest,
    seed,
    ...counted,
  }
}

/**
 * Trees that a database's administrator rewrote from a random place on, every hash fitting, offered to the signer, and to a
 * witness under the stolen key of the log: none may be signed or cosigned, and every tree that only grew must be.
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
