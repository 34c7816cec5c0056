import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { treeOfKey, type NoteVerifier } from './audit/note.ts'
import { operator, within } from './commands.ts'
import type { Config } from './config.ts'
import { AppError } from './errors.ts'
import { countEntries, planPackage, writePackage, type Extent } from './jobs/evidence.ts'
import { readLogVerifier } from './jobs/note-keys.ts'
import { withEvidence } from './store/audit-evidence.ts'

export interface ExportedEvidence {
  readonly out: string
  readonly kind: string
  readonly entries: number
  /** Leaves of the tree that the newest checkpoint signed. */
  readonly signed: number
  /** SHA-256 of the manifest in hex, which the entry of the export holds too. */
  readonly manifest: string
}

interface GivenKeys {
  readonly texts: readonly string[]
  /** A key of the tree over SM3 is among them. */
  readonly withSm3: boolean
}

/** Keys as they were printed, or files of them. Throws USAGE_INVALID for what is neither. */
function readVerifiers(given: readonly string[]): GivenKeys {
  const texts = given.flatMap((text) => (text.includes('+') ? [text] : readLines(text)))
  if (texts.length === 0)
    throw new AppError('USAGE_INVALID', '--verifier: give the key of the log, as `audit key` prints it')
  const trees = texts
    .map(readLogVerifier)
    .filter((key) => key !== null)
    .map(treeNameOf)
  if (!trees.includes('sha256'))
    throw new AppError('USAGE_INVALID', '--verifier: none of them is a key of the log, wanted name+id+key')
  return { texts, withSm3: trees.includes('sm3') }
}

const treeNameOf = ({ publicKey }: NoteVerifier): string => treeOfKey(publicKey).name

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
 * `audit export`: writes an evidence package, and before it is at its place the entry that tells of it. Throws USAGE_INVALID, EVIDENCE_UNSIGNED,
 * EVIDENCE_EMPTY, DATABASE_UNAVAILABLE.
 */
export async function exportEvidence(
  config: Config,
  out: string,
  extent: Extent,
  verifiers: readonly string[],
): Promise<ExportedEvidence> {
  const { texts, withSm3 } = readVerifiers(verifiers)
  const draft = `${out}.partial`
  return within(config, ({ database, databaseUrl }) =>
    withEvidence(config.ownerDatabaseUrl ?? databaseUrl, async (evidence) => {
      const plan = await planPackage(evidence, extent, withSm3)
      assertNew(out)
      const written = { folder: draft, verifiers: texts, madeAt: new Date().toISOString() }
      const manifest = await writePackage(evidence, plan, written).catch(cleanUp(draft))
      const made = { out, kind: plan.kind, entries: countEntries(plan), signed: plan.head.size, manifest }
      const details = { kind: plan.kind, from: plan.from, to: plan.to, signed: plan.head.size }
      const event = { type: 'evidence.exported', actor: operator(), outcome: 'ok' } as const
      // It is a draft until the log tells of it, by the digest of exactly this package.
      await database
        .transaction(({ audit }) => audit({ ...event, count: made.entries, outputDigest: manifest, details }))
        .catch(cleanUp(draft))
      renameSync(draft, out)
      return made
    }),
  )
}

const cleanUp =
  (draft: string) =>
  (error: unknown): never => {
    rmSync(draft, { recursive: true, force: true })
    throw error
  }

function assertNew(out: string): void {
  if (existsSync(out)) throw new AppError('USAGE_INVALID', '--out: there is something already; name a new folder')
}
