import { kinds } from './cursor-kinds.ts'
import { proveKind, type KindVerdict } from './cursor-play.ts'
import { judgeRemovals, type RemovalVerdict } from './cursor-removals.ts'

export interface CursorsVerdict {
  readonly ok: boolean
  readonly seed: number
  readonly kinds: readonly KindVerdict[]
  readonly removals: readonly RemovalVerdict[]
}

/**
 * Reads simulated departments that commit late, out of order and with equal times, with crashes between the pages: every
 * row's newest version must be handed out, and rows must be lost as soon as settle window, look-back or tie-breaker is gone.
 */
export async function proveCursors(options: {
  readonly schedules: number
  readonly seed: number
}): Promise<CursorsVerdict> {
  const verdicts: KindVerdict[] = []
  for (const kind of Object.keys(kinds)) verdicts.push(await proveKind(kind, options.schedules, options.seed))
  const removals = await judgeRemovals(Object.keys(kinds), options.seed)
  const isProven = (verdict: KindVerdict): boolean =>
    verdict.lost === 0 && verdict.unended === 0 && verdict.lateCommits > 0 && verdict.ties > 0 && verdict.crashes > 0
  const ok = verdicts.every(isProven) && removals.every(({ noticed }) => noticed)
  return { ok, seed: options.seed, kinds: verdicts, removals }
}
