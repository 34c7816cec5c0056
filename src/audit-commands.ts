import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { publicKeyOf, readVerifier, treeOfKey, writeVerifier, type NoteVerifier } from './audit/note.ts'
import type { TreeHash } from './audit/tree-hash.ts'
import { verifyLanes, type Verdict } from './audit/verify.ts'
import { verifyTree, type TreeVerdict } from './audit/verify-tree.ts'
import { within } from './commands.ts'
import type { Config } from './config.ts'
import { AppError, toAppError } from './errors.ts'
import { buildWitnessServer } from './http/witness-server.ts'
import { haveCosigned, submitWith, type RemoteWitness } from './jobs/cosigning.ts'
import { repeat } from './jobs/repeat.ts'
import { readLogVerifier, sm3NameOf } from './jobs/note-keys.ts'
import { signTrees, type Signer } from './jobs/signer.ts'
import {
  createSigningKey,
  createSm2SigningKey,
  readSigningKey,
  readSm2SigningKey,
  sm3SignedFile,
} from './jobs/signer-files.ts'
import { openWitness } from './jobs/witness-state.ts'
import { createEgressGuard } from './security/egress.ts'
import { openAuditSnapshot } from './store/audit-log.ts'
import { openDatabase, type Database, type Query } from './store/database.ts'

/** A pass over the witnesses follows the one before after so long. */
const COSIGN_EVERY_MS = 1000

/** What the log is verified against beside itself. */
export interface Anchors {
  /** The key of the log's checkpoints, as `audit key` told it: Ed25519 of the tree over SHA-256, SM2 of that over SM3. */
  readonly verifier: string
  /** Verifiers of witnesses, each of which has to have cosigned; none: no cosignature is asked for. */
  readonly witnesses?: readonly string[]
  /** Files of checkpoints that were kept where the database's administrator cannot reach them. */
  readonly checkpoints: readonly string[]
}

function readAnchors({ verifier, witnesses = [], checkpoints }: Anchors): {
  readonly key: NoteVerifier
  readonly witnesses: readonly NoteVerifier[]
  readonly notes: readonly string[]
} {
  const key = readLogVerifier(verifier)
  if (key === null)
    throw new AppError('USAGE_INVALID', 'given another verifier, wanted name+id+key as `audit key` prints it')
  const cosigners = witnesses.map((text) => readVerifier(text, 'cosignature'))
  if (cosigners.includes(null))
    throw new AppError('USAGE_INVALID', 'given another witness, wanted what `audit key --witness` prints')
  try {
    const notes = checkpoints.map((file) => readFileSync(file, 'utf8'))
    return { key, witnesses: cosigners.filter((one) => one !== null), notes }
  } catch (error) {
    throw new AppError('USAGE_INVALID', 'a file of a checkpoint cannot be read', { cause: error })
  }
}

/**
 * `audit verify`: reads the whole log and names the first entry that is not as it was written. Without anchors it cannot see that whole lanes
 * were written anew; with them it compares the tree with everything that was signed. Throws USAGE_INVALID, DATABASE_UNAVAILABLE.
 */
export async function verifyAudit(config: Config, anchors: Anchors | null = null): Promise<Verdict | TreeVerdict> {
  const anchored = anchors === null ? null : readAnchors(anchors)
  return within(config, async ({ databaseUrl }) => {
    const snapshot = await openAuditSnapshot(config.ownerDatabaseUrl ?? databaseUrl)
    try {
      const verdict = await verifyLanes(snapshot.lanes, snapshot.entries, snapshot.pruned)
      if (verdict.state !== 'whole' || anchored === null) return verdict
      const { key, witnesses } = anchored
      const tree = treeOfKey(key.publicKey)
      const published = tree.name === 'sm3' ? snapshot.sm3Checkpoints : snapshot.checkpoints
      const notes = [...published, ...anchored.notes]
      return await verifyTree(snapshot.leaves(tree), notes, { verifier: key, witnesses, pruned: snapshot.pruned })
    } finally {
      await snapshot.close()
    }
  })
}

/** What a key signs: the log's tree over SHA-256, that over SM3, or cosignatures. */
export type AuditKeyUse = 'log' | 'sm3' | 'witness'

/** `audit key`: makes the key that checkpoints of a log, or cosignatures, are signed with; returns what others verify them by. Throws KEY_UNAVAILABLE. */
export function makeAuditKey(file: string, name: string, use: AuditKeyUse = 'log'): { readonly verifier: string } {
  const key = use === 'sm3' ? createSm2SigningKey(file) : createSigningKey(file)
  const verifier = { name: use === 'sm3' ? sm3NameOf(name) : name, publicKey: publicKeyOf(key) }
  return { verifier: writeVerifier(verifier, use === 'witness' ? 'cosignature' : 'note') }
}

export interface SigningOptions {
  readonly key: string
  /** The key of the tree over SM3; null: that tree is not signed. */
  readonly sm2Key: string | null
  readonly signed: string
  readonly name: string
  readonly newLog: boolean
  /** Seconds between two checkpoints; null: one, and no more. */
  readonly every: number | null
}

/** The witnesses of the settings. Throws CONFIG_INVALID for what is no verifier of cosignatures. */
export function readWitnesses({ witnesses }: Config): readonly RemoteWitness[] {
  return witnesses.map(({ url, verifier: text }) => {
    const verifier = readVerifier(text, 'cosignature')
    if (verifier === null)
      throw new AppError('CONFIG_INVALID', `WITNESS_VERIFIERS has another text; wanted what audit key --witness prints`)
    return { url, verifier }
  })
}

/** What `audit sign` tells of as it goes. */
export interface SigningNews {
  readonly signed: (size: number) => void
  /** A witness did not cosign; signing goes on. */
  readonly late: (error: AppError) => void
}

type Cosigning = (isStopped: () => boolean) => Promise<void>

/** One pass over all witnesses and trees, each by itself. Only a fork ends it with an error. */
function cosignWith(query: Query, config: Config, trees: readonly TreeHash[], news: SigningNews): Cosigning {
  const witnesses = readWitnesses(config)
  const submit = submitWith(createEgressGuard(config.egressAllow))
  return async () => {
    const passes = witnesses.flatMap((one) => trees.map((tree) => haveCosigned(query, one, submit, tree)))
    for (const outcome of await Promise.allSettled(passes)) {
      if (outcome.status === 'fulfilled') continue
      const failure = toAppError(outcome.reason)
      if (failure.code === 'AUDIT_FORKED') throw failure
      news.late(failure)
    }
  }
}

type KnownSigner = Omit<Signer, 'isNewLog'>

/** Who signs each tree. Throws KEY_UNAVAILABLE, USAGE_INVALID where the suite asks for a key that is not given. */
function readSigners({ cryptoSuite }: Config, { key, sm2Key, signed, name }: SigningOptions): readonly KnownSigner[] {
  const signer = { origin: name, privateKey: readSigningKey(key), signedFile: signed }
  if (sm2Key !== null)
    return [
      signer,
      { origin: sm3NameOf(name), privateKey: readSm2SigningKey(sm2Key), signedFile: sm3SignedFile(signed) },
    ]
  if (cryptoSuite === 'standard') return [signer]
  throw new AppError('USAGE_INVALID', 'the suite gm has a tree over SM3 too; give --sm2-key, from audit key --suite gm')
}

async function signOn(
  database: Database,
  signers: readonly KnownSigner[],
  options: SigningOptions,
  { cosign, news }: { readonly cosign: Cosigning; readonly news: SigningNews },
): Promise<void> {
  const forked: unknown[] = []
  const onError = (error: unknown): void => void forked.push(error)
  // Witnesses take their time beside the signing, and what they do not answer never holds it up.
  const stop = options.every === null ? null : repeat(cosign, { everyMs: COSIGN_EVERY_MS, onError })
  try {
    for (let isNewLog = options.newLog, last = -1; ; isNewLog = false) {
      if (forked.length > 0) throw forked[0]
      const known = signers.map((signer) => ({ ...signer, isNewLog }))
      const size = await signTrees(database.query, known)
      if (size !== last) news.signed(size)
      last = size
      if (options.every === null) return await cosign(() => false)
      await wait(options.every * 1000)
    }
  } finally {
    await stop?.()
  }
}

/**
 * `audit sign`: signs the trees, once or every so many seconds. It needs neither the keys of the installation nor its role: run it as another
 * user, or on another machine. Throws AUDIT_FORKED, KEY_UNAVAILABLE, USAGE_INVALID,
 * DATABASE_UNAVAILABLE.
 */
export async function signAudit(config: Config, options: SigningOptions, news: SigningNews): Promise<void> {
  const signers = readSigners(config, options)
  const trees = signers.map(({ privateKey }) => treeOfKey(publicKeyOf(privateKey)))
  const sign = async (url: string): Promise<void> => {
    const database = openDatabase({ url, processName: 'signer', connections: 2, role: 'gridbridge_signer' })
    try {
      const cosign = cosignWith(database.query, config, trees, news)
      await signOn(database, signers, options, { cosign, news })
    } finally {
      await database.close()
    }
  }
  const url = config.signerDatabaseUrl ?? config.databaseUrl
  await (url === null ? within(config, ({ databaseUrl }) => sign(databaseUrl)) : sign(url))
}

export interface WitnessingOptions {
  readonly key: string
  /** A folder with a file for each log. */
  readonly state: string
  readonly name: string
  /** Verifiers of the logs that are watched. */
  readonly logs: readonly string[]
  readonly newLog: boolean
  readonly host: string
  readonly port: number
}

function readLog(text: string): NoteVerifier {
  const log = readLogVerifier(text)
  if (log === null)
    throw new AppError('USAGE_INVALID', 'given another log, wanted name+id+key as `audit key` prints it')
  return log
}

/**
 * `audit witness`: cosigns what continues what it cosigned last of a log, over HTTP and without any database. Returns its address and how to
 * stop it. Throws AUDIT_FORKED, KEY_UNAVAILABLE, USAGE_INVALID.
 */
export async function startWitness({
  key,
  logs,
  newLog,
  host,
  port,
  ...options
}: WitnessingOptions): Promise<{ readonly address: string; readonly stop: () => Promise<void> }> {
  if (logs.length === 0) throw new AppError('USAGE_INVALID', 'give the verifier of a log')
  const keys = { privateKey: readSigningKey(key), logs: logs.map(readLog) }
  const server = buildWitnessServer(openWitness({ ...options, ...keys, isNewLog: newLog }))
  return { address: await server.listen({ host, port }), stop: () => server.close() }
}
