import { clearObjectAlert, raiseObjectAlert, type AlertKind } from '../store/alerts.ts'
import { readWitnessDelay } from '../store/checkpoints.ts'
import type { Database } from '../store/database.ts'
import { repeat } from './repeat.ts'

export interface SigningLimits {
  /** Names of the witnesses that cosign every checkpoint. */
  readonly witnesses: readonly string[]
  /** Seconds after which a checkpoint should have been cosigned. */
  readonly witnessSeconds: number
}

const EVERY_MS = 10_000
/** Long before disclosures stop. */
const BEHIND_SECONDS = 60

interface Finding {
  readonly kind: AlertKind
  readonly object: string
  readonly seconds: number
  readonly most: number
}

async function settle(database: Database, { kind, object, seconds, most }: Finding): Promise<void> {
  if (seconds <= most) return clearObjectAlert(database.query, object, kind)
  const alert = { kind, object, department: null, details: { seconds: Math.round(seconds) } }
  await database.transaction((transaction) => raiseObjectAlert(transaction, alert))
}

/** Tells of an audit log that is not signed and of witnesses that do not cosign, and takes it back when they do. */
export async function watchSigning(database: Database, limits: SigningLimits): Promise<void> {
  const { unsignedSeconds } = await database.signing()
  const signing = { kind: 'signing-behind', object: 'audit/checkpoints', most: BEHIND_SECONDS } as const
  await settle(database, { ...signing, seconds: unsignedSeconds })
  for (const witness of limits.witnesses) {
    const seconds = await readWitnessDelay(database.query, witness)
    await settle(database, { kind: 'witness-late', object: `witness/${witness}`, seconds, most: limits.witnessSeconds })
  }
}

/** Watches until the function that it returns is called. Safe in any number of processes. */
export function startSigningWatch(
  database: Database,
  limits: SigningLimits,
  onError: (error: unknown) => void,
): () => Promise<void> {
  return repeat(() => watchSigning(database, limits), { everyMs: EVERY_MS, onError })
}
