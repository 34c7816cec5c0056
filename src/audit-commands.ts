import { createPublicKey } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { writeVerifier } from './audit/note.ts'
import { verifyLanes, type Verdict } from './audit/verify.ts'
import { within } from './commands.ts'
import type { Config } from './config.ts'
import { signTree } from './jobs/signer.ts'
import { createSigningKey, readSigningKey } from './jobs/signer-files.ts'
import { openAuditSnapshot } from './store/audit-log.ts'
import { openDatabase, type Database } from './store/database.ts'

/** `audit verify`: reads the whole log and names the first entry that is not as it was written. */
export async function verifyAudit(config: Config): Promise<Verdict> {
  return within(config, async ({ databaseUrl }) => {
    const snapshot = await openAuditSnapshot(config.ownerDatabaseUrl ?? databaseUrl)
    try {
      return await verifyLanes(snapshot.lanes, snapshot.entries)
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
