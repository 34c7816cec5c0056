import { readFileSync } from 'node:fs'
import { readVerifier } from './audit/note.ts'
import { operator, within } from './commands.ts'
import type { Config } from './config.ts'
import { AppError } from './errors.ts'
import { countEntries, planPackage, writePackage, type Extent } from './jobs/evidence.ts'
import { withEvidence } from './store/audit-evidence.ts'

export interface ExportedEvidence {
  readonly out: string
  readonly kind: string
  readonly entries: number
  /** Leaves of the tree that the newest checkpoint signed. */
  readonly signed: number
}

/** Keys as they were printed, or files of them. Throws USAGE_INVALID for what is neither. */
function readVerifiers(given: readonly string[]): readonly string[] {
  const texts = given.flatMap((text) => (text.includes('+') ? [text] : readLines(text)))
  if (texts.length === 0)
    throw new AppError('USAGE_INVALID', '--verifier: give the key of the log, as `audit key` prints it')
  if (!texts.some((text) => readVerifier(text) !== null))
    throw new AppError('USAGE_INVALID', '--verifier: none of them is a key of the log, wanted name+id+key')
  return texts
}

function readLines(file: string): readonly string[] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '')
  } catch (error) {
    throw new AppError('USAGE_INVALID', '--verifier: neither a key nor a file that can be read', { cause: error })
  }
}

/**
 * `audit export`: writes an evidence package and, before it, the entry that tells of it. Throws USAGE_INVALID, EVIDENCE_UNSIGNED,
 * EVIDENCE_EMPTY, DATABASE_UNAVAILABLE.
 */
export async function exportEvidence(
  config: Config,
  out: string,
  extent: Extent,
  verifiers: readonly string[],
): Promise<ExportedEvidence> {
  const keys = readVerifiers(verifiers)
  return within(config, ({ database, databaseUrl }) =>
    withEvidence(config.ownerDatabaseUrl ?? databaseUrl, async (evidence) => {
      const plan = await planPackage(evidence, extent)
      const entries = countEntries(plan)
      const details = { kind: plan.kind, from: plan.from, to: plan.to, signed: plan.head.size }
      await database.transaction(({ audit }) =>
        audit({ type: 'evidence.exported', actor: operator(), outcome: 'ok', count: entries, details }),
      )
      await writePackage(evidence, plan, { folder: out, verifiers: keys, madeAt: new Date().toISOString() })
      return { out, kind: plan.kind, entries, signed: plan.head.size }
    }),
  )
}
