import { createHash } from 'node:crypto'

/** One change of a delivery as the ledger keeps it: its operation, identity and version, never the record. */
export type ChangeMark = readonly [operation: 'upsert' | 'delete', id: string, version: number]

/** What the platform holds of one dataset, and what came of the changes it was sent. */
export interface DatasetCounts {
  readonly live: number
  readonly deleted: number
  /** Changes that were applied. */
  readonly effects: number
  readonly inserted: number
  readonly updated: number
  readonly removed: number
  /** Changes older than what is held, which were never applied. */
  readonly stale: number
}

/** The holdings of one dataset. A version is kept as its negative once the record is deleted: one number per record. */
export interface Holdings {
  /** Applies the changes in their order; returns how many were applied a second time. */
  readonly apply: (changes: readonly ChangeMark[]) => number
  readonly count: () => DatasetCounts
  /** SHA-256 over the sorted lines `id TAB version LF` of the live records. */
  readonly digest: () => string
}

type Effect = 'inserted' | 'updated' | 'removed' | 'none'

function effectOf(operation: ChangeMark[0], wasLive: boolean): Effect {
  if (operation === 'delete') return wasLive ? 'removed' : 'none'
  return wasLive ? 'updated' : 'inserted'
}

/** Empty holdings. About 120 bytes per record. */
export function openHoldings(): Holdings {
  const versions = new Map<string, number>()
  // Versions that were applied and then replaced: a repeat of one of these must not pass for a late change.
  const replaced = new Set<string>()
  const tally = { inserted: 0, updated: 0, removed: 0, none: 0, stale: 0 }

  function isRepeat(id: string, version: number, held: number): boolean {
    return version === held || replaced.has(`${id} ${version}`)
  }

  function applyOne([operation, id, version]: ChangeMark): boolean {
    const signed = versions.get(id)
    const held = signed === undefined ? undefined : Math.abs(signed)
    if (held !== undefined && version <= held) {
      if (isRepeat(id, version, held)) return true
      tally.stale += 1
      return false
    }
    if (held !== undefined) replaced.add(`${id} ${held}`)
    tally[effectOf(operation, signed !== undefined && signed > 0)] += 1
    versions.set(id, operation === 'delete' ? -version : version)
    return false
  }

  return {
    apply: (changes) => changes.reduce((repeats, change) => repeats + (applyOne(change) ? 1 : 0), 0),
    count: () => {
      const { inserted, updated, removed, none, stale } = tally
      const live = inserted - removed
      const effects = inserted + updated + removed + none
      return { live, deleted: versions.size - live, effects, inserted, updated, removed, stale }
    },
    digest: () => {
      const hash = createHash('sha256')
      const live = [...versions].filter(([, version]) => version > 0).map(([id, version]) => `${id}\t${version}\n`)
      for (const line of live.toSorted()) hash.update(line)
      return hash.digest('hex')
    },
  }
}
