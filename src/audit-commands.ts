import { createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { readVerifier, writeVerifier, type NoteVerifier } from './audit/note.ts'
import { verifyLanes, type Verdict } from './audit/verify.ts'
import { verifyTree, type TreeVerdict } from './audit/verify-tree.ts'
import { within } from './commands.ts'
import type { Config } from './config.ts'
import { AppError } from './errors.ts'
import { signTree } from './jobs/signer.ts'
import { createSigningKey, readSigningKey } from './jobs/signer-files.ts'
import { openAuditSnapshot } from './store/audit-log.ts'
import { openDatabase, type Database } from './store/database.ts'

/** What the log is verified against beside itself. */
export interface Anchors {
  /** The key of the log's checkpoints, as `audit key` told it. */
  readonly verifier: string
  /** Files of checkpoints that were kept where the database's administrator cannot reach them. */
  readonly checkpoints: readonly string[]
}

function readAnchors({ verifier, checkpoints }: Anchors): {
  readonly key: NoteVerifier
  readonly notes: readonly string[]
} {
  const key = readVerifier(verifier)
  if (key === null)
    throw new AppError('USAGE_INVALID', 'given another verifier, wanted name+id+key as `audit key` prints it')
  try {
    return { key, notes: checkpoints.map((file) => readFileSync(file, 'utf8')) }
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
      return await verifyTree(
        snapshot.leaves(),
        [...snapshot.checkpoints, ...anchored.notes],
        anchored.key,
        snapshot.pruned,
      )
    } finally {
      await snapshot.close()
    }
  })
}

/** `audit key`: makes the key that checkpoints of a log are signed with; returns what others verify them by. Throws KEY_UNAVAILABLE. */
export function makeAuditKey(file: string, origin: string): { readonly verifier: string } {
  return { verifier: writeVerifier({ name: origin, publicKey: createPublicKey(createSigningKey(file)) }) }
}

export interface SigningOptions {
  readonly key: string
  readonly signed: string
  readonly name: string
  readonly newLog: boolean
  /** Seconds between two checkpoints; null: one, and no more. */
  readonly every: number | null
}

async function signOn(database: Database, options: SigningOptions, tell: (size: number) => void): Promise<void> {
  const signer = { origin: options.name, privateKey: readSigningKey(options.key), signedFile: options.signed }
  for (let isNewLog = options.newLog, last = -1; ; isNewLog = false) {
    const size = await signTree(database.query, { ...signer, isNewLog })
    if (size !== last) tell(size)
    last = size
    if (options.every === null) return
    await wait(options.every * 1000)
  }
}

/**
 * `audit sign`: signs the tree, once or every so many seconds. It needs neither the keys of the installation nor its role: run it as another
 * user, or on another machine. Throws AUDIT_FORKED, KEY_UNAVAILABLE, DATABASE_UNAVAILABLE.
 */
export async function signAudit(config: Config, options: SigningOptions, tell: (size: number) => void): Promise<void> {
  const sign = async (url: string): Promise<void> => {
    const database = openDatabase({ url, processName: 'signer', connections: 1, role: 'gridbridge_signer' })
    try {
      await signOn(database, options, tell)
    } finally {
      await database.close()
    }
  }
  const url = config.signerDatabaseUrl ?? config.databaseUrl
  await (url === null ? within(config, ({ databaseUrl }) => sign(databaseUrl)) : sign(url))
}
