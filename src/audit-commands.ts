import { createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { readVerifier, writeVerifier, type NoteVerifier } from './audit/note.ts'
import { verifyLanes, type Verdict } from './audit/verify.ts'
import { verifyTree, type TreeVerdict } from './audit/verify-tree.ts'
import { within } from './commands.ts'
import type { Config } from './config.ts'
import { AppError, toAppError } from './errors.ts'
import { buildWitnessServer } from './http/witness-server.ts'
import { haveCosigned, submitWith, type RemoteWitness } from './jobs/cosigning.ts'
import { repeat } from './jobs/repeat.ts'
import { signTree } from './jobs/signer.ts'
import { createSigningKey, readSigningKey } from './jobs/signer-files.ts'
import { openWitness } from './jobs/witness-state.ts'
import { createEgressGuard } from './security/egress.ts'
import { openAuditSnapshot } from './store/audit-log.ts'
import { openDatabase, type Database, type Query } from './store/database.ts'

/** A pass over the witnesses follows the one before after so long. */
const COSIGN_EVERY_MS = 1000

/** What the log is verified against beside itself. */
export interface Anchors {
  /** The key of the log's checkpoints, as `audit key` told it. */
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
  const key = readVerifier(verifier)
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
      const notes = [...snapshot.checkpoints, ...anchored.notes]
      const { key, witnesses } = anchored
      return await verifyTree(snapshot.leaves(), notes, { verifier: key, witnesses, pruned: snapshot.pruned })
    } finally {
      await snapshot.close()
    }
  })
}

/** `audit key`: makes the key that checkpoints of a log, or cosignatures, are signed with; returns what others verify them by. Throws KEY_UNAVAILABLE. */
export function makeAuditKey(file: string, name: string, isWitness = false): { readonly verifier: string } {
  const verifier = { name, publicKey: createPublicKey(createSigningKey(file)) }
  return { verifier: writeVerifier(verifier, isWitness ? 'cosignature' : 'note') }
}

export interface SigningOptions {
  readonly key: string
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

/** One pass over all witnesses, each by itself. Only a fork ends it with an error. */
function cosignWith(query: Query, config: Config, news: SigningNews): Cosigning {
  const witnesses = readWitnesses(config)
  const submit = submitWith(createEgressGuard(config.egressAllow))
  return async () => {
    for (const outcome of await Promise.allSettled(witnesses.map((one) => haveCosigned(query, one, submit)))) {
      if (outcome.status === 'fulfilled') continue
      const failure = toAppError(outcome.reason)
      if (failure.code === 'AUDIT_FORKED') throw failure
      news.late(failure)
    }
  }
}

async function signOn(
  database: Database,
  options: SigningOptions,
  cosign: Cosigning,
  news: SigningNews,
): Promise<void> {
  const signer = { origin: options.name, privateKey: readSigningKey(options.key), signedFile: options.signed }
  const forked: unknown[] = []
  const onError = (error: unknown): void => void forked.push(error)
  // Witnesses take their time beside the signing, and what they do not answer never holds it up.
  const stop = options.every === null ? null : repeat(cosign, { everyMs: COSIGN_EVERY_MS, onError })
  try {
    for (let isNewLog = options.newLog, last = -1; ; isNewLog = false) {
      if (forked.length > 0) throw forked[0]
      const size = await signTree(database.query, { ...signer, isNewLog })
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
 * `audit sign`: signs the tree, once or every so many seconds. It needs neither the keys of the installation nor its role: run it as another
 * user, or on another machine. Throws AUDIT_FORKED, KEY_UNAVAILABLE, DATABASE_UNAVAILABLE.
 */
export async function signAudit(config: Config, options: SigningOptions, news: SigningNews): Promise<void> {
  const sign = async (url: string): Promise<void> => {
    const database = openDatabase({ url, processName: 'signer', connections: 2, role: 'gridbridge_signer' })
    try {
      await signOn(database, options, cosignWith(database.query, config, news), news)
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
  const log = readVerifier(text)
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
